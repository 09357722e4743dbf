//! Following other hubs: their logs are read page by page, their repositories mirrored one by one.
//!
//! Nothing that a source says is believed: leaves are proven to be in the log that the origin signed, bodies
//! are those that the leaves name, ref maps those that the bodies name, and what the refs reach goes through
//! the same quarantine and checks as a push. A mirror is shown only when all of that is here; what the origin
//! takes away is hidden in the transaction that reads of it, whatever a worker is doing.

mod admit;
mod ask_around;
#[cfg(test)]
mod attacks;
mod attest;
mod begin;
mod bootstrap;
mod counts;
#[cfg(test)]
mod counts_tests;
mod elsewhere;
#[cfg(test)]
mod evil;
mod from_peer;
mod gauges;
mod hear_move;
#[cfg(test)]
mod hearing_tests;
mod http;
#[cfg(test)]
pub(crate) mod hub_peer;
mod incomplete;
#[cfg(test)]
mod incomplete_tests;
mod judge_move;
mod keys;
mod lag;
#[cfg(test)]
mod lag_tests;
mod lazy;
#[cfg(test)]
mod lies;
mod limits;
#[cfg(test)]
mod limits_tests;
mod metered;
mod move_here;
mod move_summary;
#[cfg(test)]
mod moved_tests;
mod moves;
#[cfg(test)]
pub(crate) mod moving_tests;
mod objects;
mod packs;
#[cfg(test)]
mod packs_tests;
#[cfg(test)]
mod passing_over;
mod peer;
mod poll;
mod prune;
#[cfg(test)]
mod prune_tests;
mod purge;
#[cfg(test)]
mod purge_tests;
mod read;
#[cfg(test)]
mod rehearsal;
mod reselect;
pub(crate) mod select;
#[cfg(test)]
mod select_tests;
mod selection;
#[cfg(test)]
mod side_by_side;
#[cfg(test)]
mod simulation;
mod sources;
mod summary;
mod sync;
#[cfg(test)]
mod sync_tests;
mod take;
mod targets;
mod under_way;
mod unknown;
#[cfg(test)]
mod unsigned_tests;
mod via;
mod work;

pub use begin::{FollowRequest, Followed};
pub use lag::Lag;
pub use lazy::{AwayObject, OpenObject};
pub use move_here::{MoveRequest, MovedHere};
pub use move_summary::MoveSummary;
pub use peer::{About, NewestSnapshot, Peer, PeerError, PeerFuture};
pub use polder_db::{
    FollowLimits, FollowRule, FollowSource, LimitChange, LimitChanges, MirrorMode, MirrorState, MoveState,
    UpstreamState,
};
pub use purge::PurgeBrake;
pub use summary::{MirrorSummary, UpstreamSummary};
pub use sync::{SyncReport, SyncStatus};
pub use under_way::FetchProgress;
pub use via::Via;

pub(crate) use admit::{Admitted, Intakes};
pub(crate) use begin::RULES_MAX;
pub(crate) use counts::Asked;
pub(crate) use from_peer::TakenOver;
pub(crate) use http::{
    CHAIN_BYTES_MAX, CHECKPOINT_BYTES_MAX, MANIFEST_BYTES_MAX, PART_BYTES_MAX, TILE_BYTES_MAX,
};
pub(crate) use keys::HUB;
pub(crate) use objects::PeerObjects;
pub(crate) use packs::PackTries;
pub(crate) use under_way::UnderWay;
pub(crate) use via::Mark;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use polder_db::Upstream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use self::sources::SourceSet;
use crate::Hub;
use crate::error::Result;

/// Longest time between two looks at what is followed; other nodes may have changed it.
const LOOK_PERIOD: Duration = Duration::from_secs(30);

/// The following of one upstream.
struct Following {
    task: AbortHandle,
    /// As the operator wants it.
    wish: Wish,
    changes: watch::Sender<()>,
}

/// What an operator may change of an upstream.
#[derive(PartialEq, Eq)]
struct Wish {
    url: String,
    sources: Vec<String>,
    rules: Vec<FollowRule>,
}

impl Hub {
    /// Follows what there is to follow. Ends never; what goes wrong is written down with its upstream or
    /// mirror and tried again.
    pub(crate) async fn keep_following(&self) {
        let _works = self.under_way.work();
        let mut running = JoinSet::new();
        let mut started: HashMap<i64, Following> = HashMap::new();
        loop {
            if let Err(error) = self.start_following(&mut started, &mut running).await {
                tracing::error!(error = %error.chain(), "cannot look for hubs to follow");
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

    /// Starts following what is new, ends what is not followed any more, and tells the others of changes.
    async fn start_following(
        &self,
        started: &mut HashMap<i64, Following>,
        running: &mut JoinSet<()>,
    ) -> Result<()> {
        let upstreams = self.followed().await?;
        started.retain(|log, following| {
            let stays = !following.task.is_finished() && upstreams.iter().any(|one| one.log == *log);
            if !stays {
                following.task.abort();
            }
            stays
        });
        for upstream in upstreams {
            let sources = self.db.list_sources(upstream.log).await?;
            let wish = Wish {
                url: upstream.url.clone(),
                sources: sources.into_iter().map(|source| source.url).collect(),
                rules: self.db.follow_rules(upstream.log).await?,
            };
            match started.get_mut(&upstream.log) {
                None => {
                    let (hub, log, changes) = (self.clone(), upstream.log, watch::Sender::new(()));
                    let change = changes.subscribe();
                    let task = running.spawn(async move { hub.follow_upstream(upstream, change).await });
                    started.insert(log, Following { task, wish, changes });
                }
                Some(following) if following.wish != wish => {
                    following.wish = wish;
                    following.changes.send_replace(());
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn followed(&self) -> Result<Vec<Upstream>> {
        let mut upstreams = self.db.list_upstreams().await?;
        let blocked = self.db.blocked_logs().await?;
        upstreams.retain(|one| one.state == UpstreamState::Following && !blocked.contains(&one.log));
        Ok(upstreams)
    }

    /// Reads its log and works on its mirrors, each by itself, so that no upstream waits for another.
    async fn follow_upstream(&self, upstream: Upstream, change: watch::Receiver<()>) {
        match self.read_sources(upstream.log).await {
            Ok(sources) => {
                let sources = Arc::new(SourceSet::new(self.db.clone(), upstream.log, sources));
                self.follow_from(&upstream, &sources, change).await;
            }
            Err(error) => {
                tracing::error!(url = upstream.url, error = %error.chain(), "cannot follow this hub");
            }
        }
    }

    async fn follow_from(&self, upstream: &Upstream, sources: &Arc<SourceSet>, change: watch::Receiver<()>) {
        let bell = tokio::sync::Notify::new();
        tokio::join!(
            self.keep_reading(upstream, sources, change, &bell),
            self.keep_mirroring(upstream, sources, &bell),
            Box::pin(self.keep_asking_around(upstream))
        );
    }
}
