//! Stock git, both versions on the machine, protocols 0 and 2: everything a clone, fetch or push
//! can ask for, with `git fsck --strict` as the judge of every clone.
#![cfg(test)]

use std::path::{Path, PathBuf};

use polder_tests::{Client, Git, Hub, Token, Work, fixtures, have, pack_of, push_body, sideband_text, zero};

const BOTH: [Client; 2] = [Client::OldGit, Client::NewGit];

struct Place {
    hub: Hub,
    token: Token,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        Self { hub, token, dir: tempfile::tempdir().unwrap() }
    }

    /// A place with `acme/history`, pushed by stock git.
    fn with_history() -> Self {
        let place = Self::new();
        place.hub.repo("acme/history");
        let source = fixtures().join("acme/history.git");
        Git::new(place.path()).ok(&source, &["push", "-q", "--mirror", &place.url("acme/history")]);
        place
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn url(&self, repo: &str) -> String {
        self.hub.repo_url_as(repo, &self.token)
    }

    /// A new repository with one commit on `main`, and the working repository it came from.
    fn with_work(&self, repo: &str) -> Work {
        self.hub.repo(repo);
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["remote", "add", "origin", &self.url(repo)]);
        work.ok(&["push", "-q", "-u", "origin", "main"]);
        work
    }

    fn clone(&self, git: &Git, flags: &[&str], repo: &str, name: &str) -> PathBuf {
        let dir = self.path().join(name);
        let url = self.hub.repo_url(repo);
        let args = [&["clone", "-q"], flags, &[&url, name]].concat();
        git.ok(self.path(), &args);
        dir
    }

    fn refs(&self, repo: &str) -> String {
        Git::new(self.path()).ok(self.path(), &["ls-remote", &self.hub.repo_url(repo)])
    }
}

#[test]
fn a_mirror_clone_has_exactly_the_refs_and_objects_that_were_pushed() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    let source = fixtures().join("acme/history.git");
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let clone = place.clone(git, &["--mirror"], "acme/history", &format!("mirror{n}"));
        assert_eq!(git.refs(&clone), git.refs(&source), "{}", git.label());
        assert_eq!(git.objects(&clone), git.objects(&source), "{}", git.label());
        git.fsck(&clone);
    }
}

#[test]
fn ls_remote_prints_what_stock_git_prints() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    let source = fixtures().join("acme/history.git");
    let (ours, theirs) = (place.hub.repo_url("acme/history"), source.display().to_string());
    for git in Git::every(place.path()) {
        for flags in [&["--symref"][..], &["--heads"], &["--tags"], &["--symref", "--refs"]] {
            let list = |url: &str| git.ok(place.path(), &[&["ls-remote"], flags, &[url]].concat());
            assert_eq!(list(&ours), list(&theirs), "{} {flags:?}", git.label());
        }
        for pattern in ["main", "refs/heads/side", "refs/tags/n*", "nothing"] {
            let list = |url: &str| git.ok(place.path(), &["ls-remote", url, pattern]);
            assert_eq!(list(&ours), list(&theirs), "{} {pattern}", git.label());
        }
    }
}

#[test]
fn protocol_1_is_spoken_too() {
    let place = Place::with_history();
    let git = Git::new(place.path()).protocol(1);
    let clone = place.clone(&git, &["--mirror"], "acme/history", "one");
    assert_eq!(git.refs(&clone), git.refs(&fixtures().join("acme/history.git")));
    git.fsck(&clone);
}

#[test]
fn the_current_branch_cannot_be_deleted() {
    let place = Place::new();
    let work = place.with_work("acme/m");
    let before = place.refs("acme/m");
    let told = work.run(&["push", "origin", ":main"]).fails();
    assert!(told.contains("deletion of the current branch prohibited"), "{told}");
    assert_eq!(place.refs("acme/m"), before);
}

#[test]
fn an_ordinary_clone_checks_out_and_follows_tags() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let clone = place.clone(git, &[], "acme/history", &format!("all{n}"));
        assert_eq!(git.ok(&clone, &["status", "--porcelain"]), "");
        assert_eq!(git.ok(&clone, &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
        assert_eq!(git.ok(&clone, &["tag"]), "annotated\nlight\nnested");
        git.fsck(&clone);

        let side = place.clone(git, &["--single-branch", "-b", "side"], "acme/history", &format!("one{n}"));
        assert_eq!(git.ok(&side, &["branch", "-r"]).trim(), "origin/side");
        assert_eq!(git.ok(&side, &["tag"]), "", "no tag points into side");
        git.fsck(&side);
    }
}

