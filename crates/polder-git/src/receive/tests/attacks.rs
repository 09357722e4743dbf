//! Connectivity: what a push may rely on, told as attacks and as honest work.

use super::*;
use crate::receive::{Command, check_ref_names, check_ref_target, is_fast_forward};

/// A published branch with some files, and a hidden ref with a secret one.
struct Story {
    git: Git,
    readme: ObjectId,
    old_readme: ObjectId,
    first: ObjectId,
    main: ObjectId,
    secret: ObjectId,
    secret_tree: ObjectId,
    hidden: ObjectId,
    before: Snapshot,
}

fn story() -> Story {
    let git = Git::new();
    let (old_readme, readme) = (git.blob(b"old"), git.blob(b"readme"));
    let folder = git.tree(&[("100644 data", git.blob(b"data"))]);
    let first = git.commit(git.tree(&[("100644 README", old_readme), ("40000 dir", folder)]), &[]);
    let main = git.commit(git.tree(&[("100644 README", readme), ("40000 dir", folder)]), &[first]);
    let secret = git.blob(b"the secret");
    let secret_tree = git.tree(&[("100644 secret", secret)]);
    let hidden = git.commit(secret_tree, &[first]);
    let refs = [("refs/heads/main", main), ("refs/polder/hidden", hidden)];
    let before = snapshot(&refs, &[&git.push_pack(&[main], &[]), &git.push_pack(&[hidden], &[main])]);
    Story { git, readme, old_readme, first, main, secret, secret_tree, hidden, before }
}

impl Story {
    /// Pushes `new` objects so that `tip` becomes a branch.
    fn push(&self, new: &[ObjectId], tip: ObjectId) -> Result<Checked> {
        push(&self.before, &self.git.pack(new), &[tip])
    }

    fn refused(&self, new: &[ObjectId], tip: ObjectId) -> String {
        let error = self.push(new, tip).expect_err("refused");
        assert!(matches!(error, crate::Error::Refused { .. }), "{error:?}");
        error.to_string()
    }
}

#[test]
fn an_honest_commit_on_top_is_accepted_and_only_its_new_pointers_are_named() {
    let s = story();
    let pointer =
        |n: u8| format!("version https://git-lfs.github.com/spec/v1\noid sha256:{n:064x}\nsize {n}\n");
    let (one, two) = (s.git.blob(pointer(1).as_bytes()), s.git.blob(pointer(2).as_bytes()));
    let dir = s.git.tree(&[("100644 data", s.git.blob(b"data")), ("100644 model.bin", one)]);
    let tree = s.git.tree(&[("100644 README", s.readme), ("40000 dir", dir)]);
    let commit = s.git.commit(tree, &[s.main]);
    // `two` is in the pack, but no tree names it.
    let checked = s.push(&[commit, tree, dir, one, two], commit).unwrap();
    let [found] = &checked.pointers[..] else { panic!("{:?}", checked.pointers) };
    assert_eq!(
        (found.path.to_string(), found.blob, found.pointer.size_bytes),
        ("dir/model.bin".to_owned(), one, 1)
    );

    // The next push on top does not name it again.
    let after = snapshot(&[("refs/heads/main", commit)], &[&s.git.push_pack(&[commit], &[])]);
    let tree = s.git.tree(&[("100644 README", s.old_readme), ("40000 dir", dir)]);
    let next = s.git.commit(tree, &[commit]);
    assert_eq!(push(&after, &s.git.pack(&[next, tree]), &[next]).unwrap().pointers, []);
}

#[test]
fn publishing_a_hidden_refs_blob_by_naming_it_is_refused() {
    let s = story();
    let tree = s.git.tree(&[("100644 README", s.readme), ("100644 stolen", s.secret)]);
    let commit = s.git.commit(tree, &[s.main]);
    let told = s.refused(&[commit, tree], commit);
    assert!(told.starts_with("missing necessary objects: blob"), "{told}");
    assert!(told.contains("`stolen`"), "{told}");

    // The answer is the same for what does not exist at all.
    let nothing = ObjectId::new([9; 20]);
    let tree = s.git.object("tree", &tree_bytes(&[("100644 README", s.readme), ("100644 stolen", nothing)]));
    let commit = s.git.commit(tree, &[s.main]);
    let about_nothing = s.refused(&[commit, tree], commit);
    assert_eq!(about_nothing.replace(&nothing.to_string(), "X"), told.replace(&s.secret.to_string(), "X"));
}

