//! Hooks, run by real pushes: the model card that is shipped, and what a hook can and cannot do.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use polder_tests::{Git, Hub, LargeObject, Token, Work, fixtures, have, poll, workspace_root};

struct Place {
    hub: Hub,
    token: Token,
    scripts: tempfile::TempDir,
}

impl Place {
    /// A hub whose hooks are the given scripts; `$OUT` in one is a directory of the test's.
    fn new(pre: &[&str], post: &[&str], limits: &str) -> Self {
        let scripts = tempfile::tempdir().unwrap();
        // Hooks may run as another user.
        std::fs::set_permissions(scripts.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let write = |stage: &str, n: usize, text: &str| {
            let path = scripts.path().join(format!("{stage}{n}"));
            let out = scripts.path().display().to_string();
            std::fs::write(&path, format!("#!/bin/sh\n{}\n", text.replace("$OUT", &out))).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            format!("\"{}\"", path.display())
        };
        let list = |stage: &str, texts: &[&str]| {
            let paths: Vec<String> =
                texts.iter().enumerate().map(|(n, text)| write(stage, n, text)).collect();
            paths.join(", ")
        };
        let config = format!(
            "[hooks]\npre-receive = [{}]\npost-receive = [{}]\n{limits}",
            list("pre", pre),
            list("post", post)
        );
        let hub = Hub::builder().config(&config).start();
        let token = hub.acme();
        Self { hub, token, scripts }
    }

    fn work(&self, repo: &str) -> Work {
        self.hub.repo(repo);
        let work = Work::new();
        work.ok(&["remote", "add", "origin", &self.hub.repo_url_as(repo, &self.token)]);
        work.commit_file("a", b"a\n");
        work
    }

    fn out(&self, name: &str) -> PathBuf {
        self.scripts.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.out(name)).unwrap_or_default()
    }
}

fn refs(work: &Work) -> String {
    work.ok(&["ls-remote", "origin"])
}

#[test]
fn the_model_card_hook_takes_good_cards_and_explains_bad_ones() {
    let hook = workspace_root().join("hooks/model-card");
    let hub = Hub::builder().config(&format!("[hooks]\npre-receive = [\"{}\"]", hook.display())).start();
    let token = hub.acme();
    hub.repo("acme/m");
    let work = Work::new();
    work.ok(&["remote", "add", "origin", &hub.repo_url_as("acme/m", &token)]);

    let bad: [(&str, &[u8], &str); 6] = [
        ("other.md", b"x\n", "README.md"),
        ("README.md", b"# Only a title\n", "---"),
        ("README.md", b"---\nlicense: mit\n# never closed\n", "closing"),
        ("README.md", b"---\nlicense: [mit\n---\n# T\n", "README.md"),
        ("README.md", b"---\n---\n# Empty\n", "README.md"),
        ("README.md", b"---\nlicense: \xff\n---\n", "UTF-8"),
    ];
    for (path, content, word) in bad {
        work.commit_file(path, content);
        let told = work.run(&["push", "origin", "main"]).fails();
        let remote: String = told.lines().filter(|line| line.starts_with("remote:")).collect();
        assert!(remote.contains(word), "`{word}` is not among the remote's lines:\n{told}");
        assert!(told.contains("hook declined"), "{told}");
        assert_eq!(refs(&work), "", "a refused push changes nothing");
    }
    for card in ["card-en.md", "card-zh.md", "card-dataset.md"] {
        let text = std::fs::read(workspace_root().join("fixtures/files").join(card)).unwrap();
        work.commit_file("README.md", &text);
        work.ok(&["push", "-q", "origin", "main", "main:refs/heads/other"]);
    }
    work.ok(&["tag", "-a", "v1", "-m", "v1"]);
    work.ok(&["push", "-q", "origin", "v1", ":other"]);
    let tip = work.ok(&["rev-parse", "HEAD"]);
    work.ok(&["rm", "-q", "README.md"]);
    work.commit("Remove the card");
    work.run(&["push", "origin", "main"]).fails();
    assert!(refs(&work).contains(&format!("{tip}\trefs/heads/main")));
    hub.fsck();
}