#[test]
fn a_fetch_brings_only_what_is_new() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/fetch{n}");
        let work = place.with_work(&repo);
        let clone = place.clone(git, &[], &repo, &format!("fetch{n}"));
        for step in 0..3 {
            let tip = work.commit_file(&format!("file{step}"), format!("{step}\n").as_bytes());
            work.ok(&["tag", "-a", &format!("t{step}"), "-m", "tag"]);
            work.ok(&["push", "-q", "--follow-tags", "origin", "main"]);
            git.ok(&clone, &["fetch", "-q"]);
            assert_eq!(git.ok(&clone, &["rev-parse", "origin/main"]), tip, "{}", git.label());
            let tags = git.ok(&clone, &["tag"]).lines().count();
            assert_eq!(tags, step + 1, "{}: the tag came with its commit", git.label());
        }
        git.ok(&clone, &["fetch", "-q"]);
        git.fsck(&clone);
    }
}

#[test]
fn a_fetch_negotiates_a_long_common_history() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/long{n}");
        place.hub.repo(&repo);
        let source = fixtures().join("acme/history.git");
        git.ok(&source, &["push", "-q", &place.url(&repo), "main~20:refs/heads/main"]);
        let clone = place.clone(git, &[], &repo, &format!("long{n}"));
        // The clone goes its own way for longer than one round of haves.
        for step in 0..70 {
            let tree = git.ok(&clone, &["rev-parse", "HEAD^{tree}"]);
            let new = git.ok(&clone, &["commit-tree", &tree, "-p", "HEAD", "-m", &format!("own {step}")]);
            git.ok(&clone, &["update-ref", "HEAD", &new]);
        }
        git.ok(&source, &["push", "-q", &place.url(&repo), "main:refs/heads/main", "side"]);
        git.ok(&clone, &["fetch", "-q"]);
        let (got, want) =
            (git.ok(&clone, &["rev-parse", "origin/main"]), git.ok(&source, &["rev-parse", "main"]));
        assert_eq!(got, want, "{}", git.label());
        git.fsck(&clone);
    }
}

#[test]
fn push_force_delete_and_tags_leave_the_refs_they_name() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/push{n}");
        let work = place.with_work(&repo).with_git(git);
        let first = work.ok(&["rev-parse", "HEAD"]);
        let second = work.commit_file("second", b"2\n");
        work.ok(&["push", "-q", "origin", "main", "main:refs/heads/topic/one"]);
        work.ok(&["tag", "light"]);
        work.ok(&["tag", "-a", "v1", "-m", "one"]);
        work.ok(&["push", "-q", "origin", "--tags"]);
        let tag = work.ok(&["rev-parse", "v1"]);
        assert_eq!(
            place.refs(&repo),
            format!(
                "{second}\tHEAD\n{second}\trefs/heads/main\n{second}\trefs/heads/topic/one\n\
                 {second}\trefs/tags/light\n{tag}\trefs/tags/v1\n{second}\trefs/tags/v1^{{}}"
            ),
            "{}",
            git.label()
        );

        work.ok(&["reset", "-q", "--hard", &first]);
        let other = work.commit_file("other", b"o\n");
        let told = work.run(&["push", "origin", "main"]).fails();
        assert!(told.contains("rejected"), "{told}");
        work.ok(&["push", "-q", "--force", "origin", "main"]);
        work.ok(&["push", "-q", "origin", ":topic/one", ":refs/tags/light", ":refs/tags/v1"]);
        let expected = format!("{other}\tHEAD\n{other}\trefs/heads/main");
        assert_eq!(place.refs(&repo), expected, "{}", git.label());

        let told = work.run(&["push", "origin", ":never-was"]).fails();
        assert!(told.contains("never-was"), "{told}");
        assert_eq!(place.refs(&repo), expected, "{}", git.label());
        let again = work.run(&["push", "origin", "main"]);
        again.ok();
        assert!(again.stderr.contains("up-to-date"), "{}", again.stderr);
        let clone = place.clone(git, &[], &repo, &format!("push{n}"));
        git.fsck(&clone);
    }
}