#[test]
fn a_hidden_tree_or_commit_cannot_be_published_by_naming_it_either() {
    let s = story();
    let tree = s.git.tree(&[("100644 README", s.readme), ("40000 dir", s.secret_tree)]);
    let commit = s.git.commit(tree, &[s.main]);
    assert!(s.refused(&[commit, tree], commit).contains("tree"));
    // As the root tree itself.
    let commit = s.git.commit(s.secret_tree, &[s.main]);
    assert!(s.refused(&[commit], commit).contains("tree"));
    // As a parent, as a tag's target, as a new branch.
    let merge = s.git.commit(s.git.tree(&[]), &[s.main, s.hidden]);
    assert!(s.refused(&[merge, s.git.tree(&[])], merge).contains("commit"));
    let tag = format!("object {}\ntype commit\ntag t\ntagger T <t> 1 +0000\n\nm\n", s.hidden);
    let tag = s.git.object("tag", tag.as_bytes());
    assert!(s.refused(&[tag], tag).contains("commit"));
    assert!(check_push(&s.before, None, &[s.hidden], Severity::Push).is_err());
    assert!(check_push(&s.before, None, &[s.secret], Severity::Push).is_err());
}

#[test]
fn naming_a_hidden_tree_in_one_commit_does_not_vouch_for_its_blob_in_the_next() {
    let s = story();
    // First the hidden tree as `dir`, then a new tree at `dir` that shares the hidden blob with it.
    let one = s.git.tree(&[("40000 dir", s.secret_tree)]);
    let first = s.git.commit(one, &[s.main]);
    let dir = s.git.tree(&[("100644 new", s.readme), ("100644 secret", s.secret)]);
    let two = s.git.tree(&[("40000 dir", dir)]);
    let second = s.git.commit(two, &[first]);
    s.refused(&[first, one, second, two, dir], second);
}

#[test]
fn going_back_and_forth_between_two_trees_does_not_hide_a_missing_blob() {
    // Each tree is compared with the one before it; neither may vouch for the other.
    let s = story();
    let t = s.git.tree(&[("100644 a", s.readme), ("100644 stolen", s.secret)]);
    let u = s.git.tree(&[("100644 b", s.readme), ("100644 stolen", s.secret)]);
    let one = s.git.commit(t, &[s.main]);
    let two = s.git.commit(u, &[one]);
    let three = s.git.commit(t, &[two]);
    assert!(s.refused(&[one, two, three, t, u], three).contains("stolen"));
}

#[test]
fn a_commit_whose_parent_lies_only_in_an_unreachable_pack_is_refused() {
    let s = story();
    let tree = s.git.tree(&[("100644 README", s.readme)]);
    let leftover = s.git.commit(tree, &[s.main]);
    let stored = snapshot(
        &[("refs/heads/main", s.main)],
        &[&s.git.push_pack(&[s.main], &[]), &s.git.push_pack(&[leftover], &[s.main])],
    );
    assert!(stored.contains(&leftover));
    let next = s.git.commit(tree, &[leftover]);
    let error = push(&stored, &s.git.pack(&[next, tree]), &[next]).unwrap_err().to_string();
    assert!(error.contains(&format!("commit {leftover}")) && error.contains("--unshallow"), "{error}");
    // With the parent in the pack all is well.
    push(&stored, &s.git.pack(&[next, leftover, tree]), &[next]).unwrap();
}

