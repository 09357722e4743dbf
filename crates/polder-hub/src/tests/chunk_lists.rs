use std::fs;

use polder_blob::ListClaim;
use polder_types::{BlobId, Sha256};
use polder_xet::{Chunk, ChunkHash, ChunkList, Cut, FileHasher, ListHeader};

use super::large_objects::put;
use super::*;

/// Stores an object as a version did that knew no chunk lists.
async fn put_as_before(fixture: &Fixture, content: &[u8]) -> (BlobId, Sha256) {
    let hub = &fixture.hub;
    let (id, size_bytes) = (BlobId(hub.db.next_id()), u64::try_from(content.len()).expect("small"));
    let mut stage = hub.store.stage(size_bytes).expect("staged");
    stage.write(content).expect("written");
    let staged = stage.finish().expect("whole");
    let sha256 = *staged.sha256();
    staged.publish(id).expect("published");
    fs::remove_file(hub.store.list_path(id)).expect("removed");
    let repo = hub.live_repo(&repo("acme/open")).await.expect("there").id;
    hub.db.publish_blob(id, sha256, size_bytes.cast_signed(), repo, None).await.expect("recorded");
    (id, sha256)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_that_comes_has_its_chunk_list() {
    let fixture = fixture().await;
    let oid = put(&fixture, "acme/open", &vec![5; 300_000]).await.oid;
    let blob = fixture.hub.db.find_blob(&oid).await.expect("read").expect("there");
    let list =
        ChunkList::decode(&fs::read(fixture.hub.store.list_path(blob.id)).expect("a list")).expect("good");
    assert_eq!((Some(list.header.file_hash), list.header.sha256), (blob.xet, *oid.as_bytes()));
    assert_eq!(list.chunks.len(), 3);
    let report = fixture.hub.fsck(FsckOptions { deep: true }, silent()).await.expect("checked");
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn older_objects_get_their_lists_in_the_background_and_damaged_ones_are_marked() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let mut old = Vec::new();
    for n in 0..150_u8 {
        old.push(put_as_before(&fixture, &vec![n; 200_000]).await);
    }
    let (damaged, _) = put_as_before(&fixture, b"weights").await;
    let path = hub.store.blob_path(damaged);
    fs::remove_file(&path).expect("removed");
    fs::write(&path, b"weighty").expect("damaged");

    assert_eq!(hub.list_chunks_once().await.expect("listed"), 150);
    assert_eq!(hub.list_chunks_once().await.expect("listed"), 0, "nothing is left to do");
    for (id, sha256) in old {
        let blob = hub.db.find_blob(&sha256).await.expect("read").expect("there");
        let claim = ListClaim { sha256, size_bytes: 200_000, file_hash: blob.xet.expect("listed") };
        assert_eq!(hub.store.check_list(id, &claim, true).expect("read"), None);
    }
    assert_eq!(hub.db.damaged_blobs(10).await.expect("read").len(), 1);
    assert!(hub.store.open_list(damaged).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_lists_that_are_lost_or_wrong() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let oid = put(&fixture, "acme/open", &vec![5; 300_000]).await.oid;
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there");
    let path = hub.store.list_path(blob.id);
    let mut bytes = fs::read(&path).expect("read");
    bytes[100] ^= 1;
    fs::remove_file(&path).expect("removed");
    fs::write(&path, bytes).expect("damaged");
    for (deep, problems) in [(false, 0), (true, 1)] {
        let report = hub.fsck(FsckOptions { deep }, silent()).await.expect("checked");
        assert_eq!(report.problems.len(), problems, "{report:?}");
    }
    fs::remove_file(&path).expect("removed");
    let report = hub.fsck(FsckOptions::default(), silent()).await.expect("checked");
    assert!(report.problems[0].contains("has no chunk list"), "{report:?}");
    hub.lfs_open(&fixture.writer("acme/open").await.as_read(), oid).await.expect("its bytes are sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_known_to_be_damaged_is_not_served_until_someone_brings_it_again() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let oid = put(&fixture, "acme/open", b"weights").await.oid;
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there");
    let path = hub.store.blob_path(blob.id);
    fs::remove_file(&path).expect("removed");
    fs::write(&path, b"weighty").expect("damaged");
    let report = hub.fsck(FsckOptions { deep: true }, silent()).await.expect("checked");
    assert!(report.problems[0].contains("its bytes are"), "{report:?}");

    let read = fixture.writer("acme/open").await.as_read();
    assert_eq!(hub.lfs_open(&read, oid).await.expect_err("refused").kind(), Kind::Unavailable);
    let object = LfsObject { oid, size_bytes: 7 };
    let answer = hub.lfs_batch_download(&read, &[object]).await.expect("answered").remove(0);
    assert_eq!(answer.error.expect("refused").0, 503);
    let report = hub.fsck(FsckOptions::default(), silent()).await.expect("checked");
    assert!(report.problems[0].contains("is known to be damaged"), "{report:?}");

    put(&fixture, "acme/open", b"weights").await;
    hub.lfs_open(&read, oid).await.expect("it is sound again");
    let report = hub.fsck(FsckOptions { deep: true }, silent()).await.expect("checked");
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_what_is_restored_from_it_have_the_lists_as_they_were() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let (id, sha256) = put_as_before(&fixture, &vec![5; 200_000]).await;
    // Cut by another cutter: its list cannot be made again here.
    let quarter = Chunk { hash: ChunkHash::of(&vec![5; 50_000]), size_bytes: 50_000 };
    let mut file = FileHasher::default();
    for _ in 0..4 {
        file.push(quarter);
    }
    let header = ListHeader::of(file, *sha256.as_bytes()).expect("few");
    let list = ChunkList { header, chunks: vec![quarter; 4] };
    let outside = tempfile::NamedTempFile::new().expect("a file");
    fs::write(outside.path(), list.encode()).expect("written");
    let claim = ListClaim { sha256, size_bytes: 200_000, file_hash: list.header.file_hash };
    assert_eq!(hub.store.take_list(id, &claim, outside.as_file()).expect("taken"), None);
    let cut = Cut { file_hash: claim.file_hash, key_chunks: vec![list.chunks[0].hash] };
    hub.db.set_cut(id, cut).await.expect("recorded");

    let (backup, new) = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
    hub.backup(backup.path(), silent()).await.expect("made");
    let options = options_in(new.path(), Clock::Manual(Arc::clone(&fixture.millis)));
    restore(options.clone(), backup.path(), silent()).await.expect("restored");
    let restored = Hub::open(options).await.expect("opens");
    assert_eq!(fs::read(restored.store.list_path(id)).expect("read"), list.encode());
    let report = restored.fsck(FsckOptions { deep: true }, silent()).await.expect("checked");
    assert_eq!(report.problems, Vec::<String>::new());
}