#[test]
fn every_fixture_with_a_card_passes_the_model_card_hook() {
    if !have(&[polder_tests::Client::GitLfs]) {
        return;
    }
    let hook = workspace_root().join("hooks/model-card");
    let hub = Hub::builder().config(&format!("[hooks]\npre-receive = [\"{}\"]", hook.display())).start();
    let token = hub.acme();
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    for id in ["acme/tiny-llama", "acme/tiny-zh", "datasets/acme/poems"] {
        hub.repo(id);
        let (source, url) = (fixtures().join(format!("{id}.git")), hub.repo_url_as(id, &token));
        git.ok(&source, &["lfs", "push", "--all", &url]);
        git.ok(&source, &["push", "-q", &url, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]);
    }
}

#[test]
fn a_hook_reads_the_commands_and_the_quarantined_objects_and_gets_a_bare_environment() {
    let place = Place::new(
        &["cat > $OUT/stdin\nenv > $OUT/env\npwd > $OUT/pwd\n\
           while read -r old new ref; do git cat-file commit \"$new\" >> $OUT/commit; done < $OUT/stdin\n\
           git rev-parse --verify -q refs/heads/new > $OUT/before\n\
           git rev-parse --is-bare-repository > $OUT/bare\necho \"from $(basename \"$0\")\"\necho words >&2"],
        &[],
        "",
    );
    let work = place.work("acme/m");
    let tip = work.ok(&["rev-parse", "HEAD"]);
    let done = work.run(&["push", "origin", "main:refs/heads/new", "main:refs/heads/other"]);
    done.ok();
    for line in ["remote: from pre0", "remote: words"] {
        assert!(done.stderr.contains(line), "{}", done.stderr);
    }
    let zero = polder_tests::zero();
    assert_eq!(place.read("stdin"), format!("{zero} {tip} refs/heads/new\n{zero} {tip} refs/heads/other\n"));
    assert!(place.read("commit").contains("author Ada Example"), "{}", place.read("commit"));
    assert_eq!(place.read("before"), "", "the ref is not there yet");
    assert_eq!(place.read("bare"), "true\n");
    let allowed = [
        "PATH",
        "GIT_DIR",
        "GIT_QUARANTINE_PATH",
        "GIT_OBJECT_DIRECTORY",
        "GIT_CONFIG_NOSYSTEM",
        "HOME",
        "PWD",
        "SHLVL",
        "_",
        "OLDPWD",
        "LC_ALL",
        "LANG",
    ];
    for line in place.read("env").lines() {
        let name = line.split('=').next().unwrap_or_default();
        assert!(allowed.contains(&name), "a hook does not get {line}");
    }
    for secret in [place.token.secret.as_str(), "POLDER_"] {
        assert!(!place.read("env").contains(secret));
    }
}

#[test]
fn a_post_receive_hook_sees_the_new_refs_and_cannot_undo_them() {
    let place = Place::new(&[], &["cat > $OUT/stdin; git rev-parse refs/heads/main > $OUT/tip; exit 1"], "");
    let work = place.work("acme/m");
    let tip = work.ok(&["rev-parse", "HEAD"]);
    let done = work.run(&["push", "origin", "main"]);
    done.ok();
    assert!(refs(&work).contains(&format!("{tip}\trefs/heads/main")));
    assert_eq!(place.read("tip").trim(), tip);
    assert!(place.read("stdin").ends_with(&format!("{tip} refs/heads/main\n")));
    assert!(done.stderr.contains("post-receive"), "{}", done.stderr);
}

#[test]
fn the_first_hook_that_fails_is_the_last_that_runs() {
    let place = Place::new(
        &["cat >/dev/null; touch $OUT/first", "cat >/dev/null; echo no; exit 3", "touch $OUT/third"],
        &["touch $OUT/post"],
        "",
    );
    let work = place.work("acme/m");
    let told = work.run(&["push", "origin", "main"]).fails();
    assert!(told.contains("remote: no") && told.contains("hook declined"), "{told}");
    assert_eq!(refs(&work), "");
    assert!(place.out("first").exists() && !place.out("third").exists() && !place.out("post").exists());
}