#[test]
fn a_missing_blob_tree_or_parent_is_refused() {
    let s = story();
    let blob = s.git.blob(b"not sent");
    let sub = s.git.tree(&[("100644 f", blob)]);
    let tree = s.git.tree(&[("40000 sub", sub)]);
    let (base, next) = (s.git.commit(tree, &[s.main]), ObjectId::new([5; 20]));
    assert!(s.refused(&[base, tree, sub], base).contains("`sub/f`"));
    assert!(s.refused(&[base, tree, blob], base).contains("tree"));
    assert!(s.refused(&[base, sub, blob], base).contains("tree"));
    let orphan = s.git.object(
        "commit",
        format!("tree {tree}\nparent {next}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nm").as_bytes(),
    );
    assert!(s.refused(&[orphan, tree, sub, blob], orphan).contains("commit"));
    assert!(check_push(&s.before, None, &[next], Severity::Push).is_err());
}

#[test]
fn a_revert_to_an_older_file_that_the_boundary_tree_lacks_is_accepted() {
    let s = story();
    let folder = s.git.tree(&[("100644 data", s.git.blob(b"data"))]);
    let tree = s.git.tree(&[("100644 README", s.old_readme), ("40000 other", folder)]);
    let commit = s.git.commit(tree, &[s.main]);
    s.push(&[commit, tree], commit).unwrap();
    // And a whole old tree, and a branch on an old commit without any pack.
    let old_root = s.git.oid(&["rev-parse", &format!("{}^{{tree}}", s.first)], b"");
    let commit = s.git.commit(old_root, &[s.main]);
    s.push(&[commit], commit).unwrap();
    check_push(&s.before, None, &[s.first, s.main], Severity::Push).unwrap();
}

#[test]
fn a_file_moved_to_another_folder_needs_no_new_blob() {
    let s = story();
    let dir = s.git.tree(&[("100644 renamed", s.readme)]);
    let tree = s.git.tree(&[("40000 deep", dir)]);
    let commit = s.git.commit(tree, &[s.main]);
    s.push(&[commit, tree, dir], commit).unwrap();
}

#[test]
fn an_object_used_as_another_kind_is_refused() {
    let s = story();
    let blob = s.git.blob(b"new");
    let as_tree = s.git.object("tree", &tree_bytes(&[("40000 dir", blob)]));
    let as_stored_tree = s.git.object("tree", &tree_bytes(&[("40000 dir", s.readme)]));
    let as_file = s.git.object("tree", &tree_bytes(&[("100644 f", s.git.tree(&[]))]));
    for (tree, also) in [(as_tree, blob), (as_stored_tree, blob), (as_file, s.git.tree(&[]))] {
        let commit = s.git.commit(tree, &[s.main]);
        s.refused(&[commit, tree, also], commit);
    }
    let header = "author A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nm";
    let tree = s.git.tree(&[]);
    for text in [
        format!("tree {}\n{header}", s.readme),
        format!("tree {tree}\nparent {}\n{header}", s.readme),
        format!("tree {tree}\nparent {tree}\n{header}"),
        format!("tree {}\n{header}", s.main),
    ] {
        let commit = s.git.object("commit", text.as_bytes());
        s.refused(&[commit, tree], commit);
    }
    for (kind, target) in [("tree", s.main), ("blob", s.main), ("tag", s.main), ("commit", s.readme)] {
        let text = format!("object {target}\ntype {kind}\ntag t\ntagger T <t> 1 +0000\n\nm\n");
        let tag = s.git.object("tag", text.as_bytes());
        s.refused(&[tag], tag);
    }
}

#[test]
fn an_object_that_was_one_kind_before_is_refused_as_another() {
    let s = story();
    let blob = s.git.blob(b"new");
    let folder = s.git.tree(&[("100644 f", blob)]);
    let right = s.git.tree(&[("40000 d", folder), ("100644 f", blob)]);
    let first = s.git.commit(right, &[s.main]);
    for (entry, id) in [("100644 g", folder), ("40000 g", blob)] {
        let wrong = s.git.object("tree", &tree_bytes(&[(entry, id)]));
        let second = s.git.commit(wrong, &[first]);
        assert!(s.refused(&[first, right, folder, blob, second, wrong], second).contains(" is a "));
    }
}

