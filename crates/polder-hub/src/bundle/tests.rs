//! Two hubs that reach each other through files only.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use polder_log::VerifierKey;
use polder_types::{LfsPointer, Sha256, Visibility};

use super::layout::{CURSOR, Contents, INDEX, PART_BYTES_MIN, Whole, part_name, write_whole};
use super::row::{Kind as ItemKind, Row};
use crate::tests::{Fixture, fixture, put, repo, signature, write};
use crate::{
    BundleImported, BundleReport, BundleRequest, Change, CommitRequest, Hub, Kind, Principal, Progress,
};
use crate::{MirrorState, Result};

/// The hub that is bundled, and a directory between it and others.
struct Gap {
    home: Fixture,
    dir: tempfile::TempDir,
}

fn quiet() -> Progress {
    Arc::new(|_line: &str| {})
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

impl Gap {
    /// `acme/m` has a file and a large object, `acme/open` is empty.
    async fn new() -> Self {
        let home = fixture().await;
        home.hub.begin_log().await.expect("begun");
        let gap = Self { home, dir: tempfile::tempdir().expect("a directory") };
        gap.home.hub.add_repo(&repo("acme/m"), Visibility::Public).await.expect("added");
        gap.commit("acme/m", write("README.md", "one\n")).await;
        gap.add_large("acme/m", "model.bin", &noise(300_000)).await;
        gap
    }

    async fn commit(&self, name: &str, change: Change) {
        let grant = self.home.writer(name).await;
        let request = CommitRequest {
            branch: "main".to_owned(),
            parent: None,
            changes: vec![change],
            author: signature(),
            message: "more".to_owned(),
        };
        self.home.hub.commit(&grant, request).await.expect("committed");
        self.home.hub.sequence_once().await.expect("sequenced");
    }

    async fn add_large(&self, name: &str, path: &str, content: &[u8]) -> Sha256 {
        let object = put(&self.home, name, content).await;
        let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
        self.commit(name, Change::WritePointer { path: path.to_owned(), pointer }).await;
        object.oid
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn export(&self, to: &str, more: impl FnOnce(&mut BundleRequest)) -> Result<BundleReport> {
        let mut request = BundleRequest {
            dir: self.at(to),
            origin: None,
            select: Vec::new(),
            since: None,
            file_size: PART_BYTES_MIN,
        };
        more(&mut request);
        self.home.hub.sequence_once().await.expect("sequenced");
        self.home.hub.export_bundle(request, quiet()).await
    }

    async fn key(&self) -> VerifierKey {
        self.home.hub.db.own_log().await.expect("read").expect("begun").key
    }

    async fn import(&self, into: &Fixture, from: &str) -> Result<BundleImported> {
        into.hub.import_bundle(&self.at(from), Some(self.key().await), quiet()).await
    }

    /// A copy of a bundle with other bytes.
    fn copy(&self, from: &str, to: &str) -> PathBuf {
        let to = self.at(to);
        fs::create_dir(&to).expect("made");
        for file in fs::read_dir(self.at(from)).expect("read") {
            let file = file.expect("read");
            fs::copy(file.path(), to.join(file.file_name())).expect("copied");
        }
        to
    }
}

/// The refs that clients see of the mirror of `acme/…`, as long as they see any of it.
async fn shown(hub: &Hub, name: &str) -> Option<Vec<String>> {
    let grant = hub.read(&Principal::ANONYMOUS, &repo(name)).await.ok()?;
    let snapshot = hub.held(grant.repo_id()).await.expect("held").snapshot;
    Some(snapshot.visible_refs().map(|r| format!("{} {}", r.name, r.oid)).collect())
}

async fn object(hub: &Hub, oid: Sha256) -> Option<Vec<u8>> {
    let open = hub.public_object(oid).await.ok()?;
    let mut content = vec![0; usize::try_from(open.size_bytes).expect("small")];
    open.file.read_exact_at(&mut content, 0).expect("read");
    Some(content)
}

const MIRROR: &str = "acme.hub.example/m";

async fn is_same(gap: &Gap, place: &Fixture) -> bool {
    let (home, here) = (shown(&gap.home.hub, "acme/m").await, shown(&place.hub, MIRROR).await);
    home.is_some() && home == here
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_brings_repositories_with_their_large_objects_to_a_hub_without_a_network() {
    let gap = Gap::new().await;
    let report = gap.export("one", |_| {}).await.expect("exported");
    assert_eq!((report.repositories, report.left_out), (2, 0));
    assert!(report.parts >= 5 && report.bytes > 300_000, "{report:?}");
    let place = fixture().await;
    let imported = gap.import(&place, "one").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len(), imported.events), (2, 0, report.events));
    assert!(is_same(&gap, &place).await);
    let content = noise(300_000);
    let oid = {
        use sha2::Digest as _;
        Sha256::new(sha2::Sha256::digest(&content).into())
    };
    assert!(object(&place.hub, oid).await == Some(content));
    // Once more changes nothing, and needs no key.
    let again = place.hub.import_bundle(&gap.at("one"), None, quiet()).await.expect("imported");
    assert_eq!((again.events, again.ready, again.troubled.len()), (0, 2, 0));
    // A directory with a bundle is left alone.
    assert_eq!(gap.export("one", |_| {}).await.expect_err("taken").kind(), Kind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_not_followed_needs_its_key() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let place = fixture().await;
    let none = place.hub.import_bundle(&gap.at("one"), None, quiet()).await.expect_err("no key");
    assert!(none.message().contains("--key"), "{none}");
    let other = fixture().await;
    other.hub.begin_log().await.expect("begun");
    let key = other.hub.db.own_log().await.expect("read").expect("begun").key;
    let wrong = place.hub.import_bundle(&gap.at("one"), Some(key), quiet()).await.expect_err("another key");
    assert!(wrong.message().contains("KeyMismatch"), "{wrong}");
    assert!(place.hub.list_followed().await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_byte_in_any_file_is_named_and_nothing_is_taken() {
    let gap = Gap::new().await;
    gap.export("good", |_| {}).await.expect("exported");
    let place = fixture().await;
    let mut files: Vec<_> =
        fs::read_dir(gap.at("good")).expect("read").map(|file| file.unwrap().path()).collect();
    files.retain(|path| !path.ends_with(CURSOR));
    files.sort();
    for (number, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let dir = gap.copy("good", &format!("bad-{number}"));
        let mut bytes = fs::read(file).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(dir.join(name), &bytes).expect("written");
        let error = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await.expect_err("refused");
        assert!(error.kind() == Kind::Invalid && error.message().contains(name), "{name}: {error}");
        bytes.pop();
        fs::write(dir.join(name), &bytes).expect("written");
        let error = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await.expect_err("refused");
        assert!(error.kind() == Kind::Invalid && error.message().contains(name), "{name}: {error}");
        fs::remove_file(dir.join(name)).expect("removed");
        let error = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await.expect_err("refused");
        assert!(error.kind() == Kind::NotFound && error.message().contains(name), "{name}: {error}");
    }
    assert!(files.len() >= 8 && place.hub.list_followed().await.expect("read").is_empty());
}

/// Changes one byte of an item, and all hashes of the bundle to fit.
fn forge(dir: &Path, kind: ItemKind, place: impl FnOnce(&[u8]) -> usize) {
    let mut contents = Contents::read(dir).expect("read");
    let index = fs::read(dir.join(INDEX)).expect("read");
    let (rows, _) = index.as_chunks::<{ Row::BYTES }>();
    let mut rows = rows.iter().map(|row| Row::decode(row).expect("a row"));
    let row = rows.find(|row| row.key.kind == kind && row.span.bytes > 40).expect("there is one");
    let mut stream: Vec<u8> = Vec::new();
    for number in 1..=contents.parts.len() {
        stream.extend(fs::read(dir.join(part_name(number))).expect("read"));
    }
    let span = usize::try_from(row.span.offset).unwrap()..usize::try_from(row.span.end()).unwrap();
    let item = &mut stream[span];
    let at = place(item);
    item[at] ^= 1;
    let size = usize::try_from(contents.file_size).unwrap();
    for (number, part) in stream.chunks(size).enumerate() {
        fs::write(dir.join(part_name(number + 1)), part).expect("written");
        contents.parts[number] = Whole::of(part);
    }
    contents.write(dir).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_forger_makes_fit_together_is_still_refused_and_named() {
    let gap = Gap::new().await;
    gap.export("good", |_| {}).await.expect("exported");
    let middle = |item: &[u8]| item.len() / 2;
    for (kind, says) in [
        (ItemKind::Page, "bundle"),
        (ItemKind::Refs, "the ref map of `bundle"),
        (ItemKind::Pack, "pack"),
        (ItemKind::Object, "bundle"),
        (ItemKind::List, "as the chunk list"),
    ] {
        let place = fixture().await;
        let dir = gap.copy("good", &format!("forged-{kind:?}"));
        forge(&dir, kind, middle);
        let imported = place.hub.import_bundle(&dir, Some(gap.key().await), quiet()).await;
        match (kind, imported) {
            (ItemKind::Page, Err(error)) => assert!(error.message().contains(says), "{error}"),
            (ItemKind::Page, Ok(imported)) => panic!("{imported:?}"),
            (_, imported) => {
                let imported = imported.expect("the log is good");
                let (_, why) =
                    imported.troubled.iter().find(|(path, _)| path == "acme/m").expect("it is named");
                assert!(why.contains(says), "{kind:?}: {why}");
            }
        }
        assert_eq!(shown(&place.hub, MIRROR).await, None, "{kind:?}");
        // The good one still can be taken.
        gap.import(&place, "good").await.expect("imported");
        assert!(is_same(&gap, &place).await, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_since_a_cursor_has_only_what_is_new() {
    let gap = Gap::new().await;
    let first = gap.export("one", |_| {}).await.expect("exported");
    let cursor = gap.at("one").join(CURSOR);
    gap.commit("acme/m", write("README.md", "two\n")).await;
    let second = gap.export("two", |request| request.since = Some(cursor.clone())).await.expect("exported");
    assert_eq!((second.events, second.repositories), (1, 1));
    assert!(second.bytes < 10_000 && first.bytes > 300_000, "{second:?}");
    let place = fixture().await;
    let early = gap.import(&place, "two").await.expect_err("the first is missing");
    assert!(early.message().contains("a bundle before it is missing"), "{early}");
    gap.import(&place, "one").await.expect("imported");
    assert!(!is_same(&gap, &place).await);
    let imported = gap.import(&place, "two").await.expect("imported");
    assert_eq!((imported.events, imported.ready, imported.troubled.len()), (1, 1, 0));
    assert!(is_same(&gap, &place).await);
    // The older one is no step back.
    let older = gap.import(&place, "one").await.expect("imported");
    assert_eq!(older.events, 0);
    assert!(is_same(&gap, &place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wider_selection_adds_comes_whole() {
    let gap = Gap::new().await;
    gap.home.hub.add_repo(&repo("acme/n"), Visibility::Public).await.expect("added");
    gap.commit("acme/n", write("README.md", "n\n")).await;
    let narrow =
        gap.export("one", |request| request.select = vec!["acme/n".to_owned()]).await.expect("exported");
    assert_eq!(narrow.repositories, 1);
    let cursor = gap.at("one").join(CURSOR);
    let wide = gap.export("two", |request| request.since = Some(cursor)).await.expect("exported");
    // Not acme/n, which did not change.
    assert_eq!((wide.events, wide.repositories), (0, 2));
    let place = fixture().await;
    gap.import(&place, "one").await.expect("imported");
    assert!(shown(&place.hub, "acme.hub.example/n").await.is_some() && !is_same(&gap, &place).await);
    let log = place.hub.db.list_upstreams().await.expect("read")[0].log;
    place
        .hub
        .db
        .set_upstream(log, "https://hub.example".to_owned(), super::cursor::rules(&["*".to_owned()]))
        .await
        .expect("set");
    place.hub.reselect(log).await.expect("selected");
    let imported = gap.import(&place, "two").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (2, 0));
    assert!(is_same(&gap, &place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_log_is_refused() {
    let (gap, other) = (Gap::new().await, Gap::new().await);
    gap.export("one", |_| {}).await.expect("exported");
    let cursor = gap.at("one").join(CURSOR);
    let error =
        other.export("two", |request| request.since = Some(cursor.clone())).await.expect_err("refused");
    assert!(error.kind() == Kind::Conflict && error.message().contains(CURSOR), "{error}");
    write_whole(&gap.at("one"), CURSOR, b"{}").expect("written");
    let error = gap.export("two", |request| request.since = Some(cursor)).await.expect_err("refused");
    assert!(error.kind() == Kind::Invalid && error.message().contains(CURSOR), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_goes_on_when_it_is_run_again() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let place = fixture().await;
    // It dies when it has begun with the first repository.
    let (began, began_at) = tokio::sync::oneshot::channel();
    let began = Mutex::new(Some(began));
    let say: Progress = Arc::new(move |line: &str| {
        if line.contains(": event")
            && let Some(began) = began.lock().unwrap().take()
        {
            began.send(()).unwrap();
        }
    });
    let (hub, dir, key) = (place.hub.clone(), gap.at("one"), gap.key().await);
    let task = tokio::spawn(async move { hub.import_bundle(&dir, Some(key), say).await });
    began_at.await.expect("it began");
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    // As a hub does that starts.
    place.hub.db.release_mirrors().await.expect("released");
    let imported = place.hub.import_bundle(&gap.at("one"), None, quiet()).await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (2, 0));
    assert!(is_same(&gap, &place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_gone_at_home_is_hidden_by_the_next_bundle() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let place = fixture().await;
    gap.import(&place, "one").await.expect("imported");
    gap.home.hub.delete_repo(&repo("acme/m")).await.expect("deleted");
    let cursor = gap.at("one").join(CURSOR);
    let report = gap.export("two", |request| request.since = Some(cursor)).await.expect("exported");
    assert_eq!(report.repositories, 0);
    gap.import(&place, "two").await.expect("imported");
    assert_eq!(shown(&place.hub, MIRROR).await, None);
    let listed = place.hub.list_followed().await.expect("read");
    let mirror = listed[0].mirrors.iter().find(|mirror| mirror.path == "acme/m").expect("listed");
    assert_eq!(mirror.state, MirrorState::Hidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_was_stopped_goes_on_after_the_parts_that_are_good() {
    let gap = Gap::new().await;
    // What is there while the fourth piece of the object is to be written.
    let (from, to) = (gap.at("one"), [gap.at("stopped"), gap.at("damaged")]);
    let say: Progress = Arc::new(move |line: &str| {
        if line.contains(": 196608 of 300000 bytes") {
            for to in &to {
                fs::create_dir(to).expect("made");
                for file in fs::read_dir(&from).expect("read").map(|file| file.expect("read")) {
                    fs::copy(file.path(), to.join(file.file_name())).expect("copied");
                }
            }
        }
    });
    let request = |to: &str| BundleRequest {
        dir: gap.at(to),
        origin: None,
        select: Vec::new(),
        since: None,
        file_size: PART_BYTES_MIN,
    };
    gap.home.hub.export_bundle(request("one"), say).await.expect("exported");
    let first = gap.at("damaged").join(part_name(1));
    let mut bytes = fs::read(&first).expect("read");
    bytes[100] ^= 1;
    fs::write(&first, bytes).expect("written");
    for (name, went_on) in [("stopped", true), ("damaged", false)] {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let say: Progress = Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
        // What is new meanwhile is for the next bundle.
        gap.commit("acme/m", write("README.md", name)).await;
        gap.home.hub.export_bundle(request(name), say).await.expect("exported");
        let lines = lines.lock().unwrap().join("\n");
        assert_eq!(lines.contains("goes on after"), went_on, "{name}: {lines}");
        assert_eq!(lines.contains("checking 000002.part"), went_on, "{name}: {lines}");
        let place = fixture().await;
        let imported = gap.import(&place, name).await.expect("imported");
        assert_eq!((imported.ready, imported.troubled.len()), (2, 0), "{name}");
        let [one, same] = ["one", name].map(|at| Contents::read(&gap.at(at)).expect("read"));
        assert_eq!((one.size, one.stream_bytes()), (same.size, same.stream_bytes()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_past_is_not_kept_is_begun_or_gone_on_with_at_its_snapshot() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let (early, late) = (fixture().await, fixture().await);
    gap.import(&early, "one").await.expect("imported");
    // What comes now is before the snapshot, too, and no events tell of it any more.
    gap.home.hub.add_repo(&repo("acme/n"), Visibility::Public).await.expect("added");
    gap.commit("acme/n", write("README.md", "n\n")).await;
    let (hub, cursor) = (&gap.home.hub, gap.at("one").join(CURSOR));
    crate::log::beat(hub, 700).await;
    let index = hub.snapshot_log().await.expect("made");
    let log = hub.db.own_log().await.expect("read").expect("there");
    while hub.db.prune_log(log.id, index).await.expect("pruned") + 256 <= index {}
    gap.commit("acme/m", write("README.md", "two\n")).await;
    assert!(hub.own_log_tip().expect("a log").min_index >= 512);

    gap.export("whole", |_| {}).await.expect("exported");
    let imported = gap.import(&late, "whole").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (3, 0), "{imported:?}");
    let since = gap.export("two", |request| request.since = Some(cursor)).await.expect("exported");
    assert_eq!(since.repositories, 2, "acme/open did not change: {since:?}");
    let imported = gap.import(&early, "two").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (2, 0), "{imported:?}");
    for place in [&early, &late] {
        assert!(is_same(&gap, place).await);
        assert!(shown(&place.hub, "acme.hub.example/n").await.is_some());
        let log = place.hub.db.list_upstreams().await.expect("read")[0].log;
        let log = place.hub.db.log(log).await.expect("read").expect("there");
        assert_eq!(log.tree.size(), hub.own_log_tip().expect("a log").size);
    }
}
