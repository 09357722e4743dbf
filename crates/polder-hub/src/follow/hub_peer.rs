//! A hub in this process as the peer of another one, without a network between them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, Log, MirrorMode};
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use polder_git::{NO_RECENT_TIPS, Protocol, Service, Snapshot};
use polder_log::{Origin, TileId};
use polder_types::Sha256;

use super::peer::{About, NewestSnapshot, Peer, PeerError, PeerFuture};
use super::sources::{Source, SourceSet};
use crate::error::{Error, Kind, Result};
use crate::tests::{Fixture, fixture};
use crate::{Hub, LogTip, ObjectSource, PageQuery, Select};

/// From what was asked for and the right answer to the one that is given.
pub(crate) type Lie = fn(&'static str, Bytes) -> Bytes;

#[derive(Clone)]
pub(crate) struct HubPeer {
    pub(crate) hub: Hub,
    /// Whose log it gives out; its own, if none is named.
    pub(crate) of: Option<Origin>,
    /// Most events of a page.
    pub(crate) page: u64,
    /// Questions that it still answers.
    pub(crate) answers: Arc<AtomicUsize>,
    /// What it does to its answers, by what was asked for.
    pub(crate) lie: Lie,
}

impl HubPeer {
    pub(crate) fn new(hub: &Hub) -> Self {
        let answers = Arc::new(usize::MAX.into());
        Self { hub: hub.clone(), of: None, page: 4096, answers, lie: |_, answer| answer }
    }

    fn ask<'a, T: Send + 'a>(
        &'a self,
        ask: impl Future<Output = Result<T>> + Send + 'a,
    ) -> PeerFuture<'a, T> {
        Box::pin(async move {
            let left =
                self.answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            left.map_err(|_none| PeerError::Failed(Error::unavailable("it is gone")))?;
            ask.await.map_err(|error| match error.kind() {
                Kind::NotFound => PeerError::Missing,
                Kind::Gone => PeerError::Gone,
                _ => PeerError::Failed(error),
            })
        })
    }

    fn bytes<'a>(
        &'a self,
        what: &'static str,
        ask: impl Future<Output = Result<Bytes>> + Send + 'a,
    ) -> PeerFuture<'a, Bytes> {
        self.ask(async move { Ok((self.lie)(what, ask.await?)) })
    }

    async fn tip(&self) -> Result<LogTip> {
        match &self.of {
            Some(origin) => self.hub.mirrored_log_tip(origin.sha256()).await,
            None => self.hub.own_log_tip(),
        }
    }
}

impl Peer for HubPeer {
    fn name(&self) -> &'static str {
        "home"
    }

    fn about(&self) -> PeerFuture<'_, About> {
        self.ask(async {
            Ok(About { log: self.tip().await?.name, key: self.hub.federation_about().await?.key })
        })
    }

    fn events(&self, from: u64, limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        let query = PageQuery { from, limit: limit.min(self.page), select: Select::All };
        let page = self.bytes("events", async move { self.hub.log_page(&self.tip().await?, query).await });
        Box::pin(async move { page.await.map(Some) })
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.bytes("body", self.hub.log_body(sha256))
    }

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        self.bytes("namespace", async move { self.hub.log_namespace(&self.tip().await?, nsid).await })
    }

    fn newest_snapshot(&self) -> PeerFuture<'_, NewestSnapshot> {
        self.ask(async {
            let tip = self.tip().await?;
            let index = self.hub.newest_log_snapshot(&tip).await?;
            let index = index.ok_or_else(|| Error::not_found("there is none"))?;
            Ok(NewestSnapshot { index, size: tip.size })
        })
    }

    fn snapshot_part(&self, _index: u64, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.bytes("part", async move { self.hub.log_snapshot_part(&self.tip().await?, sha256).await })
    }

    fn tile(&self, tile: TileId) -> PeerFuture<'_, Bytes> {
        self.bytes("tile", async move { self.hub.log_tile(&self.tip().await?, tile).await })
    }

    fn bodies<'a>(&'a self, hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        let wanted: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        self.bytes("bodies", async move { self.hub.log_body_list(&wanted).await })
    }

    fn ref_map(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.bytes("refs", async move { self.hub.log_file(&self.tip().await?, rid, sha256, true).await })
    }

    fn manifest(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.bytes("manifest", async move { self.hub.log_file(&self.tip().await?, rid, sha256, false).await })
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        let runtime = tokio::runtime::Handle::current();
        let grant = runtime.block_on(self.hub.read_logged(rid))?;
        Ok(Box::new(Git(runtime.block_on(self.hub.held(grant.repo_id()))?.snapshot)))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        super::attacks::no_objects()
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

/// Lets a hub read all that a peer has of the log that it follows.
pub(crate) async fn read_all(hub: &Hub, log: i64, peer: &HubPeer) -> Result<u64> {
    let home = Source::home(Arc::new(peer.clone()));
    hub.read_to_the_end(&SourceSet::new(hub.db.clone(), log, vec![home])).await
}

/// A hub with a log, and another one that is to follow it.
pub(crate) struct Pair {
    pub(crate) home: Fixture,
    pub(crate) follower: Fixture,
    pub(crate) peer: HubPeer,
    pub(crate) log: i64,
}

impl Pair {
    pub(crate) async fn new(pattern: &str) -> Self {
        let (home, follower) = (fixture().await, fixture().await);
        home.hub.begin_log().await.expect("begun");
        home.hub.sequence_once().await.expect("sequenced");
        let mut pair = Self { peer: HubPeer::new(&home.hub), home, follower, log: 0 };
        pair.log = pair.follow(&pair.follower, pattern).await;
        pair
    }

    /// Lets a hub follow the home.
    pub(crate) async fn follow(&self, who: &Fixture, pattern: &str) -> i64 {
        let about = self.peer.about().await.expect("it answers");
        let log = who.hub.db.open_log(about.log, about.key, false).await.expect("begun").id;
        let rules = vec![FollowRule { pattern: pattern.to_owned(), mode: MirrorMode::Metadata }];
        who.hub.db.set_upstream(log, "http://home.example".to_owned(), rules).await.expect("set");
        log
    }

    /// Lets the follower read all there is.
    pub(crate) async fn read(&self) -> Result<u64> {
        self.home.hub.sequence_once().await?;
        read_all(&self.follower.hub, self.log, &self.peer).await
    }

    /// Lets the home say `count` times that nothing happened.
    pub(crate) async fn beat(&self, count: usize) {
        crate::log::beat(&self.home.hub, count).await;
    }

    pub(crate) async fn followed(&self) -> Log {
        self.follower.hub.db.log(self.log).await.expect("read").expect("there")
    }
}