#[test]
fn a_hook_that_takes_too_long_is_ended_with_all_that_it_started() {
    let place =
        Place::new(&["sleep 300 & echo $! > $OUT/child; echo $$ > $OUT/self; wait"], &[], "seconds-max = 3");
    let work = place.work("acme/m");
    let start = Instant::now();
    let told = work.run(&["push", "origin", "main"]).fails();
    assert!(start.elapsed().as_secs() < 30, "it took {:?}", start.elapsed());
    assert!(told.contains("3 s"), "{told}");
    assert_eq!(refs(&work), "");
    for name in ["child", "self"] {
        let pid = place.read(name).trim().to_owned();
        assert!(!pid.is_empty(), "{name}");
        let proc = Path::new("/proc").join(&pid);
        // A zombie has an empty command line.
        let ended = || std::fs::read(proc.join("cmdline")).map_or(true, |line| line.is_empty()).then_some(());
        assert!(poll(10, ended).is_some(), "{name} {pid} still runs");
    }
}

#[test]
fn a_hook_cannot_take_more_memory_than_it_may() {
    let script = "exec python3 -c 'x = bytearray(600 << 20); print(len(x))'";
    let place = Place::new(&[script], &[], "memory-mib-max = 256");
    let work = place.work("acme/m");
    work.run(&["push", "origin", "main"]).fails();
    assert_eq!(refs(&work), "");
    let roomy = Place::new(&[script], &[], "memory-mib-max = 2048");
    roomy.work("acme/m").ok(&["push", "-q", "origin", "main"]);
}

#[test]
fn a_hook_cannot_change_what_is_stored() {
    let vandal = "cat >/dev/null\ncd \"$GIT_DIR\" || exit 1\n\
                  for f in $(find . -type f); do chmod u+w \"$f\" 2>/dev/null; echo garbage > \"$f\" 2>/dev/null; done\n\
                  rm -rf objects refs 2>/dev/null\nexit 0";
    let place = Place::new(&[vandal], &[vandal], "");
    let work = place.work("acme/m");
    // Large enough to be a file of its own, which the view links or copies.
    work.write("large", &LargeObject::random(5, 400_000).bytes);
    work.commit("Large");
    work.ok(&["push", "-q", "origin", "main"]);
    work.commit_file("b", b"b\n");
    work.ok(&["push", "-q", "origin", "main", "main:refs/heads/again"]);
    let clone = work.beside("clone");
    work.git.ok(&work.beside(""), &["clone", "-q", &place.hub.repo_url("acme/m"), "clone"]);
    work.git.fsck(&clone);
    assert_eq!(work.git.objects(&clone), work.git.objects(&work.path()));
    place.hub.fsck();
}

#[test]
fn what_a_hook_prints_cannot_drive_the_terminal_and_is_bounded() {
    let place = Place::new(
        &["cat >/dev/null\nprintf 'a\\033[31mred\\007\\n'\nyes words | head -c 3000000\nexit 1"],
        &[],
        "",
    );
    let work = place.work("acme/m");
    let told = work.run(&["push", "origin", "main"]).fails();
    assert!(!told.contains('\u{1b}') || !told.contains("\u{1b}[31m"), "an escape sequence came through");
    assert!(!told.contains('\u{7}'));
    assert!(told.len() < 500_000, "{} bytes", told.len());
}

#[test]
fn content_of_a_repository_never_becomes_a_hook() {
    let place = Place::new(&[], &[], "");
    let work = place.work("acme/m");
    let mark = place.out("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    for path in ["hooks/pre-receive", "hooks/post-receive", "hooks/update", ".githooks/pre-receive"] {
        work.write(path, script.as_bytes());
        std::fs::set_permissions(work.path().join(path), PermissionsExt::from_mode(0o755)).unwrap();
    }
    work.commit("Hooks");
    work.ok(&["push", "-q", "origin", "main"]);
    work.commit_file("b", b"b\n");
    work.ok(&["push", "-q", "origin", "main"]);
    assert!(!mark.exists());
}

#[test]
fn a_hook_that_cannot_be_run_refuses_the_push_without_saying_where_it_is() {
    let hub = Hub::builder().config("[hooks]\npre-receive = [\"/does/not/exist/hook\"]").prepare();
    let mut hub = hub;
    let output = hub.cli(&["serve", "--listen", "127.0.0.1:0"]);
    if !output.success() {
        // Refused at the start, which is earlier and better.
        assert!(output.stderr.contains("/does/not/exist/hook"), "{}", output.stderr);
        return;
    }
    hub.serve(None);
    panic!("a hub that stopped by itself with success");
}
