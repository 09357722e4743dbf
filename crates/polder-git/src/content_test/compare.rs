//! Comparing, with real git as the oracle.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use polder_types::ObjectId;
use proptest::prelude::*;

use super::kit::{Opened, branch, git, new_repo, numbered, pointer, write, write_base};
use crate::upload_pack::fixture::{gits, run};
use crate::upload_pack::random_history::world::{World, histories};
use crate::{Diff, FileChange, Snapshot, compare, unified_diff};

static GITS: LazyLock<Vec<PathBuf>> = LazyLock::new(gits);

/// Status letter and paths, as `git diff-tree -z --name-status` prints them.
fn status(change: &FileChange) -> String {
    match (&change.old, &change.new) {
        (None, Some(new)) => format!("A\0{}", new.path),
        (Some(old), None) => format!("D\0{}", old.path),
        (Some(old), Some(new)) if old.path != new.path => format!("R100\0{}\0{}", old.path, new.path),
        (Some(old), Some(new)) if old.kind.is_file() != new.kind.is_file() => format!("T\0{}", new.path),
        (Some(_), Some(new)) => format!("M\0{}", new.path),
        (None, None) => unreachable!(),
    }
}

fn check_comparison((git, dir): (&Path, &Path), snapshot: &Snapshot, old: ObjectId, new: ObjectId) {
    let (a, b) = (old.to_string(), new.to_string());
    let shown = run(git, dir, 0, &["diff-tree", "-r", "-z", "-M100%", "--name-status", &a, &b]);
    let found = compare(snapshot, Some(old), new, 0, 1_000).unwrap();
    let listed: String = found.changes.iter().map(|change| status(change) + "\0").collect();
    assert_eq!(listed, String::from_utf8(shown.stdout).unwrap(), "{old}..{new}");
    assert_eq!(found.total, found.changes.len());
    let paged: Vec<FileChange> =
        (0..found.total).flat_map(|at| compare(snapshot, Some(old), new, at, 1).unwrap().changes).collect();
    assert_eq!(paged, found.changes);
    let args = ["-c", "core.quotePath=false", "diff", "--full-index", "-M100%", &a, &b];
    let shown = String::from_utf8(run(git, dir, 0, &args).stdout).unwrap();
    let whole = unified_diff(snapshot, &found.changes, usize::MAX).unwrap();
    let cut = unified_diff(snapshot, &found.changes, 1).unwrap();
    assert!(shown.starts_with(&cut.text));
    assert_eq!(cut.is_cut, found.total > 1);
    assert_eq!(whole, Diff { text: shown, is_cut: false });
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn any_two_commits_compare_as_git_compares_them(
        history in histories(),
        pairs in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 6),
        git in any::<prop::sample::Index>(),
    ) {
        let git = git.get::<PathBuf>(&GITS);
        let world = World::build(&history, git);
        prop_assume!(!world.commits.is_empty());
        for (one, other) in pairs {
            let (one, other) = (*one.get(&world.commits), *other.get(&world.commits));
            check_comparison((git, world.dir.path()), &world.snapshot, one, other);
        }
    }
}

#[test]
fn lines_modes_folders_pointers_and_odd_names_are_compared_as_by_git() {
    let dir = new_repo();
    let path = dir.path();
    write_base(path);
    let tips = [
        branch(path, "top", "main", |p| write(p, "text", numbered(&[1, 2]).as_bytes())),
        branch(path, "bottom", "main", |p| write(p, "text", numbered(&[35]).as_bytes())),
        branch(path, "clash", "main", |p| write(p, "text", numbered(&[2]).replace('2', "two").as_bytes())),
        branch(path, "mode", "main", |p| {
            git(p, &["update-index", "--chmod=+x", "text"]);
            git(p, &["commit", "-q", "-m", "mode"]);
            git(p, &["checkout", "-q", "--", "."]);
        }),
        branch(path, "folder", "main", |p| {
            git(p, &["rm", "-q", "gone"]);
            write(p, "gone/now/folder", b"2\n");
        }),
        branch(path, "edit-gone", "main", |p| write(p, "gone", b"2\n")),
        branch(path, "file", "main", |p| {
            git(p, &["rm", "-q", "-r", "d"]);
            write(p, "d", b"now a file\n");
        }),
        branch(path, "below", "main", |p| write(p, "d/other", b"new\n")),
        branch(path, "pointer-b", "main", |p| write(p, "model.bin", pointer("b").as_bytes())),
        branch(path, "pointer-c", "main", |p| write(p, "model.bin", pointer("c").as_bytes())),
        branch(path, "add-1", "main", |p| write(p, "added", b"1\n")),
        branch(path, "add-2", "main", |p| write(p, "added", b"2\n")),
        branch(path, "quoted", "main", |p| write(p, "空 \"q\".txt", b"a b")),
    ];
    let opened = Opened::at(path);
    for ours in tips {
        for theirs in tips {
            check_comparison((&GITS[0], path), opened.snapshot(), ours, theirs);
        }
    }
}
