//! Pushes one at a time.

use polder_tests::{Git, Work, have};

use crate::place::{BOTH, Place};

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
