//! What a push may rely on.

use polder_tests::{LargeObject, pack_exactly, push_body, sideband_text, zero};

use crate::place::{CAPABILITIES, Place, all_ok, refuses};

#[test]
fn what_lies_in_the_store_unreachable_cannot_be_published_by_naming_it() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let url = place.hub.repo_url_as("acme/m", &place.token);
    let secret_commit = work.commit_file("secret", b"thrown away\n");
    let secret_blob = work.ok(&["rev-parse", "HEAD:secret"]);
    let secret_tree = work.ok(&["rev-parse", "HEAD^{tree}"]);
    work.ok(&["push", "-q", &url, "HEAD:refs/heads/secret"]);
    work.ok(&["push", "-q", &url, ":secret"]);
    work.ok(&["reset", "-q", "--hard", &tip]);

    let tree_of =
        |line: String| work.git.with_input(&work.path(), &["mktree", "--missing"], line.as_bytes()).ok();
    let commit_of = |tree: &str, parent: &str| work.ok(&["commit-tree", tree, "-p", parent, "-m", "Steal"]);
    let named = tree_of(format!("100644 blob {secret_blob}\tmine\n"));
    let folder = tree_of(format!("040000 tree {secret_tree}\tmine\n"));
    let by_blob = commit_of(&named, &tip);
    let by_folder = commit_of(&folder, &tip);
    let by_tree = commit_of(&secret_tree, &tip);
    let by_parent = commit_of(&work.ok(&["rev-parse", "HEAD^{tree}"]), &secret_commit);
    work.ok(&["tag", "-a", "steal", "-m", "Steal", &secret_commit]);
    let by_tag = work.ok(&["rev-parse", "refs/tags/steal"]);
    for (what, name, ids) in [
        ("a tree that names the blob", "refs/heads/x", vec![by_blob.as_str(), &named]),
        ("a tree that names the tree", "refs/heads/x", vec![&by_folder, &folder]),
        ("a commit that names the tree", "refs/heads/x", vec![&by_tree]),
        ("a commit that names the commit", "refs/heads/x", vec![&by_parent]),
        ("a tag that names the commit", "refs/tags/x", vec![&by_tag]),
        ("a branch that is the commit", "refs/heads/x", vec![]),
    ] {
        let new = ids.first().copied().unwrap_or(secret_commit.as_str());
        let pack = if ids.is_empty() { pack_exactly(work, &[]) } else { pack_exactly(work, &ids) };
        let answer = place.push(push_body(&[(&zero(), new, name)], CAPABILITIES, &pack));
        refuses(what, &answer);
    }
    place.is_unchanged();
    place.hub.fsck();
}

#[test]
fn a_pointer_that_nothing_reaches_needs_no_object() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let object = LargeObject::random(1, 1000);
    let pointer = work
        .git
        .with_input(&work.path(), &["hash-object", "-w", "--stdin"], object.pointer().as_bytes())
        .ok();
    let new = work.commit_file("words", b"words\n");
    let (tree, blob) = (work.ok(&["rev-parse", "HEAD^{tree}"]), work.ok(&["rev-parse", "HEAD:words"]));
    let pack = pack_exactly(work, &[&new, &tree, &blob, &pointer]);
    let answer = place.push(push_body(&[(&tip, &new, "refs/heads/main")], CAPABILITIES, &pack));
    assert!(all_ok(&sideband_text(&answer.expect(200).body)));

    // As soon as something reaches it, it does.
    let named = work
        .git
        .with_input(&work.path(), &["mktree"], format!("100644 blob {pointer}\tw.bin\n").as_bytes())
        .ok();
    let next = work.ok(&["commit-tree", &named, "-p", &new, "-m", "Name it"]);
    for ids in [vec![next.as_str(), &named], vec![&next, &named, &pointer]] {
        let body = push_body(&[(&new, &next, "refs/heads/main")], CAPABILITIES, &pack_exactly(work, &ids));
        refuses("a pointer without its object", &place.push(body));
    }
    object.upload(place.hub.http(), "acme/m", &place.token);
    let pack = pack_exactly(work, &[&next, &named, &pointer]);
    let answer = place.push(push_body(&[(&new, &next, "refs/heads/main")], CAPABILITIES, &pack));
    assert!(all_ok(&sideband_text(&answer.expect(200).body)));
    place.hub.fsck();
}
