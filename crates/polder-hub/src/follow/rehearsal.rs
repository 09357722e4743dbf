//! A hub that follows another in the same process, one step at a time, for tests.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, Mirror, MirrorMode, MirrorState, PushOutcome, RefUpdate, Upstream};
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use polder_git::{NO_RECENT_TIPS, Protocol, Service, Snapshot};
use polder_log::EventsPage;
use polder_types::{Sha256, Visibility};
use sha2::Digest as _;

use super::peer::{About, Peer, PeerError, PeerFuture};
use super::sources::{Source, SourceSet};
use crate::error::{Kind, Result};
use crate::log::{PageQuery, Select};
use crate::tests::{Fixture, fixture, repo, signature, write};
use crate::{CommitRequest, Hub, ObjectSource};

/// Where the followed hub is said to be.
pub(super) const URL: &str = "https://hub.example";

/// A hub as its followers see it; what is in `withheld` it says that it does not have.
pub(super) struct Home {
    pub(super) place: Fixture,
    pub(super) withheld: Mutex<HashSet<Sha256>>,
}

/// The hub that follows, and the hub that is followed.
pub(super) struct Pair {
    pub(super) home: Arc<Home>,
    pub(super) place: Fixture,
    pub(super) log: i64,
}

impl Pair {
    /// Everything is followed, as `mode` says.
    pub(super) async fn open(mode: MirrorMode) -> Self {
        let home = Home { place: fixture().await, withheld: Mutex::default() };
        home.place.hub.begin_log().await.expect("begun");
        let own = home.place.hub.db.own_log().await.expect("read").expect("begun");
        let place = fixture().await;
        let log = place.hub.db.open_log(own.name, own.key, false).await.expect("opened").id;
        let rules = vec![FollowRule { pattern: "*".to_owned(), mode }];
        place.hub.db.set_upstream(log, URL.to_owned(), rules).await.expect("followed");
        Self { home: Arc::new(home), place, log }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.place.hub
    }

    /// The home is the only source.
    pub(super) fn sources(&self) -> Arc<SourceSet> {
        let home = Source::home(self.home.clone());
        Arc::new(SourceSet::new(self.hub().db.clone(), self.log, vec![home]))
    }

    pub(super) async fn upstream(&self) -> Upstream {
        self.hub().db.upstream(self.log).await.expect("read").expect("followed")
    }

    /// Time passes on both sides.
    pub(super) fn pass_seconds(&self, seconds: i64) {
        let pass = |millis: &AtomicI64| millis.fetch_add(seconds * 1000, Ordering::Relaxed);
        pass(&self.home.place.millis);
        pass(&self.place.millis);
    }

    /// The log is read to its end.
    pub(super) async fn read(&self) {
        self.home.place.hub.sequence_once().await.expect("sequenced");
        self.hub().read_to_the_end(&self.sources()).await.expect("read");
    }

    pub(super) async fn claim(&self) -> Option<Mirror> {
        self.hub().db.claim_mirrors(self.log, 300, 1).await.expect("claimed").pop()
    }

    /// The log is read to its end, and what is due is worked on.
    pub(super) async fn sync(&self) {
        self.read().await;
        let (upstream, sources) = (self.upstream().await, self.sources());
        while let Some(mirror) = self.claim().await {
            self.hub().work_on(&upstream, &sources, &mirror).await.expect("written down");
        }
    }

    pub(super) async fn mirror(&self, path: &str) -> Mirror {
        let mirrors = self.hub().db.list_mirrors(self.log, None, 1_000).await.expect("read");
        mirrors.into_iter().find(|mirror| mirror.path == path).expect("followed")
    }

    pub(super) async fn state(&self, path: &str) -> MirrorState {
        self.mirror(path).await.state
    }

    /// The refs that clients see of the mirror of `acme/…`, as long as they see any of it.
    pub(super) async fn shown(&self, name: &str) -> Option<Vec<String>> {
        let at = repo(&format!("acme.hub.example/{name}"));
        let grant = self.hub().read(&crate::Principal::ANONYMOUS, &at).await.ok()?;
        let snapshot = self.hub().held(grant.repo_id()).await.expect("held").snapshot;
        Some(snapshot.visible_refs().map(|r| format!("{} {}", r.name, r.oid)).collect())
    }

