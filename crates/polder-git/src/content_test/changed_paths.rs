//! What a move of a branch changes, against `git diff-tree` and `git log`.

use std::collections::BTreeSet;

use super::kit::{Opened, commit_all, empty_snapshot, git, new_repo, rev, scratch, write};
use crate::{Error, WatchedPaths, changed_paths};

const WATCHED: [&str; 7] = ["a", "a.b", "deep/er/x", "deep/er/y", "模型/权重 1.bin", "dir", "never"];

#[test]
fn a_moved_branch_changes_what_gits_diff_shows() {
    let dir = new_repo();
    let path = dir.path();
    let mut commits = Vec::new();
    let mut commit = |message: &str| commits.push(commit_all(path, message));
    write(path, "a", b"1");
    write(path, "other", b"1");
    commit("one file");
    write(path, "deep/er/x", b"1");
    write(path, "deep/er/z", b"1");
    write(path, "模型/权重 1.bin", b"1");
    commit("more");
    write(path, "other", b"2");
    write(path, "deep/er/z", b"2");
    commit("nothing watched");
    git(path, &["rm", "-q", "-r", "a", "deep"]);
    write(path, "a/now/a folder", b"1");
    write(path, "deep", b"now a file");
    commit("a file becomes a folder, a folder a file");
    git(path, &["update-index", "--chmod=+x", "模型/权重 1.bin"]);
    git(path, &["commit", "-q", "-m", "a mode"]);
    commits.push(rev(path, "HEAD"));

    let opened = Opened::at(path);
    let watched = WatchedPaths::new(WATCHED);
    for old in &commits {
        for new in &commits {
            let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames"];
            let shown = git(path, &[&args[..], &[&old.to_string(), &new.to_string()]].concat());
            let shown: BTreeSet<&str> = shown.split('\0').filter(|name| WATCHED.contains(name)).collect();
            let snapshots = (opened.snapshot(), opened.snapshot());
            let found = changed_paths(snapshots, Some(*old), *new, &watched).unwrap();
            assert_eq!(found, shown.into_iter().collect::<Vec<_>>(), "{old}..{new}");
        }
    }
}

#[test]
fn a_new_branch_changes_what_its_new_commits_change() {
    let (dir, known) = (new_repo(), scratch());
    let path = dir.path();
    write(path, "a", b"1");
    write(path, "deep/er/x", b"1");
    let first = commit_all(path, "known");
    git(known.path(), &["clone", "-q", "--bare", path.to_str().unwrap(), "known.git"]);
    write(path, "other", b"1");
    let harmless = commit_all(path, "harmless");
    write(path, "deep/er/x", b"2");
    commit_all(path, "changes it");
    write(path, "deep/er/x", b"1");
    let undone = commit_all(path, "changes it back");
    git(path, &["checkout", "-q", "-b", "side", &first.to_string()]);
    write(path, "a", b"2");
    let side = commit_all(path, "on the side");
    git(path, &["merge", "-q", "--no-edit", &harmless.to_string()]);
    let merged = rev(path, "HEAD");

    let (before, after) = (Opened::at(&known.path().join("known.git")), Opened::at(path));
    let watched = WatchedPaths::new(WATCHED);
    let changed = |new| changed_paths((before.snapshot(), after.snapshot()), None, new, &watched).unwrap();
    assert_eq!(changed(first), Vec::<String>::new(), "nothing is new");
    assert_eq!(changed(harmless), Vec::<String>::new());
    assert_eq!(changed(undone), ["deep/er/x"], "also if a later commit takes it back");
    assert_eq!(changed(side), ["a"]);
    assert_eq!(changed(merged), ["a"], "a merge repeats what its parents did, and no more");
    let all = changed_paths((&empty_snapshot(), after.snapshot()), None, first, &watched).unwrap();
    assert_eq!(all, ["a", "deep/er/x"], "the first push of all adds everything");
    let blob = rev(path, "HEAD:a");
    let refused = changed_paths((before.snapshot(), after.snapshot()), Some(first), blob, &watched);
    assert!(matches!(refused, Err(Error::NotFound { .. })));
}
