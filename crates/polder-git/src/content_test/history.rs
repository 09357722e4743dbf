//! Last commits and histories of paths, against `git log`.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use polder_types::ObjectId;
use proptest::prelude::*;

use super::kit::{Hub, Opened, commit_all, git, new_repo, oid, put, rev, write};
use crate::upload_pack::fixture::{gits, run};
use crate::upload_pack::random_history::world::{World, histories};
use crate::{
    Error, FolderCommits, Snapshot, commit_info, last_commits, list_commits, list_tree, path_commits,
};

static GITS: LazyLock<Vec<PathBuf>> = LazyLock::new(gits);

/// What `git log` lists, newest first.
fn log(git: &Path, dir: &Path, args: &[&str]) -> Vec<ObjectId> {
    let shown = run(git, dir, 0, &[&["log", "--format=%H"], args].concat());
    assert!(shown.status.success(), "{args:?}: {}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap().lines().map(oid).collect()
}

fn folders(snapshot: &Snapshot, commit_id: ObjectId) -> Vec<String> {
    let page = list_tree(snapshot, commit_id, "", true, None, 1_000).unwrap();
    let below = page.entries.into_iter().filter(|entry| entry.size_bytes.is_none()).map(|entry| entry.path);
    std::iter::once(String::new()).chain(below).collect()
}

fn names(snapshot: &Snapshot, commit_id: ObjectId, folder: &str) -> Vec<String> {
    let page = list_tree(snapshot, commit_id, folder, false, None, 1_000).unwrap();
    page.entries.into_iter().map(|entry| entry.path).collect()
}

/// The last commits of every folder of a commit, each compared with git's.
fn check_last_commits(
    (git, dir): (&Path, &Path),
    snapshot: &Snapshot,
    commit_id: ObjectId,
    known: &[&FolderCommits],
) -> Vec<FolderCommits> {
    let folders = folders(snapshot, commit_id);
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let found = last_commits(snapshot, commit_id, &folders, known).unwrap();
    for answers in &found {
        for path in names(snapshot, commit_id, answers.path()) {
            let expected = log(git, dir, &["-1", &commit_id.to_string(), "--", &path]);
            let name = path.rsplit('/').next().unwrap();
            assert_eq!(answers.of(name).as_slice(), expected, "{path} at {commit_id}");
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn last_commits_are_those_of_git_log_in_any_history(
        history in histories(),
        at in proptest::collection::vec(any::<prop::sample::Index>(), 3),
        git in any::<prop::sample::Index>(),
    ) {
        let git = git.get::<PathBuf>(&GITS);
        let world = World::build(&history, git);
        prop_assume!(!world.commits.is_empty());
        let mut known: Vec<FolderCommits> = Vec::new();
        for at in at {
            let known_before: Vec<&FolderCommits> = known.iter().collect();
            let commit_id = *at.get(&world.commits);
            let found = check_last_commits((git, world.dir.path()), &world.snapshot, commit_id, &known_before);
            known.extend(found);
        }
    }

    #[test]
    fn the_history_of_a_path_is_that_of_git_log_in_any_history_and_page(
        history in histories(),
        at in any::<prop::sample::Index>(),
        page in 1_usize..4,
        git in any::<prop::sample::Index>(),
    ) {
        let git = git.get::<PathBuf>(&GITS);
        let world = World::build(&history, git);
        prop_assume!(!world.commits.is_empty());
        let commit_id = *at.get(&world.commits);
        for path in ["a", "b", "d", "d/a", "d/e", "d/e/f/a", "g", "never"] {
            let expected = log(git, world.dir.path(), &[&commit_id.to_string(), "--", path]);
            let mut found = Vec::new();
            loop {
                let next = path_commits(&world.snapshot, commit_id, path, found.len(), page).unwrap();
                prop_assert!(next.commit_ids.len() <= page && (next.commit_ids.len() == page || !next.has_more));
                found.extend(next.commit_ids);
                if !next.has_more {
                    break;
                }
            }
            prop_assert_eq!(found, expected, "{} at {}", path, commit_id);
        }
        let expected = log(git, world.dir.path(), &[&commit_id.to_string()]);
        let listed = list_commits(&world.snapshot, commit_id, 0, 1_000).unwrap();
        let listed: Vec<ObjectId> = listed.commits.iter().map(|commit| commit.commit_id).collect();
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_folder_that_was_a_file_and_a_merge_that_changed_it_are_found() {
    let dir = new_repo();
    let path = dir.path();
    write(path, "x", b"a file");
    write(path, "same/deep/a", b"1");
    commit_all(path, "a file");
    git(path, &["rm", "-q", "x"]);
    write(path, "x/in/it", b"a folder");
    write(path, "x.y", b"sorts between");
    write(path, "模型 [1]/*", b"1");
    commit_all(path, "a folder");
    let first = rev(path, "HEAD");
    git(path, &["checkout", "-q", "-b", "side"]);
    write(path, "same/deep/b", b"side");
    commit_all(path, "side");
    git(path, &["checkout", "-q", "main"]);
    write(path, "same/deep/b", b"main");
    git(path, &["update-index", "--chmod=+x", "x.y"]);
    commit_all(path, "main");
    write(path, "same/deep/b", b"main and side");
    git(path, &["add", "-A"]);
    let tree = git(path, &["write-tree"]);
    let merge = git(path, &["commit-tree", "-p", "main", "-p", "side", "-m", "an evil merge", &tree]);
    git(path, &["reset", "-q", "--hard", &merge]);

    let opened = Opened::at(path);
    let at = last_commits(opened.snapshot(), oid(&merge), &["", "same/deep", "x/in"], &[]).unwrap();
    assert_eq!(at[0].of("x"), Some(first), "what was a file before is not the folder");
    assert_eq!(at[0].of("same"), Some(oid(&merge)));
    assert_eq!(at[1].of("b"), Some(oid(&merge)), "a merge that has what neither parent has");
    assert_eq!(at[2].of("it"), Some(first));
    assert_eq!(at[0].of("no"), None);
    assert_eq!(at[0].of("模型 [1]"), Some(first));
    for (folder, answers) in ["", "same/deep", "x/in"].iter().zip(&at) {
        for path in names(opened.snapshot(), oid(&merge), folder) {
            let args = ["--literal-pathspecs", "log", "-1", "--format=%H", &merge, "--", &path];
            let shown = git(dir.path(), &args);
            assert_eq!(answers.of(path.rsplit('/').next().unwrap()), Some(oid(&shown)), "{path}");
        }
    }
    let missing = last_commits(opened.snapshot(), oid(&merge), &["none"], &[]);
    assert!(matches!(missing, Err(Error::NotFound { .. })));
    let file = last_commits(opened.snapshot(), oid(&merge), &["x.y"], &[]);
    assert!(matches!(file, Err(Error::NotFound { .. })), "a file has no entries");
}

#[test]
fn a_commit_tells_who_wrote_it_when_and_why() {
    let mut hub = Hub::new();
    hub.commit(&[put("a", "1")]).unwrap();
    let first = hub.snapshot.find_ref("refs/heads/main").unwrap().oid;
    hub.commit(&[put("b", "1")]).unwrap();
    let second = hub.snapshot.find_ref("refs/heads/main").unwrap().oid;
    let info = commit_info(&hub.snapshot, second).unwrap();
    assert_eq!((info.author.as_str(), info.title(), info.body()), ("王 A", "Change", ""));
    assert_eq!((info.parents, info.time.0), (vec![first], 1_700_000_000_000));
    let page = list_commits(&hub.snapshot, second, 0, 1).unwrap();
    assert!(page.has_more && page.commits.len() == 1);
    let at = last_commits(&hub.snapshot, second, &[""], &[]).unwrap();
    assert_eq!((at[0].of("a"), at[0].of("b")), (Some(first), Some(second)));
}
