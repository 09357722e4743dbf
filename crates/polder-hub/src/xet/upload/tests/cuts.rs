//! Files that are cut otherwise than this hub cuts.

use std::sync::Arc;

use super::*;
use crate::tests::xet::{fetch, list_of};

/// Bytes, cut into pieces of that length.
fn cut_into(bytes: &[u8], length: usize) -> Made {
    Made::of(&bytes.chunks(length).collect::<Vec<_>>())
}

fn whole(xorb: &Made) -> Said {
    Said::of(&[(xorb, xorb.all())])
}

async fn upload(hub: &Hub, grant: &Grant<Write>, xorb: &Made) -> Said {
    send(hub, grant, xorb).await.expect("taken");
    accept(hub, grant, &shard(&[whole(xorb)], std::slice::from_ref(xorb))).await.expect("accepted");
    whole(xorb)
}

/// Writes other bytes over a file, which is read-only.
fn alter(path: &std::path::Path, at: usize, bytes: &[u8]) {
    let mut altered = std::fs::read(path).expect("read");
    altered[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::remove_file(path).expect("removed");
    std::fs::write(path, altered).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_by_the_cut_of_who_sent_it() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let bytes = noise(1, 700_000);
    let odd = cut_into(&bytes, 30_011);
    let file = upload(hub, &grant, &odd).await;
    let oid = file.sha256.expect("said");
    assert_ne!(file.hash, whole(&Made::cut(&bytes)).hash);
    assert_eq!(hub.xet_hashes(&grant.as_read(), &[oid]).await.expect("read")[&oid], file.hash);
    let list = list_of(hub, oid).await;
    assert_eq!((list.header.file_hash, &list.chunks), (file.hash, &odd.chunks));
    assert!(read(hub, &grant, oid).await.expect("linked") == bytes);
    for range in [0..700_000, 5..29_999, 30_000..30_012, 600_000..700_000] {
        let at = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(fetch(hub, &grant.as_read(), file.hash, range).await == bytes[at]);
    }
    let report = hub.fsck(FsckOptions { deep: true }, Arc::new(|_| {})).await.expect("checked");
    assert_eq!(report.problems, Vec::<String>::new());
    // It is known under that hash, and needs no bytes again.
    accept(hub, &grant, &shard(std::slice::from_ref(&file), &[])).await.expect("accepted");
    assert_eq!(stored(hub), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_cut_in_two_ways_are_one_object_with_the_first_cut() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let bytes = noise(2, 400_000);
    let (first, second) = (cut_into(&bytes, 50_000), Made::cut(&bytes));
    let file = upload(hub, &grant, &first).await;
    let again = upload(hub, &grant, &second).await;
    let oid = again.sha256.expect("said");
    assert_eq!(hub.xet_hashes(&grant.as_read(), &[oid]).await.expect("read")[&oid], file.hash);
    assert_eq!(stored(hub), (2, 0));
    // Clients ask by the hash that they are told. Another cut's names no file, and its shard is proven anew.
    let unknown = hub.xet_file(&grant.as_read(), again.hash).await.expect_err("not told of");
    assert_eq!(unknown.kind(), Kind::NotFound);
    accept(hub, &grant, &shard(std::slice::from_ref(&again), &[])).await.expect("accepted");
    assert_eq!(stored(hub), (2, 0));
    // The chunks of both are in it.
    let mixed = Said::of(&[(&first, 1..3), (&second, 1..4), (&first, 0..1)]);
    accept(hub, &grant, &shard(std::slice::from_ref(&mixed), &[])).await.expect("accepted");
    assert!(read(hub, &grant, mixed.sha256.expect("said")).await.expect("linked") == mixed.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_that_comes_again_may_be_cut_otherwise() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let bytes = noise(3, 500_000);
    let (old, new) = (cut_into(&bytes, 60_000), Made::cut(&bytes));
    let oid = upload(hub, &grant, &old).await.sha256.expect("said");
    let damaged = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    hub.db.mark_damaged_blob(damaged).await.expect("marked");
    let file = upload(hub, &grant, &new).await;
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there");
    assert_eq!((blob.xet, blob.damaged), (Some(file.hash), false));
    assert!(fetch(hub, &grant.as_read(), file.hash, 0..500_000).await == bytes);

    // What was known of the old cut holds no more; nothing is made of chunks that lie elsewhere now.
    let part = Said::of(&[(&old, 1..3)]);
    let refused = accept(hub, &grant, &shard(std::slice::from_ref(&part), &[])).await;
    assert_eq!(refused.expect_err("not known any more").kind(), Kind::Invalid);
    send(hub, &grant, &old).await.expect("taken");
    accept(hub, &grant, &shard(std::slice::from_ref(&part), &[])).await.expect("accepted");
    assert!(read(hub, &grant, part.sha256.expect("said")).await.expect("linked") == part.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_changed_after_they_were_proven_become_no_object() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    // Of an xorb that waits: its sender's SHA-256 shows it, or, where there is none, the chunks.
    let waiting = Made::cut(&noise(4, 300_000));
    send(hub, &grant, &waiting).await.expect("taken");
    let (id, _) = hub.store.staged_xorbs().expect("listed")[0];
    alter(&hub.data_dir.join("store/xorbs").join(format!("{:016x}", id.0)), 200_000, b"rot");
    let said = whole(&waiting);
    for sha256 in [said.sha256, None] {
        let before = memory::memory(hub, &grant).await;
        fixture.pass_seconds(1);
        let file = Said { sha256, ..said.clone() };
        let refused = accept(hub, &grant, &shard(&[file], &[])).await.expect_err("rotten");
        assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
        assert_eq!(stored(hub).0, 0);
        assert_ne!(memory::memory(hub, &grant).await, before, "what is known to be rotten is sent again");
    }
    // What is sent again takes its place.
    send(hub, &grant, &waiting).await.expect("taken");
    assert_eq!(hub.store.staged_xorbs().expect("listed").iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id]);
    accept(hub, &grant, &shard(std::slice::from_ref(&said), &[])).await.expect("accepted");
    assert!(read(hub, &grant, said.sha256.expect("said")).await.expect("linked") == said.bytes);
    let before = stored(hub).0;
    // Of an object, even if who sends the shard knows what the bytes are by now.
    let sound = Made::cut(&noise(5, 300_000));
    let oid = upload(hub, &grant, &sound).await.sha256.expect("said");
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    alter(&hub.store.blob_path(blob), 10, b"rot");
    let mut file = Said::of(&[(&sound, 0..2)]);
    file.bytes[10..13].copy_from_slice(b"rot");
    file.sha256 = Some(sha256(&file.bytes));
    let refused = accept(hub, &grant, &shard(&[file], &[])).await.expect_err("rotten");
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
    assert_eq!(stored(hub).0, before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_must_not_be_linked_keeps_the_others_from_it() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[b"first", b"second", b"third"]);
    send(hub, &grant, &xorb).await.expect("taken");
    let files = [0..1, 1..2, 2..3].map(|run| Said::of(&[(&xorb, run)]));
    let [first, second, third] = [0, 1, 2].map(|at: usize| files[at].sha256.expect("said"));
    let reserved = async || hub.list_quotas(None).await.expect("known").remove(0).reserved_bytes;
    let before = reserved().await;
    hub.block(&BlockTarget::Object(second), "a test").await.expect("blocked");
    let all = shard(&files, std::slice::from_ref(&xorb));
    accept(hub, &grant, &all).await.expect_err("one of them is blocked");
    assert_eq!(hub.db.linked_blobs(grant.repo_id(), &[first, second, third]).await.expect("read"), []);
    assert_eq!(stored(hub), (0, 1), "the xorb waits on");
    assert_eq!(reserved().await, before);
    hub.unblock(&BlockTarget::Object(second)).await.expect("let go");
    accept(hub, &grant, &all).await.expect("accepted");
    assert_eq!(hub.db.linked_blobs(grant.repo_id(), &[first, second, third]).await.expect("read").len(), 3);
    assert_eq!(stored(hub), (6, 0));
}
