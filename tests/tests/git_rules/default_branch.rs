//! Where HEAD points.

use polder_tests::{Git, Hub, Work, have};

use crate::place::{BOTH, Place};

fn head(place: &Place) -> String {
    place.work.ok(&["ls-remote", "--symref", "origin", "HEAD"])
}

#[test]
fn the_default_branch_can_be_set_and_clones_follow_it() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    place.work.ok(&["push", "-q", "origin", "main:dev"]);
    place.hub.cli(&["repo", "default-branch", "acme/m", "dev"]).ok();
    assert!(head(&place).contains("ref: refs/heads/dev\tHEAD"), "{}", head(&place));
    for (number, git) in Git::every(place.work.beside("home").as_path()).iter().enumerate() {
        let dir = place.work.beside(&format!("clone{number}"));
        git.ok(&place.work.path(), &["clone", "-q", &place.hub.repo_url("acme/m"), &dir.to_string_lossy()]);
        assert_eq!(git.ok(&dir, &["symbolic-ref", "HEAD"]), "refs/heads/dev", "{}", git.label());
    }
    // What is the default cannot be deleted; what was it can.
    assert!(place.work.run(&["push", "origin", ":dev"]).fails().contains("deletion of the current branch"));
    place.work.ok(&["push", "-q", "origin", ":main"]);
    let refused = place.hub.cli(&["repo", "default-branch", "acme/m", "main"]).fails();
    assert!(refused.contains("`acme/m` has no branch `main`"), "{refused}");
}

#[test]
fn a_first_push_of_several_branches_without_main_leaves_head_unborn_until_it_is_set() {
    if !have(&BOTH) {
        return;
    }
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/two");
    let work = Work::new();
    work.commit_file("a", b"a\n");
    let url = hub.repo_url_as("acme/two", &token);
    work.ok(&["push", "-q", &url, "main:one", "main:two"]);
    for (number, git) in Git::every(&work.beside("home")).iter().enumerate() {
        let dir = work.beside(&format!("clone{number}"));
        let cloned = git.run(&work.path(), &["clone", &hub.repo_url("acme/two"), &dir.to_string_lossy()]);
        cloned.ok();
        assert!(cloned.stderr.contains("nonexistent ref"), "{}: {}", git.label(), cloned.stderr);
        assert_eq!(git.ok(&dir, &["branch", "-r"]).lines().count(), 2, "{}", git.label());
    }
    hub.cli(&["repo", "default-branch", "acme/two", "two"]).ok();
    let head = work.ok(&["ls-remote", "--symref", &url, "HEAD"]);
    assert!(head.contains("ref: refs/heads/two\tHEAD"), "{head}");
}
