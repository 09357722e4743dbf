use std::sync::atomic::Ordering;

use polder_types::ObjectId;

use super::moves::{move_refs, moved};
use super::*;

async fn commit(fixture: &Fixture, grant: &Grant<Write>, content: &str) -> ObjectId {
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write("a", content)],
        author: signature(),
        message: content.to_owned(),
    };
    fixture.hub.commit(grant, request).await.expect("committed")
}

/// Moves a ref as a push would.
async fn set(
    fixture: &Fixture,
    grant: &Grant<Write>,
    name: &str,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
) {
    assert!(move_refs(&fixture.hub, grant.repo_id(), vec![moved(name, old, new)]).await);
}

/// Whether a fetch of exactly this object brings a pack.
async fn can_fetch(fixture: &Fixture, grant: &Grant<Write>, want: ObjectId) -> bool {
    let want = format!("want {want}\n");
    let lines =
        ["0012command=fetch\n", "0001", &format!("{:04x}{want}", want.len() + 4), "0009done\n", "0000"];
    let request = body(&lines.map(str::as_bytes));
    let read = grant.as_read();
    let answer = fixture.hub.upload_pack(&read, Protocol::V2, request, BodyEncoding::Identity).await;
    let mut stream = answer.expect("an answer");
    let mut text = Vec::new();
    while let Some(chunk) = stream.recv().await {
        text.extend_from_slice(&chunk.expect("whole"));
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(text.contains("PACK"), !text.contains("not our ref"), "{text}");
    text.contains("PACK")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_that_was_replaced_can_be_fetched_for_ten_minutes() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    let pass = |seconds: i64| fixture.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
    let first = commit(&fixture, &grant, "one").await;
    let second = commit(&fixture, &grant, "two").await;
    set(&fixture, &grant, "refs/heads/main", Some(second), Some(first)).await;
    assert!(can_fetch(&fixture, &grant, second).await, "just replaced");
    pass(599);
    assert!(can_fetch(&fixture, &grant, second).await, "9:59 ago");
    pass(2);
    assert!(!can_fetch(&fixture, &grant, second).await, "10:01 ago");
    assert!(can_fetch(&fixture, &grant, first).await, "still a tip");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hidden_or_deleted_ref_was_cannot_be_fetched() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    let first = commit(&fixture, &grant, "one").await;
    let second = commit(&fixture, &grant, "two").await;
    let third = commit(&fixture, &grant, "three").await;
    set(&fixture, &grant, "refs/heads/topic", None, Some(third)).await;
    set(&fixture, &grant, "refs/polder/keep", None, Some(second)).await;
    set(&fixture, &grant, "refs/polder/keep", Some(second), Some(first)).await;
    fixture.millis.fetch_add(700_000, Ordering::Relaxed);
    set(&fixture, &grant, "refs/heads/main", Some(third), Some(first)).await;
    fixture.millis.fetch_add(700_000, Ordering::Relaxed);
    set(&fixture, &grant, "refs/heads/topic", Some(third), None).await;
    set(&fixture, &grant, "refs/polder/keep", Some(first), Some(third)).await;
    set(&fixture, &grant, "refs/polder/keep", Some(third), Some(second)).await;
    assert!(!can_fetch(&fixture, &grant, third).await, "the deleted and the hidden ref's");
    assert!(!can_fetch(&fixture, &grant, second).await, "the hidden ref's");
    assert!(can_fetch(&fixture, &grant, first).await);
}
