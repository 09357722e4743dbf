//! Real clients against [`upload_pack`](super::upload_pack).

use std::path::Path;

use super::fixture::{FIRST_DATE, Server, Source, gits, run};

/// A client's working directory with one version of git and of the protocol.
struct Client<'a> {
    git: &'a Path,
    version: &'a str,
    dir: tempfile::TempDir,
}

impl Client<'_> {
    fn try_git(&self, args: &[&str]) -> (bool, String) {
        let version = format!("protocol.version={}", self.version);
        let args: Vec<_> = ["-c", &version].into_iter().chain(args.iter().copied()).collect();
        let output = run(self.git, self.dir.path(), FIRST_DATE, &args);
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    fn git(&self, args: &[&str]) -> String {
        let (ok, text) = self.try_git(args);
        assert!(ok, "{} protocol {} {args:?}: {text}", self.git.display(), self.version);
        text
    }

    fn fsck(&self, clone: &str) {
        let said = self.git(&["-C", clone, "fsck", "--strict", "--full", "--no-dangling"]);
        let troubled = said.lines().any(|line| !line.starts_with("notice") && !line.starts_with("Checking"));
        assert!(!troubled, "{said}");
    }

    fn count(&self, clone: &str) -> usize {
        let listed = self.git(&["-C", clone, "cat-file", "--batch-all-objects", "--batch-check"]);
        listed.lines().count()
    }
}

fn each_client(test: impl Fn(&Client<'_>)) {
    for git in gits() {
        for version in ["0", "1", "2"] {
            test(&Client { git: &git, version, dir: tempfile::tempdir().unwrap() });
        }
    }
}

/// The newest protocol with one git, the oldest with the other.
fn two_clients(test: impl Fn(&Client<'_>)) {
    let gits = gits();
    for (git, version) in [(gits.first(), "2"), (gits.last(), "0")] {
        test(&Client { git: git.unwrap(), version, dir: tempfile::tempdir().unwrap() });
    }
}

#[test]
fn a_clone_has_every_ref_and_object_of_the_source() {
    let source = Source::with_history();
    let server = Server::start(source.snapshot());
    let expected = source.git(&["rev-list", "--objects", "--all"]).lines().count();
    each_client(|client| {
        client.git(&["clone", "-q", "--mirror", &server.url(), "m"]);
        client.fsck("m");
        assert_eq!(client.count("m"), expected);
        assert_eq!(client.git(&["-C", "m", "show-ref"]), source.git(&["show-ref"]));
        assert_eq!(client.git(&["-C", "m", "symbolic-ref", "HEAD"]), "refs/heads/main");
    });
}

#[test]
fn a_single_branch_clone_has_its_branch_only_and_the_tags_on_it() {
    let source = Source::with_history();
    let server = Server::start(source.snapshot());
    two_clients(|client| {
        client.git(&["clone", "-q", "--single-branch", "-b", "side", &server.url(), "m"]);
        client.fsck("m");
        assert_eq!(client.git(&["-C", "m", "rev-parse", "HEAD"]), source.git(&["rev-parse", "side"]));
        assert_eq!(client.git(&["-C", "m", "tag"]), "light\nv1");
        let (there, _) = client.try_git(&["-C", "m", "cat-file", "-e", &source.git(&["rev-parse", "main"])]);
        assert!(!there);
    });
}

#[test]
fn a_fetch_brings_only_what_is_new() {
    each_client(|client| {
        let mut source = Source::with_history();
        let server = Server::start(source.snapshot());
        client.git(&["clone", "-q", &server.url(), "m"]);
        source.commit_round(20);
        source.git(&["tag", "-a", "v3", "-m", "three"]);
        source.git(&["branch", "-D", "side"]);
        source.repack();
        server.publish(source.snapshot());
        let before = client.count("m");
        // commit, 4 trees, 3 blobs; the tag
        let said = client.git(&["-C", "m", "fetch", "--progress", "--prune"]);
        client.fsck("m");
        assert_eq!(client.count("m"), before + 9, "{said}");
        assert!(said.contains("remote: Enumerating objects: 9, done."), "{said}");
        assert_eq!(client.git(&["-C", "m", "rev-parse", "origin/main"]), source.git(&["rev-parse", "main"]));
        assert_eq!(client.git(&["-C", "m", "tag"]), "light\nouter\nv1\nv2\nv3");
        // nothing new: no pack
        assert_eq!(client.git(&["-C", "m", "fetch"]), "");
    });
}

#[test]
fn a_fetch_negotiates_past_commits_the_server_never_saw() {
    two_clients(|client| {
        let mut source = Source::with_history();
        let server = Server::start(source.snapshot());
        client.git(&["clone", "-q", &server.url(), "m"]);
        client.git(&["-C", "m", "config", "user.name", "x"]);
        for local in 0..60 {
            client.git(&["-C", "m", "commit", "-q", "--allow-empty", "-m", &format!("local {local}")]);
        }
        source.commit_round(21);
        source.repack();
        server.publish(source.snapshot());
        let said = client.git(&["-C", "m", "fetch", "--progress"]);
        assert!(said.contains("remote: Enumerating objects: 8, done."), "{said}");
        client.fsck("m");
    });
}

/// Does the same against git's own server, and compares what the client has afterwards.
struct Twins<'a> {
    client: &'a Client<'a>,
    ours: String,
    gits: String,
}

impl Twins<'_> {
    fn both(&self, args: &[&str]) {
        for (url, clone) in [(&self.ours, "ours"), (&self.gits, "gits")] {
            let args: Vec<_> = args
                .iter()
                .map(|arg| match *arg {
                    "URL" => url,
                    "CLONE" => clone,
                    other => other,
                })
                .collect();
            self.client.git(&args);
        }
        self.client.fsck("ours");
        let state = |clone: &str| {
            let shallow = self.client.dir.path().join(clone).join(".git/shallow");
            let mut ends: Vec<_> =
                std::fs::read_to_string(shallow).unwrap_or_default().lines().map(str::to_owned).collect();
            ends.sort();
            (ends, self.client.git(&["-C", clone, "rev-list", "--objects", "--all"]))
        };
        assert_eq!(state("ours"), state("gits"), "{args:?}");
    }
}