    pub(super) async fn add(&self, name: &str) {
        self.home.place.hub.add_repo(&repo(name), Visibility::Public).await.expect("added");
    }

    pub(super) async fn commit(&self, name: &str, path: &str, content: &str) {
        let grant = self.home.place.writer(name).await;
        let request = CommitRequest {
            branch: "main".to_owned(),
            parent: None,
            changes: vec![write(path, content)],
            author: signature(),
            message: content.to_owned(),
        };
        self.home.place.hub.commit(&grant, request).await.expect("committed");
    }

    /// Removes every ref of a repository at home.
    pub(super) async fn empty(&self, name: &str) {
        let hub = &self.home.place.hub;
        let id = hub.live_repo(&repo(name)).await.expect("there").id;
        let held = hub.held(id).await.expect("held");
        let delete = |r: &polder_git::Ref| RefUpdate {
            name: r.name.clone(),
            old: Some(r.oid),
            new: None,
            peeled: None,
            rewinds: true,
            forbidden: None,
        };
        let push = polder_db::Push {
            repo: id,
            actor: None,
            expected_gc_epoch: held.gc_epoch,
            expected_lock_gen: None,
            atomic: true,
            updates: held.snapshot.refs().iter().map(delete).collect(),
            new_head: None,
            exact_head: None,
            pack: None,
            pointers: Vec::new(),
            lazy: Vec::new(),
            catalog: None,
            mirror: None,
        };
        let outcome = hub.db.commit_push(push).await.expect("committed");
        assert!(matches!(outcome, PushOutcome::Done { changed: true, .. }), "{outcome:?}");
        hub.forget(id).await;
    }
}

fn told<T>(answer: Result<T>) -> Result<T, PeerError> {
    answer.map_err(|error| match error.kind() {
        Kind::NotFound => PeerError::Missing,
        Kind::Gone => PeerError::Gone,
        _ => PeerError::Failed(error),
    })
}

impl Home {
    fn has(&self, sha256: Sha256) -> Result<(), PeerError> {
        if self.withheld.lock().expect("sound").contains(&sha256) { Err(PeerError::Missing) } else { Ok(()) }
    }
}

impl Peer for Home {
    fn name(&self) -> &'static str {
        URL
    }

    fn about(&self) -> PeerFuture<'_, About> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    fn events(&self, from: u64, limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let hub = &self.place.hub;
            let tip = told(hub.own_log_tip())?;
            let query = PageQuery { from, limit, select: Select::All };
            let mut page = EventsPage::decode(&told(hub.log_page(&tip, query).await)?).expect("well formed");
            let withheld = self.withheld.lock().expect("sound").clone();
            page.bodies.retain(|body| !withheld.contains(&Sha256::new(sha2::Sha256::digest(body).into())));
            Ok(Some(page.encode().expect("small").into()))
        })
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async move {
            self.has(sha256)?;
            told(self.place.hub.log_body(sha256).await)
        })
    }

    fn ref_map(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async move {
            let hub = &self.place.hub;
            told(hub.log_file(&told(hub.own_log_tip())?, rid, sha256, true).await)
        })
    }

    fn manifest(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async move {
            let hub = &self.place.hub;
            told(hub.log_file(&told(hub.own_log_tip())?, rid, sha256, false).await)
        })
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        let runtime = tokio::runtime::Handle::current();
        let grant = runtime.block_on(self.place.hub.read_logged(rid))?;
        Ok(Box::new(Git(runtime.block_on(self.place.hub.held(grant.repo_id()))?.snapshot)))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        Arc::new(super::attacks::NoObjects)
    }
}

/// The git server of one repository.
struct Git(Arc<Snapshot>);

impl Exchange for Git {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let body = polder_git::advertise(&self.0, Service::UploadPack, Protocol::V2);
        let content_type = Some("application/x-git-upload-pack-advertisement".to_owned());
        Ok(Advertisement { content_type, body: Box::new(io::Cursor::new(body)) })
    }

    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody> {
        let mut out = Vec::new();
        polder_git::upload_pack(&self.0, NO_RECENT_TIPS, protocol, &body, &mut out)
            .map_err(io::Error::other)?;
        Ok(Box::new(io::Cursor::new(out)))
    }
}
