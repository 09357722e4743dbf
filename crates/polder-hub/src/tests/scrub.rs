//! Bits that flip on the disk: found, kept from everyone, repaired from another hub.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use polder_types::Sha256;
use polder_xet::Extent;

use super::large_objects::put;
use super::*;

/// Another hub in this process, as a source.
struct Neighbour(Hub);

fn told(error: &Error) -> SourceError {
    match error.kind() {
        Kind::NotFound => SourceError::Missing,
        _ => SourceError::Failed(error.to_string()),
    }
}

impl Neighbour {
    async fn places(&self, oid: Sha256, places: Vec<Extent>) -> std::result::Result<BodyStream, SourceError> {
        let bytes = self.0.public_extents(oid, &Extent::encode_all(&places)).await.map_err(|e| told(&e))?;
        Ok(body(&[&bytes]))
    }
}

impl ObjectSource for Neighbour {
    fn name(&self) -> &'static str {
        "neighbour"
    }

    fn chunks(&self, oid: Sha256, from: u32) -> SourceFuture<'_, Bytes> {
        Box::pin(async move { self.0.public_chunks(oid, from, 1000).await.map_err(|error| told(&error)) })
    }

    fn range(&self, oid: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        Box::pin(self.places(oid, vec![place]))
    }

    fn extents(&self, oid: Sha256, places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        Box::pin(self.places(oid, places))
    }
}

/// Repairs everything from a hub; says how much.
async fn repair_from(hub: &Hub, theirs: &Hub) -> usize {
    let damaged = hub.db.damaged_blobs(1_000).await.expect("read");
    for blob in &damaged {
        let repo = hub.db.blob_repos(&blob.sha256, 1).await.expect("read")[0];
        hub.repair(blob, repo, vec![Arc::new(Neighbour(theirs.clone()))]).await.expect("repaired");
    }
    damaged.len()
}

pub(crate) fn flip_a_bit(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).expect("read");
    let at = bit % (bytes.len() * 8);
    bytes[at / 8] ^= 1 << (at % 8);
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("writable");
    fs::write(path, bytes).expect("written");
}

