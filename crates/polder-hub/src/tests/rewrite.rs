use polder_types::{LfsPointer, ObjectId};

use super::content::change;
use super::large_objects::put;
use super::*;

/// A change that puts a large object somewhere.
async fn placed(fixture: &Fixture, path: &str, bytes: &[u8]) -> (LfsObject, Change) {
    let object = put(fixture, "acme/open", bytes).await;
    let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
    (object, Change::WritePointer { path: path.to_owned(), pointer })
}

fn on(branch: &str, message: &str, changes: Vec<Change>) -> CommitRequest {
    CommitRequest { branch: branch.to_owned(), ..change(message, changes) }
}

async fn tip(hub: &Hub, grant: &Grant<Read>, name: &str) -> ObjectId {
    hub.resolve_revision(grant, name).await.expect(name)
}

async fn paths(hub: &Hub, grant: &Grant<Read>, name: &str) -> Vec<String> {
    let page = hub.list_tree(grant, tip(hub, grant, name).await, "", true, None, 100).await.expect(name);
    page.entries.into_iter().map(|entry| entry.path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_that_go_are_taken_out_of_every_branch_tag_and_pull_request_at_once() {
    let fixture = fixture().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await);
    let read = alice.as_read();
    let first = hub.commit(&alice, on("main", "before", vec![write("a", "x")])).await.expect("committed");
    let (gone, add) = placed(&fixture, "w.bin", b"gone").await;
    let (kept, add_other) = placed(&fixture, "kept.bin", b"kept").await;
    hub.create_branch(&alice, "untouched", &first.to_string()).await.expect("made");
    hub.commit(&alice, on("main", "add", vec![add.clone(), add_other])).await.expect("committed");
    hub.create_tag(&alice, "v1", "main", Some("the first")).await.expect("made");
    let mut pulls = Vec::new();
    for title in ["merged", "open"] {
        let num = hub.open_pull(&alice.as_contributor(), title, "text").await.expect("opened");
        let name = format!("refs/pr/{num}");
        hub.commit(&alice, on(&name, title, vec![write(title, "x")])).await.expect("committed");
        pulls.push((num, name));
    }
    hub.merge_pull(&alice, pulls[0].0, None).await.expect("merged");
    hub.commit(&alice, on("main", "delete", vec![Change::Delete { path: "w.bin".to_owned() }]))
        .await
        .expect("committed");

    let refused = hub.delete_lfs_files(&alice, vec![gone.oid], false).await.expect_err("still reached");
    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(hub.delete_lfs_files(&alice, vec![gone.oid], true).await.expect("deleted"), 1);
    for name in ["main", "v1", &pulls[0].1, &pulls[1].1] {
        let left = paths(hub, &read, name).await;
        assert!(
            left.contains(&"kept.bin".to_owned()) && !left.contains(&"w.bin".to_owned()),
            "{name}: {left:?}"
        );
    }
    assert_eq!(tip(hub, &read, "untouched").await, first);
    let log = hub.list_commits(&read, tip(hub, &read, "main").await, 0, 100).await.expect("read");
    let titles: Vec<&str> = log.commits.iter().map(polder_git::CommitInfo::title).collect();
    assert_eq!(titles, ["delete", "merged", "add", "before"]);
    assert_eq!(hub.lfs_open(&read, gone.oid).await.expect_err("gone").kind(), Kind::NotFound);
    hub.lfs_open(&read, kept.oid).await.expect("here");
    // What is open goes on: it is merged as it would have been.
    hub.merge_pull(&alice, pulls[1].0, None).await.expect("merged");
    assert_eq!(hub.fsck(FsckOptions { deep: true }, silent()).await.expect("checked").problems.len(), 0);
    assert_eq!(hub.delete_lfs_files(&alice, vec![gone.oid], true).await.expect("nothing to do"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_may_not_be_forced_keeps_its_history_and_everything_else_does_too() {
    let fixture = fixture().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await);
    let (object, add) = placed(&fixture, "w.bin", b"weights").await;
    let first = hub.commit(&alice, on("main", "add", vec![add])).await.expect("committed");
    hub.create_branch(&alice, "other", "main").await.expect("made");
    let rule = ProtectionRule {
        pattern: "main".to_owned(),
        allow_force: false,
        allow_delete: false,
        push_role: Some(Role::Write),
        push_accounts: Vec::new(),
    };
    hub.protect(&repo("acme/open"), rule).await.expect("protected");
    let refused = hub.delete_lfs_files(&alice, vec![object.oid], true).await.expect_err("protected");
    assert_eq!(refused.kind(), Kind::Forbidden, "{refused}");
    for name in ["main", "other"] {
        assert_eq!(tip(hub, &alice.as_read(), name).await, first, "{name}");
    }
    hub.lfs_open(&alice.as_read(), object.oid).await.expect("here");
}
