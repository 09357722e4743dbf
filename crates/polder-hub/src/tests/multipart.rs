use super::*;

use std::sync::atomic::Ordering;

use polder_types::{Sha256, UnixMillis};
use sha2::Digest as _;

const MIB: usize = 1 << 20;

/// An object of two parts, offered to the hub: its links without the path.
struct Offer {
    oid: Sha256,
    bytes: Vec<u8>,
    complete: String,
    parts: Vec<String>,
}

async fn offer(fixture: &Fixture, seed: u8) -> Offer {
    let bytes = vec![seed; MIB + 1];
    let oid = Sha256::new(sha2::Sha256::digest(&bytes).into());
    let object = LfsObject { oid, size_bytes: u64::try_from(bytes.len()).expect("small") };
    let grant = fixture.writer("acme/open").await;
    assert_eq!(fixture.hub.lfs_transfer(["basic", "multipart"], &[object]), LfsTransfer::Multipart);
    let answers =
        fixture.hub.lfs_batch_upload(&grant, &[object], LfsTransfer::Multipart).await.expect("answered");
    let query = |path: &str| path.split_once('?').expect("a query").1.to_owned();
    let parts = answers[0].parts.as_ref().expect("parts");
    Offer {
        oid,
        bytes,
        complete: query(&answers[0].action.as_ref().expect("an action").path_and_query),
        parts: parts.paths_and_queries.iter().map(|path| query(path)).collect(),
    }
}

async fn put(fixture: &Fixture, offer: &Offer, number: usize) -> Result<String> {
    let part = offer.bytes.chunks(MIB).nth(number - 1).expect("a part");
    let length = u64::try_from(part.len()).expect("small");
    let query = &offer.parts[number - 1];
    let number = u64::try_from(number).expect("small");
    fixture.hub.lfs_upload_part(&repo("acme/open"), offer.oid, number, query, length, body(&[part])).await
}

fn pass_seconds(fixture: &Fixture, seconds: i64) {
    fixture.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_to_parts_work_while_parts_keep_coming() {
    let fixture = fixture().await;
    let (slow, dead) = (offer(&fixture, 1).await, offer(&fixture, 2).await);
    put(&fixture, &dead, 1).await.expect("taken");
    let mut tags = Vec::new();
    for number in [1, 2] {
        tags.push((
            u64::try_from(number).expect("small"),
            put(&fixture, &slow, number).await.expect("taken"),
        ));
        pass_seconds(&fixture, 800);
    }
    // 1,600 seconds after the links were made.
    assert_eq!(put(&fixture, &dead, 2).await.expect_err("idle").kind(), Kind::Forbidden);
    let name = repo("acme/open");
    fixture.hub.lfs_complete(&name, slow.oid, &slow.complete, &tags).await.expect("completed");
    let late = fixture.hub.lfs_complete(&name, dead.oid, &dead.complete, &tags).await;
    assert_eq!(late.expect_err("idle").kind(), Kind::Forbidden);
}

/// A42: uploads that are begun and never finished. An hour after the last sign of life, the next round of
/// upkeep (one an hour) leaves nothing of them: no row, no byte.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_upload_is_gone_within_hours() {
    let fixture = fixture().await;
    let begun = offer(&fixture, 3).await;
    put(&fixture, &begun, 1).await.expect("taken");
    assert_eq!(fixture.hub.store.uploads().expect("listed").len(), 1);
    pass_seconds(&fixture, 3_500);
    fixture.hub.upkeep_once().await.expect("upkeep");
    assert_eq!(fixture.hub.store.uploads().expect("listed").len(), 1, "not yet");
    pass_seconds(&fixture, 200);
    fixture.hub.upkeep_once().await.expect("upkeep");
    assert!(fixture.hub.store.uploads().expect("listed").is_empty());
    let idle = fixture.hub.db.idle_uploads(UnixMillis(i64::MAX), 10).await.expect("rows");
    assert!(idle.is_empty());
    assert_eq!(put(&fixture, &begun, 1).await.expect_err("gone").kind(), Kind::Forbidden);

    // A repository that is deleted takes the rows along; the files follow at once.
    let begun = offer(&fixture, 4).await;
    put(&fixture, &begun, 1).await.expect("taken");
    fixture.hub.delete_repo(&repo("acme/open")).await.expect("deleted");
    fixture.hub.upkeep_once().await.expect("upkeep");
    assert!(fixture.hub.store.uploads().expect("listed").is_empty());
}
