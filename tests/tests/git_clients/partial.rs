//! Shallow and partial clones.

use std::path::Path;

use polder_tests::{Git, fixtures, have};

use crate::place::{BOTH, Place};

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
