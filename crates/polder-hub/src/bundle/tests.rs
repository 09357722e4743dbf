//! Two hubs that reach each other through files only.

mod forged;
mod interrupted;
mod since;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use polder_log::VerifierKey;
use polder_types::{LfsPointer, Sha256, Visibility};

use super::layout::PART_BYTES_MIN;
use crate::tests::{Fixture, fixture, put, repo, signature, write};
use crate::{
    BundleImported, BundleReport, BundleRequest, Change, CommitRequest, Hub, Kind, Principal, Progress,
    Result,
};

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
