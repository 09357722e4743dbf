//! A hub in this process as the peer of another one, without a network between them.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, Log, MirrorMode};
use polder_git::Protocol;
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use polder_log::{Origin, TileId};
use polder_types::Sha256;
use polder_xet::Extent;

use super::http::not_had;
use super::peer::{About, NewestSnapshot, Peer, PeerError, PeerFuture};
use super::sources::{Source, SourceSet};
use crate::blocking::in_place;
use crate::body::BodyStream;
use crate::error::{Error, Kind, Result};
use crate::tests::{Fixture, body, fixture};
use crate::{
    BodyEncoding, Grant, Hub, LIST_PAGE_CHUNKS_MAX, LogTip, ObjectSource, PageQuery, Read, Select,
    SourceFuture,
};

#[derive(Clone)]
pub(crate) struct HubPeer {
    pub(crate) hub: Hub,
    pub(crate) name: &'static str,
    /// Whose log it gives out; its own, if none is named.
    pub(crate) of: Option<Origin>,
    /// Most events of a page.
    pub(crate) page: u64,
    /// Questions that it still answers.
    pub(crate) answers: Arc<AtomicUsize>,
}

impl HubPeer {
    pub(crate) fn new(hub: &Hub) -> Self {
        let answers = Arc::new(usize::MAX.into());
        Self { hub: hub.clone(), name: "home", of: None, page: 4096, answers }
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

    async fn tip(&self) -> Result<LogTip> {
        match &self.of {
            Some(origin) => self.hub.mirrored_log_tip(origin.sha256()).await,
            None => self.hub.own_log_tip(),
        }
    }
}

impl Peer for HubPeer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> PeerFuture<'_, About> {
        self.ask(async {
            Ok(About { log: self.tip().await?.name, key: self.hub.federation_about().await?.key })
        })
    }

    fn events(&self, from: u64, limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        let query = PageQuery { from, limit: limit.min(self.page), select: Select::All };
        let page = self.ask(async move { self.hub.log_page(&self.tip().await?, query).await });
        Box::pin(async move { page.await.map(Some) })
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(self.hub.log_body(sha256))
    }

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(async move { self.hub.log_namespace(&self.tip().await?, nsid).await })
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
        self.ask(async move { self.hub.log_snapshot_part(&self.tip().await?, sha256).await })
    }

    fn tile(&self, tile: TileId) -> PeerFuture<'_, Bytes> {
        self.ask(async move { self.hub.log_tile(&self.tip().await?, tile).await })
    }

    fn bodies<'a>(&'a self, hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        let wanted: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        self.ask(async move { self.hub.log_body_list(&wanted).await })
    }

    fn ref_map(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(async move { self.hub.log_file(&self.tip().await?, rid, sha256, true).await })
    }

    fn manifest(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(async move { self.hub.log_file(&self.tip().await?, rid, sha256, false).await })
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        let runtime = tokio::runtime::Handle::current();
        let grant = runtime.block_on(self.hub.read_logged(rid))?;
        Ok(Box::new(Git { hub: self.hub.clone(), grant, runtime }))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        Arc::new(self.clone())
    }
}

impl ObjectSource for HubPeer {
    fn name(&self) -> &str {
        self.name
    }

    fn chunks(&self, oid: Sha256, from: u32) -> SourceFuture<'_, Bytes> {
        let chunks = self.ask(self.hub.public_chunks(oid, from, LIST_PAGE_CHUNKS_MAX));
        Box::pin(async move { chunks.await.map_err(not_had) })
    }

    fn range(&self, oid: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        let bytes = self.ask(async move {
            let file = self.hub.public_object(oid).await?.file;
            let mut bytes = vec![0; usize::try_from(place.size_bytes).expect("small")];
            in_place(|| file.read_exact_at(&mut bytes, place.offset)).map_err(Error::internal)?;
            Ok(body(&[&bytes]))
        });
        Box::pin(async move { bytes.await.map_err(not_had) })
    }

    fn extents(&self, oid: Sha256, places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        let bytes = self.ask(async move {
            let bytes = self.hub.public_extents(oid, &Extent::encode_all(&places)).await?;
            Ok(body(&[&bytes]))
        });
        Box::pin(async move { bytes.await.map_err(not_had) })
    }
}

/// The git server of one repository.
struct Git {
    hub: Hub,
    grant: Grant<Read>,
    runtime: tokio::runtime::Handle,
}

impl Exchange for Git {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let body = self.runtime.block_on(self.hub.advertise(&self.grant, Protocol::V2));
        let content_type = Some("application/x-git-upload-pack-advertisement".to_owned());
        let body = body.map_err(io::Error::other)?;
        Ok(Advertisement { content_type, body: Box::new(io::Cursor::new(body)) })
    }

    fn post(&self, protocol: Protocol, request: Vec<u8>) -> io::Result<RemoteBody> {
        let answer = async {
            let (request, plain) = (body(&[&request]), BodyEncoding::Identity);
            let asked = self.hub.upload_logged_pack(&self.grant, protocol, request, plain).await;
            let (mut stream, mut answer) = (asked.map_err(io::Error::other)?, Vec::new());
            while let Some(chunk) = stream.recv().await {
                answer.extend_from_slice(&chunk?);
            }
            io::Result::Ok(answer)
        };
        Ok(Box::new(io::Cursor::new(self.runtime.block_on(answer)?)))
    }
}

/// Lets a hub read all that a peer has of the log that it follows.
pub(crate) async fn read_all<P: Peer + Clone + 'static>(hub: &Hub, log: i64, peer: &P) -> Result<u64> {
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
