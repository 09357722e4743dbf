//! What of a log is no longer kept, as time goes on.

use polder_db::Log;
use polder_log::TILE_WIDTH;
use polder_types::UnixMillis;

use crate::Hub;
use crate::error::Result;

/// Most bundles that one round drops.
const BUNDLES_MAX: usize = 4_000;
const DAY_SECONDS: i64 = 24 * 3600;

impl Hub {
    /// Stops keeping events of the own log that are older than they must be kept and that two snapshots stand
    /// for; says how many.
    pub(crate) async fn prune_own_log(&self) -> Result<u64> {
        let Some(log) = self.db.own_log().await? else { return Ok(0) };
        let dropped = self.prune_log(&log).await?;
        if dropped > 0
            && let Some(log) = self.db.log(log.id).await?
        {
            self.give_out(&log);
        }
        Ok(dropped)
    }

    /// Stops keeping events of a log that are older than they must be kept and that two snapshots stand for; the
    /// newest of every repository and all of hubs and namespaces stay. Says how many.
    pub(crate) async fn prune_log(&self, log: &Log) -> Result<u64> {
        let needed_from = self.needed_from(log).await?;
        let kept_since = self.log_kept_since();
        let mut min = log.min_index;
        for _ in 0..BUNDLES_MAX {
            let end = min + TILE_WIDTH;
            if end > needed_from || !self.is_before(log, end, kept_since).await? {
                break;
            }
            let pruned = self.db.prune_log(log.id, end).await?;
            if pruned == min {
                break;
            }
            min = pruned;
        }
        let dropped = min - log.min_index;
        if dropped > 0 {
            tracing::info!(log = %log.name, dropped, kept_from = min, "dropped old events of a log");
        }
        Ok(dropped)
    }

    /// Whether a log begins with events that are older than they must be kept.
    pub(crate) async fn is_old(&self, log: &Log) -> Result<bool> {
        let end = log.min_index + TILE_WIDTH;
        Ok(end <= log.checkpoint_size && self.is_before(log, end, self.log_kept_since()).await?)
    }

    fn log_kept_since(&self) -> UnixMillis {
        self.clock.now().plus_seconds(-self.federation.keep_days.saturating_mul(DAY_SECONDS))
    }

    /// Whether the event before `end`, and thus all before it, happened before `time`.
    async fn is_before(&self, log: &Log, end: u64, time: UnixMillis) -> Result<bool> {
        let last = self.db.log_leaves(log.id, end - 1, end, 1).await?;
        let time = u64::try_from(time.0).unwrap_or(0);
        Ok(last.first().is_some_and(|leaf| leaf.time_ms < time))
    }
}

/// Lets the own log say `count` times that nothing happened.
#[cfg(test)]
pub(crate) async fn beat(hub: &Hub, count: usize) {
    use super::author::{Author, entry};
    let log = hub.db.own_log().await.expect("read").expect("begun");
    let author = Author { log: log.name.clone(), keys: hub.keys.namespaces() };
    let beat = || author.statement(polder_log::EventType::Heartbeat, hub.clock.now()).expect("random");
    let bodies = (0..count).map(|_| entry(&beat().seal(&[]).expect("sealed"))).collect();
    hub.db.append_to_log(log.append(bodies)).await.expect("appended");
    hub.sequence_once().await.expect("sequenced");
    hub.snapshot_if_due().await.expect("made if due");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::tests::{fixture, repo};
    use crate::{Kind, PageQuery, Select};

    async fn newest(hub: &Hub) -> Option<u64> {
        hub.newest_log_snapshot(&hub.own_log_tip().expect("a log")).await.expect("read")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn snapshots_come_with_growth_and_old_events_go_once_two_stand_for_them() {
        let place = fixture().await;
        let hub = &place.hub;
        hub.begin_log().await.expect("begun");
        hub.sequence_once().await.expect("sequenced");
        let first = hub.own_log_tip().expect("a log").size;
        beat(hub, 9_999 - usize::try_from(first).expect("few")).await;
        assert_eq!(newest(hub).await, None, "not yet");
        beat(hub, 1).await;
        assert_eq!(newest(hub).await, Some(10_000));
        beat(hub, 9_000).await;
        assert_eq!(newest(hub).await, Some(10_000), "the next is due at 20,000");
        hub.delete_repo(&repo("acme/open")).await.expect("deleted");
        beat(hub, 1_000).await;
        let second = newest(hub).await.expect("made");
        assert!(second >= 20_000);

        assert_eq!(hub.prune_own_log().await.expect("pruned"), 0, "nothing is old");
        place.millis.fetch_add(91 * 24 * 3_600_000, Ordering::Relaxed);
        hub.log_upkeep_once().await.expect("done");
        let tip = hub.own_log_tip().expect("a log");
        assert_eq!(tip.min_index, 9_984, "the last bundle that ends before the older snapshot");
        let query = |from| PageQuery { from, limit: 10, select: Select::All };
        assert_eq!(hub.log_page(&tip, query(9_983)).await.expect_err("dropped").kind(), Kind::Gone);
        hub.log_page(&tip, query(9_984)).await.expect("kept");
        assert_eq!(newest(hub).await, Some(second));
        // A hub that starts again knows when the next one is due.
        *hub.own_log.lead.lock().await = None;
        beat(hub, 1).await;
        assert_eq!(newest(hub).await, Some(second));
        let keys = hub.log_key().await.expect("the first event's body is kept");
        assert_eq!(keys.generation, 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_after_where_the_older_snapshot_is_of_is_kept() {
        let place = fixture().await;
        let hub = &place.hub;
        hub.begin_log().await.expect("begun");
        beat(hub, 600).await;
        let size = hub.own_log_tip().expect("a log").size;
        let mut making = hub.begin_snapshot().await.expect("begun");
        beat(hub, 600).await;
        while hub.make_part(&mut making).await.expect("made") {}
        hub.tell_snapshot(making).await.expect("told");
        hub.delete_repo(&repo("acme/open")).await.expect("deleted");
        hub.sequence_once().await.expect("sequenced");
        hub.snapshot_log().await.expect("made");
        place.millis.fetch_add(91 * 24 * 3_600_000, Ordering::Relaxed);
        hub.prune_own_log().await.expect("pruned");
        assert_eq!(hub.own_log_tip().expect("a log").min_index, size - size % 256);
    }
}