#[test]
fn a_push_of_one_good_and_one_refused_ref_is_all_or_nothing_only_if_atomic() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/atomic{n}");
        let work = place.with_work(&repo).with_git(git);
        let before = place.refs(&repo);
        let tip = work.commit_file("new", b"new\n");
        let both = ["HEAD:refs/heads/good", "HEAD:refs/pr/1"];
        let told = work.run(&[&["push", "--atomic", "origin"][..], &both].concat()).fails();
        assert!(told.contains("refs/pr/1"), "{}: {told}", git.label());
        assert_eq!(place.refs(&repo), before, "{}", git.label());

        let told = work.run(&[&["push", "origin"][..], &both].concat()).fails();
        assert!(told.contains("refs/pr/1"), "{}: {told}", git.label());
        let after = place.refs(&repo);
        assert!(after.contains(&format!("{tip}\trefs/heads/good")), "{}: {after}", git.label());
        assert_eq!(after.lines().count(), before.lines().count() + 1, "{}: {after}", git.label());

        work.ok(&["push", "-q", "--atomic", "origin", "main", "main:refs/heads/a", "main:refs/heads/b"]);
        assert_eq!(place.refs(&repo).matches(&tip).count(), 5, "HEAD, main, a, b, good");
    }
}

#[test]
fn a_branch_and_a_folder_of_branches_cannot_have_one_name() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let work = place.with_work("acme/names");
    work.ok(&["push", "-q", "origin", "main:refs/heads/a"]);
    let before = place.refs("acme/names");
    let told = work.run(&["push", "origin", "main:refs/heads/a/b"]).fails();
    assert!(told.contains("refs/heads/a"), "{told}");
    let told = work.run(&["push", "origin", "main:refs/heads/x", "main:refs/heads/x/y"]).fails();
    assert!(told.contains("refs/heads/x"), "{told}");
    let after = place.refs("acme/names");
    let new: Vec<&str> = after.lines().filter(|line| !before.contains(line)).collect();
    assert!(new.len() <= 1, "at most one of the two that exclude each other: {new:?}");
}

#[test]
fn shallow_clones_deepen_and_become_whole() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    let source = fixtures().join("acme/history.git");
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let label = git.label();
        let clone = place.clone(git, &["--depth", "1"], "acme/history", &format!("shallow{n}"));
        let count = |dir: &Path| git.ok(dir, &["rev-list", "--count", "HEAD"]).parse::<u32>().unwrap();
        assert_eq!(count(&clone), 1, "{label}");
        git.fsck(&clone);
        git.ok(&clone, &["fetch", "-q", "--deepen", "2"]);
        assert_eq!(count(&clone), {
            // The merge has two parents: what stock git shows for the same depth is the answer.
            let name = format!("stock{n}");
            let url = format!("file://{}", source.display());
            git.ok(place.path(), &["clone", "-q", "--depth", "3", &url, &name]);
            count(&place.path().join(name))
        });
        git.fsck(&clone);
        git.ok(&clone, &["fetch", "-q", "--depth", "10"]);
        git.fsck(&clone);
        git.ok(&clone, &["fetch", "-q", "--unshallow"]);
        assert_eq!(count(&clone), count(&source), "{label}");
        assert!(!clone.join(".git/shallow").exists(), "{label}");
        git.fsck(&clone);

        let every = ["--depth", "2", "--no-single-branch"];
        let all = place.clone(git, &every, "acme/history", &format!("branches{n}"));
        assert!(git.ok(&all, &["branch", "-r"]).contains("origin/side"), "{label}");
        git.fsck(&all);
    }
}

#[test]
fn a_shallow_clone_can_fetch_and_push() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/sh{n}");
        place.hub.repo(&repo);
        let source = fixtures().join("acme/history.git");
        git.ok(&source, &["push", "-q", &place.url(&repo), "main~3:refs/heads/main"]);
        let clone = place.clone(git, &["--depth", "2"], &repo, &format!("sh{n}"));
        git.ok(&source, &["push", "-q", &place.url(&repo), "main"]);
        git.ok(&clone, &["pull", "-q", "--ff-only"]);
        assert_eq!(git.ok(&clone, &["rev-parse", "HEAD"]), git.ok(&source, &["rev-parse", "main"]));
        git.fsck(&clone);
        std::fs::write(clone.join("from-shallow"), "x\n").unwrap();
        git.ok(&clone, &["add", "-A"]);
        git.ok(&clone, &["commit", "-q", "-m", "From a shallow clone"]);
        git.ok(&clone, &["push", "-q", &place.url(&repo), "HEAD:main"]);
        let whole = place.clone(git, &[], &repo, &format!("whole{n}"));
        git.fsck(&whole);
        assert!(whole.join("from-shallow").exists(), "{}", git.label());
    }
}