fn twins(source: &Source, clients: impl Fn(&dyn Fn(&Client<'_>)), test: impl Fn(&Twins<'_>)) {
    let server = Server::start(source.snapshot());
    clients(&|client| {
        test(&Twins { client, ours: server.url(), gits: format!("file://{}", source.dir.path().display()) });
    });
}

#[test]
fn a_shallow_clone_can_be_deepened_and_made_whole() {
    let source = Source::with_history();
    twins(
        &source,
        |test| each_client(test),
        |twins| {
            twins.both(&["clone", "-q", "--depth", "1", "--no-single-branch", "URL", "CLONE"]);
            twins.both(&["-C", "CLONE", "fetch", "-q", "--depth", "3"]);
            twins.both(&["-C", "CLONE", "fetch", "-q", "--deepen", "1"]);
            twins.both(&["-C", "CLONE", "fetch", "-q", "--depth", "2"]);
            twins.both(&["-C", "CLONE", "fetch", "-q", "--unshallow"]);
            assert!(!twins.client.dir.path().join("ours/.git/shallow").exists());
        },
    );
}

#[test]
fn a_shallow_clone_follows_new_commits() {
    two_clients(|client| {
        let mut source = Source::with_history();
        let server = Server::start(source.snapshot());
        client.git(&["clone", "-q", "--depth", "2", &server.url(), "m"]);
        source.commit_round(22);
        source.repack();
        server.publish(source.snapshot());
        client.git(&["-C", "m", "fetch", "-q"]);
        client.fsck("m");
        assert_eq!(client.git(&["-C", "m", "rev-parse", "origin/main"]), source.git(&["rev-parse", "main"]));
    });
}

#[test]
fn history_can_be_cut_by_date_and_by_ref() {
    let source = Source::with_history();
    twins(
        &source,
        |test| two_clients(test),
        |twins| {
            for cut in
                [format!("--shallow-since={}", FIRST_DATE + 5 * 3600), "--shallow-exclude=v1".to_owned()]
            {
                twins.both(&["clone", "-q", &cut, "--no-single-branch", "--branch", "v2", "URL", "CLONE"]);
                for clone in ["ours", "gits"] {
                    std::fs::remove_dir_all(twins.client.dir.path().join(clone)).unwrap();
                }
            }
            let (ok, said) =
                twins.client.try_git(&["clone", "-q", "--shallow-since=2030-01-01", &twins.ours, "none"]);
            assert!(!ok && said.contains("no commits selected for shallow requests"), "{said}");
        },
    );
}

#[test]
fn a_partial_clone_fetches_the_rest_when_it_is_needed() {
    let source = Source::with_history();
    let server = Server::start(source.snapshot());
    two_clients(|client| {
        for filter in ["blob:none", "blob:limit=10", "tree:0", "tree:2"] {
            let filter = format!("--filter={filter}");
            client.git(&["clone", "-q", "--no-checkout", &filter, &server.url(), "m"]);
            let missing = client.git(&["-C", "m", "rev-list", "--objects", "--all", "--missing=print"]);
            assert!(missing.lines().any(|line| line.starts_with('?')), "{filter}: {missing}");
            client.git(&["-C", "m", "checkout", "-q", "main"]);
            let status = client.git(&["-C", "m", "status", "--porcelain"]);
            assert_eq!(status, "");
            let read = std::fs::read(client.dir.path().join("m/data/deep/er/big.txt")).unwrap();
            assert_eq!(read, std::fs::read(source.dir.path().join("data/deep/er/big.txt")).unwrap());
            client.fsck("m");
            std::fs::remove_dir_all(client.dir.path().join("m")).unwrap();
        }
    });
}

#[test]
fn filters_leave_out_exactly_what_git_leaves_out() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    for spec in ["blob:none", "blob:limit=10", "blob:limit=3k", "tree:0", "tree:1", "tree:2", "tree:3"] {
        let listed = source.git(&["rev-list", "--objects", "--all", &format!("--filter={spec}")]);
        let mut expected: Vec<_> = listed.lines().map(|line| line[..40].to_owned()).collect();
        let wants = snapshot.refs().iter().map(|r| r.peeled.unwrap_or(r.oid)).collect();
        let request =
            crate::WalkRequest { wants, filter: crate::Filter::parse(spec).unwrap(), ..Default::default() };
        let walked = crate::walk(&snapshot, &request).unwrap();
        let mut found: Vec<_> = walked.objects.iter().map(ToString::to_string).collect();
        expected.retain(|id| !source.git(&["cat-file", "-t", id]).starts_with("tag"));
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{spec}");
    }
}

