//! Asking others, while a followed hub is dead, where its namespaces have moved.
//!
//! Who answers is not believed: an operation counts for the namespace's own signature.

use std::sync::Arc;
use std::time::Duration;

use polder_db::{FollowSource, Upstream};
use polder_log::{Body, NamespaceChain, read_bodies};
use polder_types::Sha256;
use tokio::time::Instant;

use super::http::HttpPeer;
use super::peer::{Peer, PeerError};
use crate::Hub;
use crate::error::Result;

/// Time between two looks whether a hub is dead.
const LOOK_PERIOD: Duration = Duration::from_mins(1);
/// Others are asked no more often than this about one hub.
const ASK_PERIOD: Duration = Duration::from_hours(1);
/// Namespaces that are asked for at a time, and most others that are asked.
const NAMESPACES_MAX: i64 = 100;
const HUBS_MAX: usize = 8;
/// Others that do not answer so often in a row are not asked again this time.
const FAILURES_MAX: usize = 3;

impl Hub {
    /// Asks around, now and then, while an upstream does not answer.
    pub(super) async fn keep_asking_around(&self, upstream: &Upstream) {
        let (mut asked, mut after) = (None::<Instant>, None);
        loop {
            tokio::time::sleep(LOOK_PERIOD).await;
            if asked.is_some_and(|asked| asked.elapsed() < ASK_PERIOD) {
                continue;
            }
            match self.ask_if_dead(upstream.log, &mut after).await {
                Ok(true) => asked = Some(Instant::now()),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(url = upstream.url, error = %error.chain(), "cannot ask where namespaces moved");
                }
            }
        }
    }

    /// Asks for some namespaces after `after`, and says there where to go on; false when the home answers itself.
    pub(super) async fn ask_if_dead(&self, log: i64, after: &mut Option<Sha256>) -> Result<bool> {
        let upstream = self.db.upstream(log).await?.filter(|upstream| upstream.last_error.is_some());
        let Some(upstream) = upstream else { return Ok(false) };
        let peers = self.who_may_know(&upstream).await?;
        *after = self.ask_around(&upstream, &peers, *after).await?;
        Ok(true)
    }

    /// The other sources of an upstream, and the other hubs that are followed, as themselves.
    pub(super) async fn who_may_know(&self, upstream: &Upstream) -> Result<Vec<Arc<dyn Peer>>> {
        let mut peers: Vec<Arc<dyn Peer>> = Vec::new();
        for FollowSource { url, named, .. } in self.db.list_sources(upstream.log).await? {
            if let Ok(peer) = HttpPeer::stranger(&self.egress, &url, named) {
                peers.push(Arc::new(peer));
            }
        }
        for other in self.followed().await?.into_iter().filter(|other| other.log != upstream.log) {
            if peers.iter().all(|peer| peer.name() != other.url) {
                peers.push(self.peer(&other.url)?);
            }
        }
        peers.truncate(HUBS_MAX);
        Ok(peers)
    }

    /// Asks others for the operations of some of the namespaces that are at home at an upstream, and follows what
    /// those tell. Where to go on the next time; `None` for the beginning.
    pub(super) async fn ask_around(
        &self,
        upstream: &Upstream,
        peers: &[Arc<dyn Peer>],
        after: Option<Sha256>,
    ) -> Result<Option<Sha256>> {
        let page = self.db.namespaces_at(&upstream.url, after, NAMESPACES_MAX).await?;
        let is_full = i64::try_from(page.len()).is_ok_and(|count| count >= NAMESPACES_MAX);
        for peer in peers {
            let mut failures = 0;
            for nsid in &page {
                match peer.namespace(*nsid).await {
                    Ok(list) => {
                        failures = 0;
                        self.hear_chain(*nsid, &list, peer.name()).await?;
                    }
                    Err(PeerError::Missing | PeerError::Gone) => failures = 0,
                    Err(error) => {
                        tracing::info!(hub = peer.name(), error = %error.of(peer.name()), "it does not tell of a namespace");
                        failures += 1;
                        if failures >= FAILURES_MAX {
                            break;
                        }
                    }
                }
            }
        }
        Ok(page.last().copied().filter(|_| is_full))
    }

    /// Takes notice of the operations of a namespace that somebody gave, if they are that namespace's.
    async fn hear_chain(&self, nsid: Sha256, list: &[u8], by: &str) -> Result<()> {
        let bodies: Option<Vec<Body>> = read_bodies(list)
            .ok()
            .and_then(|bodies| bodies.into_iter().map(|body| Body::decode(body).ok()).collect());
        let bodies = bodies.unwrap_or_default();
        if !NamespaceChain::follow(&bodies).is_ok_and(|chain| chain.nsid == nsid) {
            tracing::warn!(%nsid, by, "what it says are the operations of a namespace are not");
            return Ok(());
        }
        for at in 1..bodies.len() {
            if let Some((body, older)) = bodies.get(..=at).and_then(<[Body]>::split_last) {
                self.hear_told(body, older).await?;
            }
        }
        Ok(())
    }
}