#[test]
fn a_client_is_sent_what_it_asked_for_and_nothing_else() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    let work = Work::new();
    // What was thrown away by a force-push, or deleted, lies in the same packs.
    work.ok(&["fetch", "-q", &place.hub.repo_url("acme/history"), "main"]);
    work.ok(&["reset", "-q", "--hard", "FETCH_HEAD~5"]);
    work.commit_file("secret", b"thrown away\n");
    work.ok(&["push", "-q", "--force", &place.url("acme/history"), "HEAD:side", "HEAD:gone"]);
    work.commit_file("secret 2", b"kept\n");
    work.ok(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    work.ok(&["push", "-q", "--force", &place.url("acme/history"), "HEAD~2:side", ":gone"]);
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let every: [&[&str]; 5] = [
            &["--mirror"],
            &["--single-branch"],
            &["--depth=1"],
            &["-b", "side", "--no-tags"],
            &["--depth=3", "--no-single-branch"],
        ];
        for (m, flags) in every.into_iter().enumerate() {
            let clone = place.clone(git, flags, "acme/history", &format!("exact{n}{m}"));
            let all = git.ok(&clone, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
            assert_eq!(all, git.objects(&clone).join("\n"), "{} {flags:?}", git.label());
        }
    }
}

#[test]
fn partial_clones_fetch_blobs_later() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    let source = fixtures().join("acme/history.git");
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let whole = git.ok(&source, &["log", "-p", "-8", "--no-notes", "main"]);
        for (m, filter) in ["blob:none", "blob:limit=10", "tree:0", "tree:2"].iter().enumerate() {
            let flags = ["--filter", filter, "--no-checkout", "--single-branch"];
            let clone = place.clone(git, &flags, "acme/history", &format!("partial{n}{m}"));
            let missing = |dir: &Path| {
                let all = git.ok(dir, &["rev-list", "--objects", "--missing=print", "HEAD"]);
                all.lines().filter(|line| line.starts_with('?')).count()
            };
            assert!(missing(&clone) > 0, "{} {filter}: something was left out", git.label());
            git.ok(&clone, &["checkout", "-q", "main"]);
            assert_eq!(git.ok(&clone, &["status", "--porcelain"]), "");
            git.fsck(&clone);
            if m < 2 {
                assert_eq!(git.ok(&clone, &["log", "-p", "-8", "--no-notes", "main"]), whole, "{filter}");
            }
        }
    }
}

#[test]
fn an_empty_repository_can_be_cloned_and_filled() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/empty{n}");
        place.hub.repo(&repo);
        assert_eq!(place.refs(&repo), "");
        let clone = place.clone(git, &["-c", "init.defaultBranch=other"], &repo, &format!("empty{n}"));
        if git.label().ends_with('2') {
            assert_eq!(git.ok(&clone, &["symbolic-ref", "HEAD"]), "refs/heads/main", "{}", git.label());
        }
        std::fs::write(clone.join("a"), "a\n").unwrap();
        git.ok(&clone, &["add", "-A"]);
        git.ok(&clone, &["commit", "-q", "-m", "First"]);
        git.ok(&clone, &["push", "-q", &place.url(&repo), "HEAD:refs/heads/main"]);
        let full = place.clone(git, &[], &repo, &format!("filled{n}"));
        assert!(full.join("a").exists());
        git.fsck(&full);
    }
}

#[test]
fn the_only_branch_of_a_first_push_becomes_the_default() {
    let place = Place::new();
    place.hub.repo("acme/trunk");
    let work = Work::new();
    work.commit_file("a", b"a\n");
    work.ok(&["push", "-q", &place.url("acme/trunk"), "main:refs/heads/trunk"]);
    let head = work.ok(&["ls-remote", "--symref", &place.hub.repo_url("acme/trunk"), "HEAD"]);
    assert!(head.starts_with("ref: refs/heads/trunk\tHEAD"), "{head}");
    let clone = place.clone(&work.git, &[], "acme/trunk", "trunk");
    assert_eq!(work.git.ok(&clone, &["rev-parse", "--abbrev-ref", "HEAD"]), "trunk");

    place.hub.repo("acme/two");
    work.ok(&["push", "-q", &place.url("acme/two"), "main:refs/heads/zeta", "main:refs/heads/main"]);
    let head = work.ok(&["ls-remote", "--symref", &place.hub.repo_url("acme/two"), "HEAD"]);
    assert!(head.starts_with("ref: refs/heads/main\tHEAD"), "{head}");
}