#[test]
fn only_what_visible_refs_reach_can_be_wanted() {
    let mut source = Source::with_history();
    source.git(&["checkout", "-q", "--detach"]);
    source.write("secret.txt", b"hidden content\n");
    source.commit("hidden");
    source.git(&["update-ref", "refs/polder/hidden", "HEAD"]);
    source.git(&["checkout", "-q", "main"]);
    source.git(&["tag", "-f", "gone", "HEAD"]);
    source.repack();
    let server = Server::start(source.snapshot());
    let hidden = source.oid("refs/polder/hidden").to_string();
    let hidden_blob = source.oid("refs/polder/hidden:secret.txt").to_string();
    let hidden_tree = source.oid("refs/polder/hidden^{tree}").to_string();
    let old_commit = source.oid("main~3").to_string();
    let old_blob = source.oid("main~5:README.md").to_string();
    let old_tree = source.oid("main~5:data").to_string();
    two_clients(|client| {
        client.git(&["init", "-q", "m"]);
        for wanted in [&old_commit, &old_blob, &old_tree] {
            client.git(&["-C", "m", "fetch", "-q", &server.url(), wanted]);
            client.git(&["-C", "m", "cat-file", "-e", wanted]);
        }
        for wanted in [&hidden, &hidden_blob, &hidden_tree, &"12".repeat(20)] {
            let (ok, said) = client.try_git(&["-C", "m", "fetch", "-q", &server.url(), wanted]);
            assert!(!ok && said.contains(&format!("not our ref {wanted}")), "{said}");
        }
        client.git(&["clone", "-q", "--mirror", &server.url(), "all"]);
        let (there, _) = client.try_git(&["-C", "all", "cat-file", "-e", &hidden_blob]);
        assert!(!there && !client.git(&["-C", "all", "show-ref"]).contains("polder"));
    });
}

