//! Merging, with real git as the oracle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, LazyLock};

use polder_types::{ObjectId, PackId};
use proptest::prelude::*;

use super::kit::{
    Opened, author, branch, commit_all, git, index, new_repo, numbered, oid, pointer, scratch, write,
    write_base,
};
use crate::upload_pack::fixture::{gits, run};
use crate::upload_pack::random_history::world::{HistoryPlan, World, histories};
use crate::{Error, Merge, Pack, Snapshot, entry, merge_commits};

/// One that can merge without a working tree and take `-X` (2.43 and newer).
static MERGING_GIT: LazyLock<PathBuf> = LazyLock::new(|| {
    let is_new = |git: &PathBuf| {
        let said = run(git, Path::new("/"), 0, &["--version"]).stdout;
        let said = String::from_utf8(said).unwrap();
        let mut numbers = said.trim_start_matches("git version ").split('.').map(|n| n.trim().parse::<u32>());
        let mut next = || numbers.next().unwrap().unwrap();
        (next(), next()) >= (2, 43)
    };
    gits().into_iter().find(is_new).expect("git 2.43 or newer")
});

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

/// The result of a merge has git's tree, or conflicts where git's has some.
fn check_merge(dir: &Path, snapshot: &Snapshot, ours: ObjectId, theirs: ObjectId) {
    let git = MERGING_GIT.as_path();
    let (a, b) = (ours.to_string(), theirs.to_string());
    let mut bases: Vec<ObjectId> =
        lines(&run(git, dir, 0, &["merge-base", "--all", &a, &b])).iter().map(|line| oid(line)).collect();
    bases.sort_unstable();
    let merged = merge_commits(snapshot, ours, theirs, &author(), "Merge");
    if bases.len() != 1 {
        assert!(matches!(merged, Err(Error::Refused { .. })), "{bases:?} {merged:?}");
        return;
    }
    // Told to go by paths and by Myers' algorithm, as we do.
    let config = ["-c", "merge.directoryRenames=false", "merge-tree"];
    let options =
        ["--write-tree", "--name-only", "--no-messages", "-Xfind-renames=100%", "-Xdiff-algorithm=myers"];
    let args: Vec<&str> = config.into_iter().chain(options).chain([a.as_str(), &b]).collect();
    let by_git = run(git, dir, 0, &args);
    match merged.unwrap() {
        Merge::UpToDate => assert_eq!(bases, [theirs]),
        Merge::FastForward => assert_eq!(bases, [ours]),
        Merge::Merged(written) => {
            assert_eq!(by_git.status.code(), Some(0), "git finds conflicts: {:?}", lines(&by_git));
            assert_eq!(written.tree_id, oid(&lines(&by_git)[0]));
            let whole = with_pack(snapshot, &written.whole_pack().unwrap());
            assert!(entry(&whole, written.commit_id, "").is_ok());
        }
        Merge::Conflicts(paths) => {
            assert_eq!(by_git.status.code(), Some(1), "git finds no conflict: {paths:?}");
            // What cannot stand at its path git writes beside it: `path~commit`.
            let named = lines(&by_git).into_iter().skip(1);
            let named: BTreeSet<String> =
                named.map(|path| path.split('~').next().unwrap_or_default().to_owned()).collect();
            assert_eq!(paths.len(), named.len(), "{paths:?} {named:?}");
            for path in paths {
                // Where a file and a folder clash, git names the file, we what they have there.
                let is_named = |known: &String| path == *known || path.starts_with(&format!("{known}/"));
                assert!(named.iter().any(is_named), "{path} {named:?}");
            }
        }
    }
}

fn with_pack(snapshot: &Snapshot, pack: &[u8]) -> Snapshot {
    let dir = scratch();
    let (pack, index) = index(pack, dir.path());
    let (pack, index) = (std::fs::read(pack).unwrap().into(), std::fs::read(index).unwrap().into());
    snapshot.with_pack(Arc::new(Pack::from_bytes(PackId(99), pack, index).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn any_two_commits_merge_as_git_merges_them(
        history in histories(),
        pairs in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 6),
    ) {
        let world = World::build(&HistoryPlan { is_distinct: true, ..history }, &MERGING_GIT);
        prop_assume!(!world.commits.is_empty());
        for (one, other) in pairs {
            let (one, other) = (*one.get(&world.commits), *other.get(&world.commits));
            check_merge(world.dir.path(), &world.snapshot, one, other);
        }
    }
}

#[test]
fn what_each_side_did_to_lines_modes_folders_and_pointers_is_merged_or_named() {
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
        branch(path, "link", "main", |p| {
            let oid = git(p, &["rev-parse", "HEAD:text"]);
            git(p, &["update-index", "--cacheinfo", &format!("120000,{oid},text")]);
            git(p, &["commit", "-q", "-m", "link"]);
            git(p, &["reset", "-q", "--hard"]);
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
    git(path, &["checkout", "-q", "--orphan", "apart"]);
    let apart = commit_all(path, "apart");
    let opened = Opened::at(path);
    for ours in tips {
        for theirs in tips {
            check_merge(path, opened.snapshot(), ours, theirs);
        }
    }
    let unrelated = merge_commits(opened.snapshot(), tips[0], apart, &author(), "m");
    assert!(matches!(unrelated, Err(Error::Refused { .. })));
}
