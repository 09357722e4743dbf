use std::collections::HashSet;

use polder_types::LfsPointer;
use polder_xet::{Chunk, ChunkList, DedupShard, FileHash, Run, XorbReader};

use super::content::change;
use super::*;

fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

pub(crate) async fn list_of(hub: &Hub, oid: polder_types::Sha256) -> ChunkList {
    ChunkList::decode(&hub.public_chunks(oid, 0, u32::MAX).await.expect("a list")).expect("good")
}

async fn collect(mut stream: ByteStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.recv().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

/// Bytes of a file as a client puts them together.
pub(crate) async fn fetch(
    hub: &Hub,
    grant: &Grant<Read>,
    file: FileHash,
    bytes: std::ops::Range<u64>,
) -> Vec<u8> {
    let found = hub.xet_file(grant, file).await.expect("there");
    let answer = hub.xet_terms(grant, &found, bytes.clone()).await.expect("terms");
    let mut content = Vec::new();
    for term in answer.terms {
        let data = hub.xet_data(term.xorb, &term.query).await.expect("a link");
        assert_eq!(data.allowed(), term.bytes);
        let is_whole = term.bytes == (0..data.size_bytes());
        let body = collect(data.stream(term.bytes)).await.expect("bytes");
        let (mut reader, mut seen, before) = (XorbReader::default(), Vec::<Chunk>::new(), content.len());
        reader
            .push(&body, &mut |bytes, chunk| {
                content.extend_from_slice(bytes);
                seen.push(chunk);
            })
            .expect("an xorb");
        assert_eq!(u64::try_from(seen.len()).unwrap(), term.chunks.end - term.chunks.start);
        assert_eq!(u64::try_from(content.len() - before).unwrap(), term.size_bytes);
        if is_whole {
            reader.finish_as(term.xorb).expect("the xorb that it says");
        }
    }
    let skip = usize::try_from(answer.skip_bytes).unwrap();
    let wanted = usize::try_from(bytes.end - bytes.start).unwrap();
    content.drain(..skip);
    content.truncate(wanted);
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn every_range_of_a_file_comes_as_chunks_of_true_xorbs() {
    let fixture = fixture().await;
    // Two runs: more than 64 MiB.
    let content = noise(1, 70 << 20);
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let (hub, list) = (&fixture.hub, list_of(&fixture.hub, oid).await);
    let grant = fixture.writer("acme/open").await.as_read();
    let file = list.header.file_hash;
    assert_eq!(hub.xet_hashes(&grant, &[oid]).await.expect("read").get(&oid), Some(&file));
    let (size, chunk) = (list.header.size_bytes, u64::from(list.chunks[0].size_bytes));
    for _ in 0..2 {
        for bytes in
            [0..size, 0..1, chunk - 1..chunk + 1, chunk..chunk + 1, 64 << 20..(64 << 20) + 9, size - 1..size]
        {
            let at = |at: u64| usize::try_from(at).unwrap();
            let got = fetch(hub, &grant, file, bytes.clone()).await;
            assert!(got == content[at(bytes.start)..at(bytes.end)], "{bytes:?}");
        }
    }
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    let runs: Vec<Run> = hub.db.runs_of_blob(blob, 0..size).await.expect("rows");
    assert_eq!(runs.iter().map(|run| run.size_bytes).sum::<u64>(), size);
    assert!(runs.len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_hour_and_with_what_it_was_made_from() {
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(2, 300_000));
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let file = list_of(hub, oid).await.header.file_hash;
    let grant = fixture.writer("acme/open").await.as_read();
    let found = hub.xet_file(&grant, file).await.expect("there");
    let answer = hub.xet_terms(&grant, &found, 0..300_000).await.expect("terms");
    let term = &answer.terms[0];
    let refused =
        async || hub.xet_data(term.xorb, &term.query).await.map(|_| ()).map_err(|error| error.kind());
    assert_eq!(refused().await, Ok(()));
    fixture.millis.fetch_add(3_599_999, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(refused().await, Ok(()));
    fixture.millis.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(refused().await, Err(Kind::Forbidden));
    fixture.millis.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    hub.db.withhold_repo(grant.repo_id(), Some("takedown".to_owned())).await.expect("withheld");
    assert_eq!(refused().await, Err(Kind::Forbidden));
    hub.db.withhold_repo(grant.repo_id(), None).await.expect("shown");
    assert_eq!(refused().await, Ok(()));
    hub.delete_repo(&repo("acme/open")).await.expect("deleted");
    assert_eq!(refused().await, Err(Kind::Forbidden));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_repository_is_as_one_that_is_not_here() {
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(3, 200_000));
    let oid = put(&fixture, "acme/closed", &content).await.oid;
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there");
    let open = fixture.writer("acme/open").await.as_read();
    let told = async |file: FileHash| {
        let error = hub.xet_file(&open, file).await.expect_err("refused");
        (error.kind(), error.message().replace(&file.to_string(), ""))
    };
    let file = blob.xet.expect("listed");
    assert_eq!(told(file).await, told(FileHash::new([9; 32])).await);
    assert_eq!(told(file).await.0, Kind::NotFound);
    assert!(hub.xet_hashes(&open, &[oid]).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_not_what_it_was_is_never_sent() {
    use std::os::unix::fs::FileExt as _;
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(4, 3_000_000));
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let list = list_of(hub, oid).await;
    let file = list.header.file_hash;
    let grant = fixture.writer("acme/open").await.as_read();
    let found = hub.xet_file(&grant, file).await.expect("there");
    let term = hub.xet_terms(&grant, &found, 0..3_000_000).await.expect("terms").terms.remove(0);
    let data = hub.xet_data(term.xorb, &term.query).await.expect("a link");
    let id = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    let path = hub.store.blob_path(id);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode");
    let raw = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
    raw.write_all_at(&[content[2_000_000] ^ 1], 2_000_000).expect("flipped");

    let mut stream = data.stream(term.bytes);
    let mut sent = Vec::new();
    let failed = loop {
        match stream.recv().await {
            Some(Ok(bytes)) => sent.extend_from_slice(&bytes),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(failed, "a whole answer of wrong bytes");
    let mut reader = XorbReader::default();
    let mut whole = Vec::new();
    reader.push(&sent, &mut |bytes, _| whole.extend_from_slice(bytes)).expect("good so far");
    assert!(whole[..] == content[..whole.len()] && whole.len() < 2_000_000);
    assert_eq!(hub.xet_file(&grant, file).await.err().map(|error| error.kind()), Some(Kind::Unavailable));
    assert!(hub.xet_hashes(&grant, &[oid]).await.expect("read").is_empty());
}

/// One link for all of a file, made anew each time.
async fn link_to(hub: &Hub, grant: &Grant<Read>, file: FileHash) -> crate::XetData {
    let found = hub.xet_file(grant, file).await.expect("there");
    let size = found.size_bytes();
    let mut terms = hub.xet_terms(grant, &found, 0..size).await.expect("terms").terms;
    assert_eq!(terms.len(), 1);
    let term = terms.remove(0);
    hub.xet_data(term.xorb, &term.query).await.expect("a link")
}

/// Lets the clock say that the last change of a file was so long ago.
fn let_pass(fixture: &Fixture, path: &std::path::Path, millis: i64) {
    use std::os::unix::fs::MetadataExt as _;
    let changed = std::fs::metadata(path).expect("there");
    let now = changed.ctime() * 1000 + changed.ctime_nsec() / 1_000_000 + millis;
    fixture.millis.store(now, std::sync::atomic::Ordering::Relaxed);
}

/// Waits until what is done to files shows: of two changes within one step of the file system's clock the second
/// leaves no trace.
async fn until_changes_show(files: &[std::path::PathBuf]) {
    use std::os::unix::fs::MetadataExt as _;
    let changed = |file: &std::path::Path| {
        let file = std::fs::metadata(file).expect("there");
        (file.ctime(), file.ctime_nsec())
    };
    let last = files.iter().map(|file| changed(file)).max();
    let probe = tempfile::NamedTempFile::new_in(files[0].parent().expect("a directory")).expect("made");
    let next_step = async {
        while Some(changed(probe.path())) <= last {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            std::fs::write(probe.path(), b"now").expect("written");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), next_step).await.expect("its clock goes on");
}

/// The bytes, and whether they were to be sent as they are in the file.
async fn sent(data: crate::XetData, bytes: std::ops::Range<u64>) -> (bool, std::io::Result<Vec<u8>>) {
    use std::os::unix::fs::FileExt as _;
    match data.bytes(bytes).expect("an xorb") {
        XetBytes::Checked(stream) => (false, collect(stream).await),
        XetBytes::Known(file, pieces) => {
            let mut all = Vec::new();
            for piece in pieces {
                match piece {
                    polder_xet::Piece::Header(bytes) => all.extend_from_slice(&bytes),
                    polder_xet::Piece::Object(range) => {
                        let at = all.len();
                        all.resize(at + usize::try_from(range.end - range.start).unwrap(), 0);
                        file.read_exact_at(&mut all[at..], range.start).expect("read");
                    }
                }
            }
            (true, Ok(all))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_hashed_lately_is_sent_from_the_file_and_is_the_same() {
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(11, 3_000_000));
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let file = list_of(hub, oid).await.header.file_hash;
    let grant = fixture.writer("acme/open").await.as_read();
    let id = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    let_pass(&fixture, &hub.store.blob_path(id), 2000);
    let data = link_to(hub, &grant, file).await;
    let size = data.size_bytes();
    let (is_known, part) = sent(data.clone(), 9..100).await;
    assert!(!is_known && part.is_ok());
    let (is_known, whole) = sent(data.clone(), 0..size).await;
    let whole = whole.expect("good");
    assert!(!is_known, "of the first chunk alone was known what it is");
    let random = noise(12, 6 * 50);
    for six in random.chunks(6) {
        let place = |bytes: &[u8]| u64::from(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])) % size;
        let (one, other) = (place(&six[..3]), place(&six[3..]));
        let range = one.min(other)..one.max(other) + 1;
        let (is_known, got) = sent(data.clone(), range.clone()).await;
        let expected = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(is_known && got.expect("good") == whole[expected], "{range:?}");
    }
    fixture.millis.fetch_add(3_599_999, std::sync::atomic::Ordering::Relaxed);
    assert!(sent(link_to(hub, &grant, file).await, 0..size).await.0);
    fixture.millis.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert!(!sent(link_to(hub, &grant, file).await, 0..size).await.0, "an hour is over");
    assert!(sent(link_to(hub, &grant, file).await, 0..size).await.0, "it was hashed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_touched_since_it_was_hashed_is_hashed_again() {
    use std::os::unix::fs::FileExt as _;
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(13, 3_000_000));
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let file = list_of(hub, oid).await.header.file_hash;
    let grant = fixture.writer("acme/open").await.as_read();
    let id = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    let path = hub.store.blob_path(id);
    let_pass(&fixture, &path, 2000);
    let size = link_to(hub, &grant, file).await.size_bytes();
    let ask = async || sent(link_to(hub, &grant, file).await, 0..size).await;
    assert!(ask().await.1.is_ok());
    assert!(ask().await.0);
    until_changes_show(std::slice::from_ref(&path)).await;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode");
    // What is done to it within the next step of the disk's clock would not show.
    let_pass(&fixture, &path, 1999);
    for _ in 0..2 {
        let (is_known, got) = ask().await;
        assert!(!is_known && got.is_ok(), "nothing of it is other than it was");
    }
    let_pass(&fixture, &path, 2000);
    assert!(!ask().await.0);
    assert!(ask().await.0);
    until_changes_show(std::slice::from_ref(&path)).await;
    let raw = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
    let times = std::fs::FileTimes::new().set_modified(raw.metadata().unwrap().modified().unwrap());
    raw.write_all_at(&[content[2_000_000] ^ 1], 2_000_000).expect("flipped");
    raw.set_times(times).expect("set back");
    let (is_known, got) = ask().await;
    assert!(!is_known && got.is_err(), "a flipped bit");
    assert_eq!(hub.xet_file(&grant, file).await.err().map(|error| error.kind()), Some(Kind::Unavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_hashed_while_it_was_stored_is_sent_from_the_file() {
    use std::os::unix::fs::FileExt as _;
    let fixture = fixture().await;
    let (hub, content) = (&fixture.hub, noise(14, 3_000_000));
    let oid = put(&fixture, "acme/open", &content).await.oid;
    let file = list_of(hub, oid).await.header.file_hash;
    let grant = fixture.writer("acme/open").await.as_read();
    let id = hub.db.find_blob(&oid).await.expect("read").expect("there").id;
    let size = link_to(hub, &grant, file).await.size_bytes();
    let ask = async || sent(link_to(hub, &grant, file).await, 0..size).await;
    let (is_known, whole) = ask().await;
    let whole = whole.expect("good");
    assert!(is_known);
    // The list says where chunks begin: another one is another state, and all is hashed.
    until_changes_show(&[hub.store.blob_path(id), hub.store.list_path(id)]).await;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(hub.store.list_path(id), mode).expect("mode");
    let (is_known, again) = ask().await;
    assert!(!is_known && again.expect("good") == whole);

    let other = put(&fixture, "acme/open", &noise(15, 3_000_000)).await.oid;
    let file = list_of(hub, other).await.header.file_hash;
    let path = hub.store.blob_path(hub.db.find_blob(&other).await.expect("read").expect("there").id);
    until_changes_show(std::slice::from_ref(&path)).await;
    let raw = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
    raw.write_all_at(&[noise(15, 1)[0] ^ 1], 0).expect("flipped");
    let (is_known, got) = sent(link_to(hub, &grant, file).await, 0..size).await;
    assert!(!is_known && got.is_err(), "a flipped bit");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_any_chunk_is_told_of_the_current_files_with_keyed_hashes() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let writer = fixture.writer("acme/open").await;
    let grant = writer.as_read();
    let hint =
        async |token: &str, chunk| hub.xet_hint(&grant, &Secret::new(token), chunk).await.expect("asked");
    let unknown = polder_xet::ChunkHash::of(b"never seen");
    assert_eq!(hint("t", unknown).await, None, "nothing is here");
    let (old, new) = (noise(5, 400_000), noise(6, 900_000));
    for content in [&old, &new] {
        let object = put(&fixture, "acme/open", content).await;
        let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
        let write = Change::WritePointer { path: "w.bin".to_owned(), pointer };
        hub.commit(&writer, change("w", vec![write])).await.expect("committed");
    }
    let hidden = put(&fixture, "acme/closed", &noise(7, 100_000)).await.oid;
    let closed = hub.db.find_blob(&hidden).await.expect("read").expect("there");
    let oid = |content: &[u8]| {
        use sha2::Digest as _;
        polder_types::Sha256::new(sha2::Sha256::digest(content).into())
    };
    let (old, new) = (list_of(hub, oid(&old)).await, list_of(hub, oid(&new)).await);
    let told = hint("t", unknown).await.expect("a hint");
    let shard = DedupShard::decode(&told).expect("a shard");
    assert_eq!(shard.expires - shard.made, 3600);
    assert_eq!(shard.chunks().count(), new.chunks.len());
    for chunk in &new.chunks {
        let (xorb, _) = shard.find(chunk.hash).expect("told of");
        let known = hub.db.runs_of_xorb(xorb, 10).await.expect("rows");
        assert_eq!(known.iter().map(|(blob, _)| blob.sha256).collect::<Vec<_>>(), [oid(&noise(6, 900_000))]);
    }
    assert!(old.chunks.iter().all(|chunk| shard.find(chunk.hash).is_none()), "an old version");
    let raw: HashSet<[u8; 32]> = new.chunks.iter().map(|chunk| *chunk.hash.as_bytes()).collect();
    assert!(shard.chunks().all(|(_, _, hash, _)| !raw.contains(hash.as_bytes())), "hashes are keyed");

    let by_chunk = hint("t", old.chunks[0].hash).await.expect("of the file with it");
    assert!(DedupShard::decode(&by_chunk).expect("a shard").find(old.chunks[1].hash).is_some());
    assert!(closed.xet.is_some());
    let elsewhere = hub.db.runs_of_blob(closed.id, 0..100_000).await.expect("rows");
    assert!(elsewhere.is_empty(), "of other repositories nothing is told");
}

/// Variants of one model have the same metadata.
#[tokio::test(flavor = "multi_thread")]
async fn of_files_that_begin_alike_all_are_told_of_and_then_the_newest_alone() {
    let fixture = fixture().await;
    let (hub, writer) = (&fixture.hub, fixture.writer("acme/open").await);
    let mut lists = Vec::new();
    for (name, seed) in [("older.bin", 21), ("newer.bin", 22)] {
        let content = [noise(20, 300_000), noise(seed, 400_000)].concat();
        let object = put(&fixture, "acme/open", &content).await;
        let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
        let write = Change::WritePointer { path: name.to_owned(), pointer };
        hub.commit(&writer, change("w", vec![write])).await.expect("committed");
        lists.push(list_of(hub, object.oid).await);
        fixture.pass_seconds(1);
    }
    let [older, newer] = &lists[..] else { panic!("two") };
    assert_eq!(older.chunks[0], newer.chunks[0]);
    let grant = writer.as_read();
    let hint = async |token: &str| {
        let told = hub.xet_hint(&grant, &Secret::new(token), newer.chunks[0].hash).await.expect("asked");
        let told = told.expect("a hint");
        let shard = DedupShard::decode(&told).expect("a shard");
        let has = |list: &ChunkList| list.chunks.iter().all(|chunk| shard.find(chunk.hash).is_some());
        (shard.chunks().count(), has(older), has(newer))
    };
    let both = older.chunks.len() + newer.chunks.len();
    assert_eq!(hint("a").await, (both, true, true), "each once");
    assert_eq!(hint("a").await, (newer.chunks.len(), false, true));
    assert_eq!(hint("b").await, (both, true, true), "another client knows nothing");
}
