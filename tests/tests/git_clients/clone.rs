//! Clones: whole, exact, by every name.

use polder_tests::{Git, fixtures, have, zero};

use crate::place::{BOTH, Place};

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