fn content(n: u32) -> Vec<u8> {
    let mut state = n;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(200_000 + usize::try_from(n).expect("small") * 1_000).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_flipped_bits_in_a_hundred_files_are_all_found_and_all_repaired() {
    let (ours, theirs) = (fixture().await, fixture().await);
    let (hub, mut oids) = (&ours.hub, Vec::new());
    for n in 0..120 {
        oids.push(put(&ours, "acme/open", &content(n)).await.oid);
        put(&theirs, "acme/open", &content(n)).await;
    }
    let mut damaged = HashSet::new();
    for (n, oid) in oids.iter().enumerate().take(100) {
        let blob = hub.db.find_blob(oid).await.expect("read").expect("there");
        flip_a_bit(&hub.store.blob_path(blob.id), n * 104_729);
        damaged.insert(*oid);
    }
    let report = hub.scrub_once(None).await.expect("scrubbed");
    assert_eq!((report.blobs, report.damaged_blobs, report.is_whole), (120, 100, true));
    let found: HashSet<Sha256> =
        hub.db.damaged_blobs(1000).await.expect("read").into_iter().map(|blob| blob.sha256).collect();
    assert_eq!(found, damaged);

    let read = ours.writer("acme/open").await.as_read();
    for (n, oid) in oids.iter().enumerate() {
        let opened = hub.lfs_open(&read, *oid).await;
        assert_eq!(opened.is_err(), n < 100);
        assert_eq!(hub.public_object(*oid).await.is_err(), n < 100);
    }
    let report = hub.fsck(FsckOptions::default(), Arc::new(|_| {})).await.expect("checked");
    assert_eq!(report.problems.iter().filter(|line| line.contains("waits for repair")).count(), 100);

    assert_eq!(hub.repair_once().await.expect("tried"), 0, "nobody is known to have them");
    assert_eq!(repair_from(hub, &theirs.hub).await, 100);
    for (n, oid) in (0..).zip(&oids) {
        let open = hub.lfs_open(&read, *oid).await.expect("served again");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut open.file.as_ref(), &mut bytes).expect("read");
        assert!(bytes == content(n));
    }
    let report = hub.fsck(FsckOptions { deep: true }, Arc::new(|_| {})).await.expect("checked");
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_fetches_only_the_chunks_that_are_damaged() {
    let (ours, theirs) = (fixture().await, fixture().await);
    let content: Vec<u8> = (0..20).flat_map(content).collect();
    let oid = put(&ours, "acme/open", &content).await.oid;
    put(&theirs, "acme/open", &content).await;
    let blob = ours.hub.db.find_blob(&oid).await.expect("read").expect("there");
    flip_a_bit(&ours.hub.store.blob_path(blob.id), 12_345_678);
    ours.hub.scrub_once(None).await.expect("scrubbed");
    let open = ours.hub.live_repo(&repo("acme/open")).await.expect("there").id;
    let size_bytes = u64::try_from(content.len()).expect("small");
    let wanted = Wanted { repo: open, oid, size_bytes, xet: blob.xet, upstream: 0 };
    let sources: Vec<Arc<dyn ObjectSource>> = vec![Arc::new(Neighbour(theirs.hub.clone()))];
    let fetched = ours.hub.fetch_object(wanted, sources, TransferOptions::default()).await.expect("repaired");
    assert!(fetched.fetched_bytes < 150_000, "{fetched:?} of {size_bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_objects_lost_lists_and_damaged_packs_are_found_too() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let lost = put(&fixture, "acme/open", &content(1)).await.oid;
    let unlisted = put(&fixture, "acme/open", &content(2)).await.oid;
    let path = async |oid| hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    fs::remove_file(hub.store.blob_path(path(lost).await)).expect("removed");
    let beside = hub.store.list_path(path(unlisted).await);
    let good = fs::read(&beside).expect("read");
    fs::remove_file(&beside).expect("removed");

    let grant = fixture.writer("acme/open").await;
    let noise: String = content(9).into_iter().map(|byte| char::from(b'0' + byte % 64)).collect();
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write("noise.txt", &noise)],
        author: signature(),
        message: "begin".to_owned(),
    };
    hub.commit(&grant, request).await.expect("committed");
    let state = hub.db.load_repo_state(grant.repo_id()).await.expect("read").expect("there");
    let (pack, _) = hub.store.pack_paths(state.packs[0].id);
    flip_a_bit(&pack, 300_000);

    let report = hub.scrub_once(None).await.expect("scrubbed");
    assert_eq!((report.damaged_blobs, report.damaged_packs), (1, 1), "{report:?}");
    assert_eq!(fs::read(&beside).expect("made again"), good);
    let report = hub.fsck(FsckOptions::default(), Arc::new(|_| {})).await.expect("checked");
    let named = |what: &str| report.problems.iter().any(|line| line.contains(what));
    assert!(named(&lost.to_string()) && named(&format!("pack {}", state.packs[0].id)), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_goes_on_where_it_was_and_the_next_begins_when_its_time_has_come() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    put(&fixture, "acme/open", b"weights").await;
    assert_eq!(hub.scrub_once(None).await.expect("scrubbed").blobs, 1);
    put(&fixture, "acme/open", b"later").await;
    assert_eq!(hub.scrub_once(None).await.expect("scrubbed").blobs, 0, "this pass is over");
    let month = 30 * 24 * 3600 * 1000;
    fixture.millis.fetch_add(month, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(hub.scrub_once(None).await.expect("scrubbed").blobs, 2);
    // As a pass leaves its place that was ended after the first object.
    let first = hub.db.list_blobs(None, 1).await.expect("rows")[0].id;
    let place = format!(
        r#"{{"began":{START},"blob":{},"blobs_done":false,"repo":null,"repos_done":false}}"#,
        first.0
    );
    hub.db.set_meta("scrub", &place).await.expect("set");
    assert_eq!(hub.scrub_once(None).await.expect("scrubbed").blobs, 1);
}
