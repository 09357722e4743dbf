//! Following other hubs: their logs are read page by page, their repositories mirrored one by one.
//!
//! Nothing that a source says is believed: leaves are proven to be in the log that the origin signed, bodies
//! are those that the leaves name, ref maps those that the bodies name, and what the refs reach goes through
//! the same quarantine and checks as a push. A mirror is shown only when all of that is here; what the origin
//! takes away is hidden in the transaction that reads of it, whatever a worker is doing.

#[cfg(test)]
mod attacks;
mod attest;
mod begin;
mod bootstrap;
mod http;
#[cfg(test)]
pub(crate) mod hub_peer;
mod keys;
mod lazy;
mod objects;
mod peer;
mod purge;
#[cfg(test)]
mod purge_tests;
mod read;
#[cfg(test)]
mod rehearsal;
mod reselect;
mod select;
mod summary;
mod work;

pub use begin::{FollowRequest, Followed};
pub use lazy::{AwayObject, OpenObject};
pub use peer::{About, NewestSnapshot, Peer, PeerError, PeerFuture};
pub use polder_db::{FollowRule, MirrorMode, MirrorState, UpstreamState};
pub use purge::PurgeBrake;
pub use summary::{MirrorSummary, UpstreamSummary};

pub(crate) use objects::PeerObjects;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use polder_db::Upstream;
use tokio::task::{AbortHandle, JoinSet};

use crate::Hub;
use crate::error::Result;

/// Longest time between two looks at what is followed; other nodes may have changed it.
const LOOK_PERIOD: Duration = Duration::from_secs(30);

impl Hub {
    /// Follows what there is to follow. Ends never; what goes wrong is written down with its upstream or
    /// mirror and tried again.
    pub(crate) async fn keep_following(&self) {
        let mut running = JoinSet::new();
        let mut started: HashMap<i64, AbortHandle> = HashMap::new();
        loop {
            match self.followed().await {
                Ok(upstreams) => {
                    started.retain(|log, task| {
                        let stays = !task.is_finished() && upstreams.iter().any(|one| one.log == *log);
                        if !stays {
                            task.abort();
                        }
                        stays
                    });
                    for upstream in upstreams {
                        let hub = self.clone();
                        started.entry(upstream.log).or_insert_with(|| {
                            running.spawn(async move { hub.follow_upstream(upstream).await })
                        });
                    }
                }
                Err(error) => tracing::error!(error = %error.chain(), "cannot look for hubs to follow"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_PERIOD) => {}
                () = self.follow_bell.notified() => {}
                Some(ended) = running.join_next() => {
                    if let Err(error) = ended && !error.is_cancelled() {
                        tracing::error!(%error, "following a hub died; it begins again");
                    }
                }
            }
        }
    }

    async fn followed(&self) -> Result<Vec<Upstream>> {
        let mut upstreams = self.db.list_upstreams().await?;
        let blocked = self.db.blocked_logs().await?;
        upstreams.retain(|one| one.state == UpstreamState::Following && !blocked.contains(&one.log));
        Ok(upstreams)
    }

    /// Reads its log and works on its mirrors, each by itself, so that no upstream waits for another.
    async fn follow_upstream(&self, upstream: Upstream) {
        match self.peer(&upstream.url) {
            Ok(peer) => {
                let bell = tokio::sync::Notify::new();
                tokio::join!(
                    self.keep_reading(&upstream, &*peer, &bell),
                    self.keep_mirroring(&upstream, &peer, &bell)
                );
            }
            Err(error) => {
                tracing::error!(url = upstream.url, error = %error.chain(), "cannot follow this hub");
            }
        }
    }

    pub(crate) fn peer(&self, url: &str) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(http::HttpPeer::new(&self.egress, url, "polder/v1".to_owned())?))
    }

    /// What another hub gives out of the log of `origin`.
    pub(crate) fn mirror_peer(&self, url: &str, origin: &polder_log::Origin) -> Result<Arc<dyn Peer>> {
        let prefix = format!("polder/v1/mirror/{}", origin.sha256());
        Ok(Arc::new(http::HttpPeer::new(&self.egress, url, prefix)?))
    }
}
