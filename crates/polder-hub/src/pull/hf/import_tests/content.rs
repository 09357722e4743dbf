//! What is there comes: files, commits, branches and tags.

use polder_git::{EntryKind, Snapshot};
use serde_json::json;

use super::super::evil::{blob, large, pointer, small};
use super::{A, B, C, MAIN, Place, is_tree, usual};
use crate::tests::transfer::sources::noise;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_without_git_shows_becomes_a_commit_and_nothing_new_is_two_requests() {
    let place = Place::new(&usual()).await;
    let report = place.pull().await.expect("imported");
    assert_eq!(report.refs, 1);
    let pointer = pointer(&noise(1, 3 << 20)).to_string();
    let at = |path: &str, kind, oid: String| (path.to_owned(), kind, oid);
    let files = place.files(MAIN).await;
    assert_eq!(files[0], at("README.md", EntryKind::File, blob(b"hello\n")));
    assert_eq!(files[1], at("empty", EntryKind::File, blob(b"")));
    assert_eq!(files[2].1, EntryKind::Directory);
    assert_eq!(files[3], at("tools/read.me", EntryKind::File, blob(b"hello\n")));
    assert_eq!(files[4], at("tools/run.sh", EntryKind::Executable, blob(b"#!/bin/sh\n")));
    assert_eq!(files[5], at("weights.bin", EntryKind::File, blob(pointer.as_bytes())));
    assert_eq!(files.len(), 6);
    let tip = place.tip(MAIN).await;
    assert_eq!(tip.title(), format!("Import of acme/m at {A}"));
    assert_eq!(tip.body(), format!("Source-Commit: {A}"));
    assert!(tip.parents.is_empty());
    // The same content comes once, and the empty file and the pointer not at all.
    let asked = place.evil.seen();
    assert_eq!(
        asked.iter().filter(|line| line.contains("GET") && line.contains("/tools/re")).count(),
        0,
        "{asked:?}"
    );

    let again = place.pull().await.expect("nothing");
    assert_eq!((again.refs, again.objects), (0, 0));
    assert_eq!(place.evil.seen(), ["GET /api/models/acme/m", "GET /api/models/acme/m/refs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_there_is_a_child_here_and_only_what_changed_comes() {
    let place = Place::new(&usual()).await;
    place.pull().await.expect("imported");
    let first = place.tip(MAIN).await.commit_id;
    place.evil.seen();
    let mut files = usual();
    files.retain(|(path, _)| *path != "tools/run.sh" && *path != "empty");
    files[0].1 = small("changed\n");
    files.push(("more.bin", large(noise(2, 1 << 20))));
    // A folder where a file was.
    files.push(("empty/not", small("more\n")));
    place.evil.set(MAIN, B, &files);
    place.pull().await.expect("imported");
    let tip = place.tip(MAIN).await;
    assert_eq!(tip.parents, [first]);
    let paths: Vec<String> = place.files(MAIN).await.into_iter().map(|(path, ..)| path).collect();
    assert_eq!(
        paths,
        ["README.md", "empty", "empty/not", "more.bin", "tools", "tools/read.me", "weights.bin"]
    );
    let asked = place.evil.seen();
    let mut fetched: Vec<&str> =
        asked.iter().filter_map(|line| line.split(B).nth(1)?.strip_prefix('/')).collect();
    fetched.retain(|path| !path.is_empty());
    fetched.sort_unstable();
    fetched.dedup();
    assert_eq!(fetched, ["README.md", "empty/not", "more.bin"], "{asked:?}");

    // Another commit with the same files, and one without any.
    place.evil.set(MAIN, C, &files);
    place.pull().await.expect("imported");
    assert_eq!(place.tip(MAIN).await.parents, [tip.commit_id]);
    place.evil.seen();
    place.pull().await.expect("nothing");
    assert_eq!(place.evil.seen().len(), 2);
    place.evil.set(MAIN, &A.replace('a', "d"), &[]);
    place.pull().await.expect("imported");
    assert_eq!(place.files(MAIN).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_and_tags_come_move_and_go_and_one_revision_is_one() {
    let place = Place::new(&[("a", small("main\n"))]).await;
    place.evil.set("refs/heads/dev", B, &[("a", small("dev\n"))]);
    place.evil.set("refs/tags/v1", A, &[("a", small("main\n"))]);
    place.pull().await.expect("imported");
    let snapshot = place.snapshot().await;
    let oid = |snapshot: &Snapshot, at: &str| snapshot.find_ref(at).map(|r| r.oid);
    assert_eq!(snapshot.head(), MAIN);
    assert_eq!(oid(&snapshot, "refs/tags/v1"), oid(&snapshot, MAIN));
    assert_ne!(oid(&snapshot, "refs/heads/dev"), oid(&snapshot, MAIN));

    place.evil.set("refs/tags/v1", B, &[("a", small("dev\n"))]);
    place.evil.drop_ref("refs/heads/dev");
    place.pull_as("acme/m", true).await.expect("imported");
    let after = place.snapshot().await;
    assert_eq!(oid(&after, "refs/tags/v1"), oid(&snapshot, "refs/heads/dev"));
    assert_eq!(oid(&after, "refs/heads/dev"), None);
    // The moved tag and the deleted branch are kept, as from git.
    assert_eq!(after.refs().iter().filter(|r| r.name.starts_with("refs/polder/kept/")).count(), 2);

    // Of a server that tells no refs, the default branch.
    place.evil.tell_no_refs();
    place.evil.set(MAIN, C, &[("a", small("third\n"))]);
    place.pull().await.expect("imported");
    assert_eq!(place.tip(MAIN).await.body(), format!("Source-Commit: {C}"));
    assert!(place.snapshot().await.find_ref("refs/tags/v1").is_some());
    place.pull_as(&format!("acme/m@{A}"), false).await.expect("imported");
    assert_eq!(place.tip(MAIN).await.body(), format!("Source-Commit: {A}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_modes_nothing_explains_comes_with_a_warning() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|asked, said| {
        if !is_tree(asked) {
            return said;
        }
        said.changed(|page| {
            for entry in page.as_array_mut().expect("a list") {
                if entry["type"] == "directory" {
                    entry["oid"] = json!(A);
                }
            }
        })
    });
    place.pull().await.expect("imported");
    let heard = place.heard.lock().expect("lock").join("\n");
    assert!(heard.contains("which files of `tools` may be run"), "{heard}");
}