#[test]
fn ten_clones_at_once_are_all_whole() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::with_history();
    let all = Git::every(place.path());
    let source = all[0].objects(&fixtures().join("acme/history.git"));
    std::thread::scope(|scope| {
        for n in 0..10 {
            let (place, git, source) = (&place, &all[n % all.len()], &source);
            scope.spawn(move || {
                let clone = place.clone(git, &["--mirror"], "acme/history", &format!("parallel{n}"));
                assert_eq!(&git.objects(&clone), source);
                git.fsck(&clone);
            });
        }
    });
}

#[test]
fn of_concurrent_pushes_to_one_branch_exactly_one_wins_and_the_others_are_told() {
    let place = Place::new();
    let base = place.with_work("acme/race");
    let clones: Vec<Work> = (0..6).map(|_| contestant(&place, "acme/race")).collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = clones
            .iter()
            .map(|work| scope.spawn(|| work.run(&["push", "origin", "HEAD:refs/heads/main"])))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..6).filter(|n| results[*n].success()).collect();
    assert_eq!(winners.len(), 1, "{results:#?}");
    for (n, result) in results.iter().enumerate() {
        assert!(n == winners[0] || result.stderr.contains("rejected"), "{}", result.stderr);
    }
    base.ok(&["fetch", "-q", "origin"]);
    let tip = base.ok(&["rev-parse", "origin/main"]);
    assert_eq!(tip, clones[winners[0]].ok(&["rev-parse", "HEAD"]));
    base.git.fsck(&base.path());
}

/// A clone of `repo` with one commit of its own.
fn contestant(place: &Place, repo: &str) -> Work {
    let work = Work::new();
    work.ok(&["remote", "add", "origin", &place.url(repo)]);
    work.ok(&["fetch", "-q", "origin"]);
    work.ok(&["reset", "-q", "--hard", "origin/main"]);
    let name = work.path().display().to_string().replace('/', "_");
    work.commit_file("mine", name.as_bytes());
    work
}

#[test]
fn of_pushes_that_saw_the_same_tip_the_server_takes_exactly_one() {
    let place = Place::new();
    let base = place.with_work("acme/cas");
    let old = base.ok(&["rev-parse", "HEAD"]);
    let bodies: Vec<Vec<u8>> = (0..8)
        .map(|n| {
            base.ok(&["reset", "-q", "--hard", &old]);
            let new = base.commit_file("n", format!("{n}\n").as_bytes());
            let pack = pack_of(&base, &[&new, &format!("^{old}")]);
            push_body(&[(&old, &new, "refs/heads/main")], "report-status side-band-64k", &pack)
        })
        .collect();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                let request = place
                    .hub
                    .http()
                    .post("/acme/cas.git/git-receive-pack", body)
                    .header("Content-Type", "application/x-git-receive-pack-request")
                    .basic(&place.token.user, &place.token.secret);
                scope.spawn(move || sideband_text(&request.send().expect(200).body))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |word: &str| answers.iter().filter(|text| text.contains(word)).count();
    assert_eq!(count("ok refs/heads/main"), 1, "{answers:#?}");
    assert_eq!(count("ng refs/heads/main"), 7, "{answers:#?}");
    place.hub.fsck();
}

#[test]
fn of_first_pushes_to_an_empty_repository_the_server_takes_exactly_one() {
    let place = Place::new();
    place.hub.repo("acme/first");
    let works: Vec<Work> = (0..5).map(|_| Work::new()).collect();
    let done: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = works
            .iter()
            .enumerate()
            .map(|(n, work)| {
                work.commit_file("a", format!("{n}\n").as_bytes());
                let url = place.url("acme/first");
                scope.spawn(move || work.run(&["push", "-q", &url, "main"]).success())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|won| **won).count(), 1, "{done:?}");
    let winner = &works[done.iter().position(|won| *won).unwrap()];
    let expected = winner.ok(&["rev-parse", "HEAD"]);
    assert_eq!(place.refs("acme/first"), format!("{expected}\tHEAD\n{expected}\trefs/heads/main"));
}

