//! What may be asked for by id or by name (A10).

use polder_tests::{Git, have};

use crate::place::{BOTH, Place};

/// Fetches `want` into a new repository; what git says and whether it worked.
fn fetch(place: &Place, git: &Git, name: &str, want: &str) -> (bool, String) {
    let dir = place.work.beside(name);
    git.ok(&place.work.path(), &["init", "-q", &dir.to_string_lossy()]);
    let done = git.run(&dir, &["fetch", &place.hub.repo_url("acme/m"), want]);
    let worked = done.success();
    if worked {
        git.fsck(&dir);
    }
    (worked, format!("{}{}", done.text(), done.stderr))
}

#[test]
fn a_tip_replaced_a_moment_ago_can_be_fetched_and_that_of_a_deleted_branch_cannot() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let work = &place.work;
    let replaced = work.commit_file("a", b"replaced\n");
    let replaced_blob = work.ok(&["rev-parse", "HEAD:a"]);
    work.ok(&["push", "-q", "origin", "main"]);
    work.ok(&["reset", "-q", "--hard", "HEAD~1"]);
    work.commit_file("b", b"the new history\n");
    work.ok(&["push", "-q", "--force", "origin", "main"]);
    let deleted = work.commit_file("c", b"deleted\n");
    let deleted_blob = work.ok(&["rev-parse", "HEAD:c"]);
    work.ok(&["push", "-q", "origin", "main:topic"]);
    work.ok(&["push", "-q", "origin", ":topic"]);
    for (number, git) in Git::every(&work.beside("home")).iter().enumerate() {
        for (what, want, expected) in [
            ("replaced", &replaced, true),
            ("replaced-blob", &replaced_blob, true),
            ("deleted", &deleted, false),
            ("deleted-blob", &deleted_blob, false),
        ] {
            let (worked, said) = fetch(&place, git, &format!("{what}{number}"), want);
            assert_eq!(worked, expected, "{} {what}: {said}", git.label());
            assert!(worked || said.contains(&format!("not our ref {want}")), "{what}: {said}");
        }
    }
}

#[test]
fn nobody_pushes_to_the_refs_of_the_hub() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let before = place.refs();
    for git in Git::every(&place.work.beside("home")) {
        for name in ["refs/pr/1", "refs/polder/x", "refs/polder/x/y"] {
            let done = git.run(&place.work.path(), &["push", "origin", &format!("main:{name}")]);
            assert!(done.fails().contains("deny updating a hidden ref"), "{} {name}", git.label());
        }
        let done = git.run(&place.work.path(), &["push", "origin", ":refs/pr/1"]);
        assert!(!done.success());
    }
    assert_eq!(place.refs(), before);
}

#[test]
fn an_exact_ref_is_fetched_by_name_without_a_listing() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let tip = place.work.ok(&["rev-parse", "main"]);
    for (number, git) in Git::every(&place.work.beside("home")).iter().enumerate() {
        let dir = place.work.beside(&format!("named{number}"));
        git.ok(&place.work.path(), &["init", "-q", &dir.to_string_lossy()]);
        let url = place.hub.repo_url("acme/m");
        let mut command = git.command(&dir, &["fetch", "--depth=1", &url, "refs/heads/main:refs/heads/got"]);
        let done = polder_tests::run(command.env("GIT_TRACE_PACKET", "1"));
        done.ok();
        let by_name = done.stderr.contains("want-ref refs/heads/main");
        assert_eq!(by_name, git.label().ends_with("protocol 2"), "{}: {}", git.label(), done.stderr);
        assert_eq!(git.ok(&dir, &["rev-parse", "got"]), tip);
        git.fsck(&dir);
    }
}