#[test]
fn a_stored_file_is_checked_when_it_becomes_gitmodules_behind_a_backslash() {
    let s = story();
    let evil = s.git.blob(b"[submodule \"x\"]\n\turl = -u./payload\n");
    let plain = s.git.tree(&[("100644 notes.txt", evil)]);
    let commit = s.git.commit(plain, &[s.main]);
    let after = snapshot(&[("refs/heads/main", commit)], &[&s.git.push_pack(&[commit], &[])]);
    let tree = s.git.tree(&[("100644 a\\.gitmodules", evil)]);
    let next = s.git.commit(tree, &[commit]);
    let error = push(&after, &s.git.pack(&[next, tree]), &[next]).unwrap_err().to_string();
    assert!(error.contains("gitmodulesUrl"), "{error}");
}

#[test]
fn a_submodules_commit_need_not_be_here() {
    let s = story();
    let tree = s.git.object("tree", &tree_bytes(&[("160000 sub", ObjectId::new([7; 20]))]));
    let commit = s.git.commit(tree, &[s.main]);
    s.push(&[commit, tree], commit).unwrap();
}

#[test]
fn a_shallow_clone_may_push_where_the_hubs_history_goes_on_and_not_otherwise() {
    let s = story();
    // What git sends from a clone of depth 1: the new commit only; its cut is at `main`.
    let tree = s.git.tree(&[("100644 README", s.readme)]);
    let commit = s.git.commit(tree, &[s.main]);
    s.push(&[commit, tree], commit).unwrap();
    // The same into an empty repository: the cut itself comes along, its parent does not.
    let root = s.git.oid(&["rev-parse", &format!("{}^{{tree}}", s.main)], b"");
    let all = s.git.push_pack(&[commit], &[s.first]);
    let error = push(&empty(), &all, &[commit]).unwrap_err().to_string();
    assert!(error.contains(&format!("commit {}", s.first)) && error.contains("--unshallow"), "{error}");
    assert!(s.before.contains(&root));
}

#[test]
fn a_bad_gitmodules_file_is_refused_even_if_the_blob_was_pushed_under_another_name() {
    let s = story();
    let evil = s.git.blob(b"[submodule \"x\"]\n\turl = -u./payload\n");
    let plain = s.git.tree(&[("100644 notes.txt", evil)]);
    let commit = s.git.commit(plain, &[s.main]);
    s.push(&[commit, plain, evil], commit).unwrap();
    let after = snapshot(&[("refs/heads/main", commit)], &[&s.git.push_pack(&[commit], &[])]);
    let tree = s.git.tree(&[("100644 .gitmodules", evil)]);
    let next = s.git.commit(tree, &[commit]);
    let error = push(&after, &s.git.pack(&[next, tree]), &[next]).unwrap_err().to_string();
    assert!(error.contains("gitmodulesUrl"), "{error}");
}

#[test]
fn a_path_of_endless_folders_is_refused() {
    let git = Git::new();
    let mut tree = git.tree(&[("100644 f", git.blob(b"x"))]);
    let mut all = vec![tree, git.blob(b"x")];
    let name = format!("40000 {}", "d".repeat(1000));
    for _ in 0..5 {
        tree = git.tree(&[(&name, tree)]);
        all.push(tree);
    }
    let commit = git.commit(tree, &[]);
    all.push(commit);
    let error = push(&empty(), &git.pack(&all), &[commit]).unwrap_err().to_string();
    assert!(error.contains("longer than 4096 bytes"), "{error}");
}

#[test]
fn a_bomb_of_shared_trees_is_walked_once_per_tree() {
    let git = Git::new();
    let mut tree = git.tree(&[("100644 f", git.blob(b"x"))]);
    let mut all = vec![tree, git.blob(b"x")];
    let names: Vec<String> = (0..10).map(|n| format!("40000 {n}")).collect();
    for _ in 0..10 {
        let entries: Vec<(&str, ObjectId)> = names.iter().map(|name| (name.as_str(), tree)).collect();
        tree = git.tree(&entries);
        all.push(tree);
    }
    let commit = git.commit(tree, &[]);
    all.push(commit);
    // Ten to the tenth paths, a dozen trees.
    push(&empty(), &git.pack(&all), &[commit]).unwrap();
}

