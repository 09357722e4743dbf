//! How far behind its home what is here of a hub is.

use polder_db::{FollowSource, Log, MirrorStanding, Upstream, UpstreamState};
use polder_types::UnixMillis;

use crate::Hub;
use crate::error::Result;

/// How far behind a hub its log and its mirrors are here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events that the hub is known to have signed and that are not read here yet.
    pub events: u64,
    /// Age of the oldest event, by the time that the hub has signed, that is not read here, or of whose
    /// repository an older state is served; 0 when there is none, or when the hub's clock is ahead. For events
    /// not read yet the time of the last that was is taken, which is no later.
    pub seconds: u64,
    /// Time since the hub, or any other source of what it signed, answered well; `None` for never.
    pub heard_seconds: Option<u64>,
}

impl Hub {
    /// How far behind an upstream is; of one that is not followed any more nothing is awaited.
    pub(super) async fn lag(
        &self,
        upstream: &Upstream,
        log: &Log,
        sources: &[FollowSource],
        standings: &[MirrorStanding],
    ) -> Result<Lag> {
        if upstream.state == UpstreamState::Unfollowed {
            return Ok(Lag::default());
        }
        let now = self.clock.now();
        let unread = self.unread_since(upstream, log).await?;
        let behind = standings.iter().filter(|one| one.state.is_behind());
        let oldest = behind.filter_map(|one| one.behind_since).chain(unread).min();
        let heard = sources.iter().filter_map(|source| source.heard_at).chain(upstream.heard_at).max();
        Ok(Lag {
            events: upstream.signed.saturating_sub(log.tree.size()),
            seconds: oldest.map_or(0, |since| seconds_between(since, now)),
            heard_seconds: heard.map(|at| seconds_between(at, now)),
        })
    }

    /// A time before which nothing happened that is signed and not read here.
    async fn unread_since(&self, upstream: &Upstream, log: &Log) -> Result<Option<UnixMillis>> {
        let size = log.tree.size();
        if upstream.signed <= size {
            return Ok(None);
        }
        if size <= log.min_index {
            // Begun with a snapshot, which has no leaves.
            return Ok(Some(log.appended_at));
        }
        let last = self.db.log_leaves(log.id, size - 1, size, 1).await?;
        Ok(last.first().map(|leaf| UnixMillis(i64::try_from(leaf.time_ms).unwrap_or(i64::MAX))))
    }
}

/// None if the later comes before the earlier, as clocks of different hubs have it.
fn seconds_between(earlier: UnixMillis, later: UnixMillis) -> u64 {
    u64::try_from(later.0.saturating_sub(earlier.0) / 1000).unwrap_or(0)
}
