//! A hub that follows another in the same process, one step at a time, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use polder_db::{FollowRule, Mirror, MirrorMode, MirrorState, Upstream};
use polder_types::Visibility;

use super::hub_peer::HubPeer;
use super::sources::{Source, SourceSet};
use crate::tests::moves::{move_refs, moved};
use crate::tests::{Fixture, fixture, repo, signature, write};
use crate::{CommitRequest, Hub};

/// Where the followed hub is said to be.
pub(super) const URL: &str = "https://hub.example";

/// The hub that follows, and the hub that is followed.
pub(super) struct Pair {
    pub(super) home: Fixture,
    pub(super) place: Fixture,
    pub(super) log: i64,
}

/// Lets `hub` follow what of `home` fits a pattern; under which id, it says.
pub(super) async fn follow(home: &Hub, hub: &Hub, pattern: &str, mode: MirrorMode) -> i64 {
    let own = home.db.own_log().await.expect("read").expect("begun");
    let log = hub.db.open_log(own.name, own.key, false).await.expect("opened").id;
    let rules = vec![FollowRule { pattern: pattern.to_owned(), mode }];
    hub.db.set_upstream(log, URL.to_owned(), rules).await.expect("followed");
    log
}

/// A commit on the main branch of a repository at `home`.
pub(super) async fn commit(home: &Fixture, name: &str, path: &str, content: &str) {
    let grant = home.writer(name).await;
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write(path, content)],
        author: signature(),
        message: content.to_owned(),
    };
    home.hub.commit(&grant, request).await.expect("committed");
}

impl Pair {
    /// Everything is followed, as `mode` says.
    pub(super) async fn open(mode: MirrorMode) -> Self {
        let (home, place) = (fixture().await, fixture().await);
        home.hub.begin_log().await.expect("begun");
        let log = follow(&home.hub, &place.hub, "*", mode).await;
        Self { home, place, log }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.place.hub
    }

    /// The home is the only source.
    pub(super) fn sources(&self) -> Arc<SourceSet> {
        let home = Source::home(Arc::new(HubPeer::new(&self.home.hub)));
        Arc::new(SourceSet::new(self.hub().db.clone(), self.log, vec![home]))
    }

    pub(super) async fn upstream(&self) -> Upstream {
        self.hub().db.upstream(self.log).await.expect("read").expect("followed")
    }

    /// Time passes on both sides.
    pub(super) fn pass_seconds(&self, seconds: i64) {
        let pass = |millis: &AtomicI64| millis.fetch_add(seconds * 1000, Ordering::Relaxed);
        pass(&self.home.millis);
        pass(&self.place.millis);
    }

    pub(super) async fn claim(&self) -> Option<Mirror> {
        self.hub().db.claim_mirrors(self.log, 300, 1).await.expect("claimed").pop()
    }

    /// The log is read to its end, and what is due is worked on.
    pub(super) async fn sync(&self) {
        self.sync_from(&self.sources()).await;
    }

    /// The same, from other sources than the home alone.
    pub(super) async fn sync_from(&self, sources: &Arc<SourceSet>) {
        self.home.hub.sequence_once().await.expect("sequenced");
        self.hub().read_to_the_end(sources).await.expect("read");
        let upstream = self.upstream().await;
        while let Some(mirror) = self.claim().await {
            self.hub().work_on(&upstream, sources, &mirror).await.expect("written down");
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
        self.home.hub.add_repo(&repo(name), Visibility::Public).await.expect("added");
    }

    pub(super) async fn commit(&self, name: &str, path: &str, content: &str) {
        commit(&self.home, name, path, content).await;
    }

    /// Removes every ref of a repository at home.
    pub(super) async fn empty(&self, name: &str) {
        let hub = &self.home.hub;
        let id = hub.live_repo(&repo(name)).await.expect("there").id;
        let held = hub.held(id).await.expect("held");
        let deletes = held.snapshot.refs().iter().map(|r| moved(&r.name, Some(r.oid), None)).collect();
        assert!(move_refs(hub, id, deletes).await);
    }
}
