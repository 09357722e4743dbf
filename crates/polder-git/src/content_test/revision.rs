//! Revisions against `git rev-parse`.

use super::kit::{Opened, commit_all, git, new_repo, oid, rev, write};
use crate::{Error, Ref, Snapshot, resolve_revision};

#[test]
fn names_and_ids_mean_what_they_mean_to_git() {
    let dir = new_repo();
    let path = dir.path();
    write(path, "f", b"1");
    let first = commit_all(path, "first");
    git(path, &["tag", "-a", "-m", "t", "v1"]);
    git(path, &["tag", "-a", "-m", "tt", "v1-again", "v1"]);
    git(path, &["tag", "light"]);
    git(path, &["tag", "-m", "a tree", "tree", "HEAD^{tree}"]);
    write(path, "f", b"2");
    let second = commit_all(path, "second");
    git(path, &["branch", "功能/一"]);
    git(path, &["branch", "light"]);
    git(path, &["update-ref", "refs/pull/7", &first.to_string()]);
    // A branch that pretends to be another commit's id.
    git(path, &["update-ref", &format!("refs/heads/{first}"), &second.to_string()]);
    let opened = Opened::at(path);
    let snapshot = opened.snapshot();
    let resolve = |text: &str| resolve_revision(snapshot, text);
    for (text, expected) in [
        ("HEAD", second),
        ("main", second),
        ("refs/heads/main", second),
        ("heads/main", second),
        ("功能/一", second),
        ("v1", first),
        ("v1-again", first),
        ("refs/tags/v1", first),
        ("light", second),
        ("refs/tags/light", first),
        ("refs/pull/7", first),
        ("pull/7", first),
        (first.to_string().as_str(), first),
        (first.to_string().to_uppercase().as_str(), first),
        (&first.to_string()[..7], first),
        (&second.to_string()[..12], second),
        (rev(path, "v1").to_string().as_str(), first),
        (&rev(path, "v1").to_string()[..10], first),
    ] {
        assert_eq!(resolve(text).expect(text), expected, "{text}");
    }
    let blob = rev(path, "HEAD:f").to_string();
    let tree = rev(path, "HEAD^{tree}").to_string();
    for text in [
        "",
        "nope",
        "tree",
        &blob,
        &tree,
        &blob[..7],
        &first.to_string()[..6],
        "main~1",
        "HEAD^",
        "refs/heads/",
        "/",
        "a\0b",
    ] {
        assert!(matches!(resolve(text), Err(Error::NotFound { .. })), "{text}");
    }
}

#[test]
fn what_only_hidden_refs_reach_does_not_exist() {
    let dir = new_repo();
    let path = dir.path();
    write(path, "f", b"1");
    let shown = commit_all(path, "shown");
    write(path, "f", b"2");
    let hidden = commit_all(path, "hidden");
    git(path, &["tag", "-a", "-m", "t", "secret"]);
    let tag = rev(path, "refs/tags/secret");
    let opened = Opened::at(path);
    let at = |name: &str, oid, peeled| Ref { name: name.to_owned(), oid, peeled };
    let refs = vec![
        at("refs/heads/main", shown, None),
        at("refs/polder/x", hidden, None),
        at("refs/polder/t", tag, Some(hidden)),
    ];
    let packs = opened.snapshot().packs().to_vec();
    let snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), refs, packs);
    assert_eq!(resolve_revision(&snapshot, &shown.to_string()).unwrap(), shown);
    let full = [hidden, tag].map(|id| id.to_string());
    for text in ["refs/polder/x", "polder/x", &full[0], &full[0][..9], &full[1], &full[1][..9]] {
        assert!(matches!(resolve_revision(&snapshot, text), Err(Error::NotFound { .. })), "{text}");
    }
}

#[test]
fn an_ambiguous_start_of_an_id_is_no_revision() {
    let dir = new_repo();
    let path = dir.path();
    // Two commits whose ids share seven digits take 2^14 tries; ids of one commit and one blob do not count.
    let mut first = commit_all(path, "0");
    let mut seen = std::collections::HashMap::new();
    let tree = git(path, &["write-tree"]);
    let commit = |n: u32| {
        let text = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n{n}\n");
        let id = gix_object::compute_hash(gix_hash::Kind::Sha1, gix_object::Kind::Commit, text.as_bytes())
            .unwrap();
        (text, id.to_string())
    };
    for n in 0.. {
        let (_, id) = commit(n);
        if let Some(other) = seen.insert(id[..7].to_owned(), n) {
            for (name, n) in [("one", other), ("two", n)] {
                let (text, id) = commit(n);
                let made = super::kit::git_bytes(
                    path,
                    &["hash-object", "-t", "commit", "-w", "--stdin"],
                    text.as_bytes(),
                );
                assert_eq!(String::from_utf8(made).unwrap().trim(), id);
                git(path, &["branch", name, &id]);
                first = oid(&id);
            }
            break;
        }
    }
    let opened = Opened::at(path);
    let short = &first.to_string()[..7];
    assert!(matches!(resolve_revision(opened.snapshot(), short), Err(Error::NotFound { .. })));
    assert_eq!(resolve_revision(opened.snapshot(), &first.to_string()[..20]).unwrap(), first);
}