#[test]
fn concurrent_pushes_to_different_branches_all_win() {
    let place = Place::new();
    let base = place.with_work("acme/many");
    let clones: Vec<Work> = (0..6).map(|_| contestant(&place, "acme/many")).collect();
    std::thread::scope(|scope| {
        for (n, work) in clones.iter().enumerate() {
            scope.spawn(move || work.ok(&["push", "-q", "origin", &format!("HEAD:refs/heads/b{n}")]));
        }
    });
    base.ok(&["fetch", "-q", "origin"]);
    for (n, work) in clones.iter().enumerate() {
        let tip = base.ok(&["rev-parse", &format!("origin/b{n}")]);
        assert_eq!(tip, work.ok(&["rev-parse", "HEAD"]));
    }
    base.git.fsck(&base.path());
}

#[test]
fn a_large_push_goes_over_in_chunks_and_comes_back() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/large{n}");
        let work = place.with_work(&repo).with_git(git);
        let content = polder_tests::LargeObject::random(u64::try_from(n).unwrap() + 9, 3 << 20).bytes;
        work.write("weights", &content);
        work.write("text", "many words ".repeat(100_000).as_bytes());
        work.commit("Large");
        work.ok(&["-c", "http.postBuffer=65536", "push", "-q", "origin", "main"]);
        let clone = place.clone(git, &[], &repo, &format!("large{n}"));
        assert_eq!(std::fs::read(clone.join("weights")).unwrap(), content, "{}", git.label());
        git.fsck(&clone);
    }
}

#[test]
fn an_object_that_is_not_reachable_cannot_be_asked_for() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let repo = format!("acme/want{n}");
        let work = place.with_work(&repo);
        let first = work.ok(&["rev-parse", "HEAD"]);
        work.commit_file("x", b"x\n");
        work.ok(&["push", "-q", "origin", "main"]);
        let secret = work.commit_file("secret", b"secret\n");
        work.ok(&["push", "-q", "origin", "HEAD:refs/heads/secret"]);
        work.ok(&["push", "-q", "origin", ":secret"]);

        let reader = Work::new();
        let url = place.hub.repo_url(&repo);
        git.ok(&reader.path(), &["fetch", "-q", &url, &first]);
        assert_eq!(git.ok(&reader.path(), &["rev-parse", "FETCH_HEAD"]), first, "an old commit can be");
        for oid in [&secret, &"12".repeat(20)] {
            let told = git.run(&reader.path(), &["fetch", &url, oid]).fails();
            assert!(told.contains("not our ref"), "{}: {told}", git.label());
        }
    }
}

#[test]
fn every_way_to_write_the_url_reaches_the_same_repository() {
    let place = Place::new();
    let work = place.with_work("acme/m");
    place.hub.repo("datasets/acme/m");
    let tip = work.ok(&["rev-parse", "HEAD"]);
    for path in ["acme/m", "acme/m.git", "models/acme/m", "models/acme/m.git", "ACME/M"] {
        let refs = work.ok(&["ls-remote", &place.hub.url(path), "refs/heads/main"]);
        assert_eq!(refs, format!("{tip}\trefs/heads/main"), "{path}");
    }
    assert_eq!(work.ok(&["ls-remote", &place.hub.url("datasets/acme/m")]), "", "another repository");
}

#[test]
fn three_hundred_tags_go_and_come_in_one_push() {
    let place = Place::new();
    let work = place.with_work("acme/tags");
    let input: String =
        (0..300).fold(String::new(), |text, n| text + &format!("create refs/tags/t{n} HEAD\n"));
    work.git.with_input(&work.path(), &["update-ref", "--stdin"], input.as_bytes()).ok();
    work.ok(&["push", "-q", "--tags", "origin"]);
    for git in Git::every(place.path()) {
        let tags = git.ok(place.path(), &["ls-remote", "--tags", &place.hub.repo_url("acme/tags")]);
        assert_eq!(tags.lines().count(), 300, "{}", git.label());
    }
}

#[test]
fn a_clone_by_the_old_name_follows_the_rename() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let work = place.with_work("acme/old");
    place.hub.cli(&["repo", "rename", "acme/old", "acme/new"]).ok();
    for (n, git) in Git::every(place.path()).iter().enumerate() {
        let clone = place.clone(git, &[], "acme/old", &format!("old{n}"));
        assert_eq!(git.ok(&clone, &["rev-parse", "HEAD"]), work.ok(&["rev-parse", "HEAD"]));
    }
    work.commit_file("after", b"the rename\n");
    work.ok(&["push", "-q", "origin", "main"]);
    let refs = place.refs("acme/new");
    assert!(refs.contains(&work.ok(&["rev-parse", "HEAD"])), "{refs}");
    assert!(!refs.contains(&zero()));
}