#[test]
fn branches_hold_commits_and_the_hubs_own_refs_are_left_alone() {
    let s = story();
    let command = |name: &str, new: ObjectId| Command { name: name.to_owned(), old: ObjectId::ZERO, new };
    let commands = [
        command("refs/heads/x", s.main),
        command("refs/tags/x", s.readme),
        command("refs/polder/x", s.main),
        command("refs/pr/1", ObjectId::ZERO),
        command("refs/heads/a..b", s.main),
        command("refs/heads/a..b", ObjectId::ZERO),
        command("HEAD", s.main),
    ];
    let reports = check_ref_names(&commands);
    let results: Vec<Option<&str>> =
        reports.iter().map(|report| report.result.as_ref().err().map(String::as_str)).collect();
    let (hidden, funny) = (Some("deny updating a hidden ref"), Some("funny refname"));
    assert_eq!(results, [None, None, hidden, hidden, funny, None, funny]);

    let judge = |name, new| check_ref_target(&s.before, &command(name, new)).unwrap();
    let not_a_commit = format!("trying to write non-commit object {} to branch 'refs/heads/x'", s.readme);
    assert_eq!(judge("refs/heads/x", s.readme), Some(not_a_commit));
    assert_eq!(judge("refs/heads/x", s.main), None);
    assert_eq!(judge("refs/heads/x", ObjectId::ZERO), None);
    assert_eq!(judge("refs/tags/x", s.readme), None);
}

/// Mallory may push and has guessed the id of an object that only a hidden ref reaches. Whatever she
/// makes of it, the answer is the one for an id that nobody has.
#[test]
fn naming_a_hidden_object_tells_no_more_than_naming_none() {
    let s = story();
    let unknown = ObjectId::new([0xab; 20]);
    let words = |tips: &[ObjectId], named: ObjectId| {
        let refused = check_push(&s.before, None, tips, Severity::Push).unwrap_err();
        refused.to_string().replace(&named.to_string(), "it")
    };
    for hidden in [s.hidden, s.secret] {
        assert_eq!(words(&[hidden], hidden), words(&[unknown], unknown));
        assert_eq!(words(&[s.main, hidden], hidden), words(&[s.main, unknown], unknown));
    }
}

#[test]
fn only_an_ancestor_can_be_fast_forwarded() {
    let s = story();
    let ff = |old, new| is_fast_forward(&s.before, old, new).unwrap();
    assert!(ff(s.first, s.main) && ff(s.main, s.main));
    assert!(!ff(s.main, s.first) && !ff(s.main, s.hidden) && !ff(s.readme, s.main));
}

#[test]
fn a_commit_on_a_big_tree_reads_only_the_trees_on_its_files_path() {
    let git = Git::new();
    let folders: Vec<ObjectId> =
        (0..30_u8).map(|n| git.tree(&[("100644 a", git.blob(&[n])), ("100644 b", git.blob(b"b"))])).collect();
    let names: Vec<String> = (10..40).map(|n| format!("40000 d{n}")).collect();
    let entries = |folders: &[ObjectId]| -> Vec<u8> {
        let pairs: Vec<(&str, ObjectId)> =
            names.iter().map(String::as_str).zip(folders.iter().copied()).collect();
        tree_bytes(&pairs)
    };
    let root = git.object("tree", &entries(&folders));
    let older = git.commit(git.tree(&[]), &[]);
    let main = git.commit(root, &[older]);
    // A store with nothing but the tip, its root and one folder: a read of any other object fails.
    let before = snapshot(&[("refs/heads/main", main)], &[&git.pack(&[main, root, folders[3]])]);

    let new = git.blob(b"new");
    let mut changed = folders;
    changed[3] = git.tree(&[("100644 a", new), ("100644 b", git.blob(b"b"))]);
    let tree = git.object("tree", &entries(&changed));
    let next = git.commit(tree, &[main]);
    let pack = git.push_pack(&[next], &[main]);
    assert_eq!(receive(&pack).unwrap().objects, 4);
    push(&before, &pack, &[next]).unwrap();
}
