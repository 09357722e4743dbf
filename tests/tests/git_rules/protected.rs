//! Protected branches.

use polder_tests::{Work, have};

use crate::place::{BOTH, Place};

/// A working repository of someone else's with the same history.
fn clone_as(place: &Place, user: &str) -> Work {
    let token = place.hub.user(user, "write");
    place.hub.cli(&["org", "member", "acme", user, "--role", "write"]).ok();
    let work = Work::new();
    work.ok(&["remote", "add", "origin", &place.hub.repo_url_as("acme/m", &token)]);
    work.ok(&["fetch", "-q", "origin"]);
    work.ok(&["reset", "-q", "--hard", "origin/main"]);
    work
}

#[test]
fn a_protected_branch_only_goes_forward_and_stays() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let (hub, work) = (&place.hub, &place.work);
    for branch in ["dev", "release/1", "release/1-fix", "topic"] {
        work.ok(&["push", "-q", "origin", &format!("main:{branch}")]);
    }
    hub.cli(&["repo", "default-branch", "acme/m", "dev"]).ok();
    let said = hub.cli(&["repo", "protect", "acme/m", "main"]).ok();
    assert!(said.contains("`main` of `acme/m`"), "{said}");
    hub.cli(&["repo", "protect", "acme/m", "release/*", "--allow-force"]).ok();

    work.commit_file("a", b"forward\n");
    work.ok(&["push", "-q", "origin", "main", "main:release/1", "main:topic"]);
    work.ok(&["commit", "-q", "--amend", "-m", "rewritten"]);
    let before = place.refs();
    for (args, branch, why) in [
        (["push", "--force", "origin", "main"], "main", "its history cannot be rewritten (rule `main`)"),
        (["push", "origin", "--delete", "main"], "main", "it cannot be deleted (rule `main`)"),
        (["push", "origin", "--delete", "release/1"], "release/1", "it cannot be deleted (rule `release/*`)"),
    ] {
        let said = work.run(&args).fails();
        assert!(said.contains("[remote rejected]") && said.contains(branch), "{args:?}: {said}");
        assert!(said.contains(&format!("protected branch: {why}")), "{args:?}: {said}");
        assert_eq!(place.refs(), before, "{args:?}");
    }
    // Beside a refused ref the others go on, unless all shall stand and fall together.
    let said = work.run(&["push", "--force", "--atomic", "origin", "main", "main:topic"]).fails();
    assert!(said.contains("protected branch") && said.contains("atomic"), "{said}");
    assert_eq!(place.refs(), before);
    let said = work.run(&["push", "--force", "origin", "main", "main:topic", "main:release/1"]).fails();
    assert!(said.contains("forced update"), "{said}");
    let after = place.refs() + "\n";
    let tip = work.ok(&["rev-parse", "HEAD"]);
    for branch in ["topic", "release/1"] {
        assert!(after.contains(&format!("{tip}\trefs/heads/{branch}\n")), "{after}");
    }
    assert!(!after.contains(&format!("{tip}\trefs/heads/main\n")), "{after}");

    hub.cli(&["repo", "unprotect", "acme/m", "main"]).ok();
    work.ok(&["push", "-q", "--force", "origin", "main"]);
    work.ok(&["push", "-q", "origin", "--delete", "main"]);
    hub.fsck();
}

#[test]
fn only_those_a_rule_names_push_to_its_branches() {
    if !have(&BOTH) {
        return;
    }
    let place = Place::new();
    let hub = &place.hub;
    let (bob, eve) = (clone_as(&place, "bob"), clone_as(&place, "eve"));
    hub.cli(&["org", "add", "leads", "--owner", "bob"]).ok();
    hub.cli(&["repo", "protect", "acme/m", "main", "--push", "admin", "--push", "leads"]).ok();
    let listed = hub.cli(&["repo", "protection", "acme/m"]).ok();
    assert_eq!(listed, "main  push: admin,leads  never forced  never deleted");
    let listed = hub.cli(&["repo", "protection", "acme/m", "--json"]).ok();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let expected = serde_json::json!([{"pattern": "main", "push": ["admin", "leads"],
        "allow_force": false, "allow_delete": false}]);
    assert_eq!(listed, expected);

    bob.commit_file("b", b"by a lead\n");
    bob.ok(&["push", "-q", "origin", "main"]);
    eve.ok(&["pull", "-q", "--rebase", "origin", "main"]);
    eve.commit_file("e", b"by anybody\n");
    let before = place.refs();
    let said = eve.run(&["push", "origin", "main"]).fails();
    assert!(said.contains("protected branch: you may not push to it (rule `main`)"), "{said}");
    assert_eq!(place.refs(), before);
    eve.ok(&["push", "-q", "origin", "main:topic"]);
    // A rule opens nothing to those who may not write at all.
    hub.cli(&["org", "member", "acme", "bob", "--role", "read"]).ok();
    bob.commit_file("c", b"no longer\n");
    let said = bob.run(&["push", "origin", "main"]).fails();
    assert!(said.contains("403") || said.contains("not write"), "{said}");
}