#[test]
fn an_empty_repository_can_be_cloned_and_names_its_branch() {
    let source = Source::empty();
    let server = Server::start(source.snapshot());
    two_clients(|client| {
        let said = client.git(&["clone", &server.url(), "m"]);
        assert!(said.contains("empty repository"), "{said}");
        assert_eq!(client.git(&["-C", "m", "symbolic-ref", "HEAD"]), "refs/heads/main");
    });
}

#[test]
fn libgit2_clones_and_fetches() {
    let mut source = Source::with_history();
    let server = Server::start(source.snapshot());
    let dir = tempfile::tempdir().unwrap();
    let clone = git2::Repository::clone(&server.url(), dir.path()).unwrap();
    assert_eq!(clone.head().unwrap().target().unwrap().to_string(), source.oid("main").to_string());
    source.commit_round(31);
    source.repack();
    server.publish(source.snapshot());
    let mut remote = clone.find_remote("origin").unwrap();
    remote.fetch(&["main"], None, None).unwrap();
    let fetched = clone.refname_to_id("refs/remotes/origin/main").unwrap();
    assert_eq!(fetched.to_string(), source.oid("main").to_string());
    assert_eq!(remote.stats().total_objects(), 8);
}

#[test]
fn a_ref_is_wanted_by_its_name_where_the_protocol_allows() {
    let source = Source::with_history();
    let server = Server::start(source.snapshot());
    let side = source.git(&["rev-parse", "side"]);
    for git in gits() {
        let client = Client { git: &git, version: "2", dir: tempfile::tempdir().unwrap() };
        client.git(&["init", "-q", "m"]);
        for depth in ["--depth=1", "--depth=2", "--unshallow"] {
            let args = ["-C", "m", "fetch", depth, &server.url(), "refs/heads/side:refs/heads/s"];
            client.git(&args);
            assert_eq!(client.git(&["-C", "m", "rev-parse", "s"]), side);
            client.fsck("m");
        }
        // Names that the client must look up first.
        client.git(&["-C", "m", "fetch", "-q", &server.url(), "side", "v2", "HEAD"]);
        client.fsck("m");
        let (ok, said) = client.try_git(&["-C", "m", "fetch", &server.url(), "refs/heads/absent"]);
        assert!(!ok && said.contains("refs/heads/absent"), "{said}");
    }
}

#[test]
fn proposals_can_be_read_and_hidden_refs_are_nowhere() {
    let mut source = Source::with_history();
    source.git(&["update-ref", "refs/pr/1", "main~2"]);
    source.git(&["checkout", "-q", "--detach"]);
    source.commit("a proposal");
    source.git(&["update-ref", "refs/pr/2", "HEAD"]);
    source.commit("hidden");
    source.git(&["update-ref", "refs/polder/hidden", "HEAD"]);
    source.git(&["checkout", "-q", "main"]);
    source.repack();
    let server = Server::start(source.snapshot());
    let hidden = source.git(&["rev-parse", "refs/polder/hidden"]);
    each_client(|client| {
        let listed = client.git(&["ls-remote", &server.url()]);
        assert!(listed.contains("refs/pr/1") && listed.contains("refs/pr/2"), "{listed}");
        assert!(!listed.contains("polder") && !listed.contains(&hidden), "{listed}");
        client.git(&["init", "-q", "m"]);
        client.git(&["-C", "m", "fetch", "-q", &server.url(), "refs/pr/*:refs/pr/*"]);
        let proposal = client.git(&["-C", "m", "rev-parse", "refs/pr/2"]);
        assert_eq!(proposal, source.git(&["rev-parse", "refs/pr/2"]));
        client.fsck("m");
        for wanted in ["refs/polder/hidden", &hidden] {
            let (ok, said) = client.try_git(&["-C", "m", "fetch", "-q", &server.url(), wanted]);
            assert!(!ok, "{wanted}: {said}");
        }
    });
}
