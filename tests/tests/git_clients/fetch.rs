//! Fetches: what is new, and nothing that was not asked for.

use polder_tests::{Git, Work, fixtures, have};

use crate::place::{BOTH, Place};

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
