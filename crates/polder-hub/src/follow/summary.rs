//! What is followed, and how far it is.

use std::collections::HashSet;
use std::sync::Arc;

use polder_db::{FollowLimits, FollowSource, MirrorEnd, MirrorState, UpstreamState};
use polder_types::UnixMillis;

use super::hear_move::is_in;
use super::sources::SourceSet;
use super::{Lag, MoveSummary, PurgeBrake};
use crate::Hub;
use crate::error::Result;
use crate::exchange::Progress;

/// Mirrors read at a time.
const PAGE: i64 = 500;

/// A hub that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSummary {
    /// Base of its URLs.
    pub url: String,
    /// Its origin.
    pub origin: String,
    /// Whether it is.
    pub state: UpstreamState,
    /// How far behind it what is here is.
    pub lag: Lag,
    /// When it last answered.
    pub heard_at: Option<UnixMillis>,
    /// What is wrong, if anything.
    pub last_error: Option<String>,
    /// What limits its mirrors.
    pub limits: FollowLimits,
    /// Bytes that they hold, as the budget counts them.
    pub held_bytes: u64,
    /// Why nothing of it is purged, if that waits for the operator.
    pub brake: Option<PurgeBrake>,
    /// Where else what it signed can be had.
    pub sources: Vec<FollowSource>,
    /// Namespaces that moved to it.
    pub moves: Vec<MoveSummary>,
    /// Its mirrors.
    pub mirrors: Vec<MirrorSummary>,
}

/// A mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorSummary {
    /// Its id at home.
    pub path: String,
    /// How far it is.
    pub state: MirrorState,
    /// Events of it that are known and not served yet.
    pub lag_events: u64,
    /// Since when it is so.
    pub changed_at: UnixMillis,
    /// What went wrong the last time.
    pub last_error: Option<String>,
    /// The origin of the hub that its namespace moved to, if nothing is followed there.
    pub moved_to: Option<String>,
}

impl Hub {
    /// Every hub that is followed, with its mirrors.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_followed(&self) -> Result<Vec<UpstreamSummary>> {
        let (mut summaries, mut contradictions) = (Vec::new(), self.contradictions().await?);
        for upstream in self.db.list_upstreams().await? {
            let Some(log) = self.db.log(upstream.log).await? else { continue };
            let (mut mirrors, mut after) = (Vec::new(), None);
            let elsewhere = self.db.list_elsewhere(upstream.log).await?;
            let moved_to = |path: &str| {
                let newest = elsewhere.iter().rev().find(|which| is_in(path, &which.handle));
                newest.map(|which| which.origin.clone())
            };
            loop {
                let page = self.db.list_mirrors(upstream.log, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.rid);
                mirrors.extend(page.into_iter().map(|mirror| MirrorSummary {
                    moved_to: moved_to(&mirror.path),
                    path: mirror.path,
                    state: mirror.state,
                    lag_events: mirror.rseq.saturating_sub(mirror.ready_rseq),
                    changed_at: mirror.changed_at,
                    last_error: mirror.last_error,
                }));
            }
            let brake = self.purge_brake(&upstream).await?;
            let sources = self.db.list_sources(upstream.log).await?;
            let standings = self.db.mirror_standings(upstream.log).await?;
            let lag = self.lag(&upstream, &log, &sources, &standings).await?;
            summaries.push(UpstreamSummary {
                brake,
                limits: upstream.limits,
                held_bytes: self.db.upstream_bytes(upstream.log).await?,
                url: upstream.url,
                origin: log.name.origin.to_string(),
                state: upstream.state,
                lag,
                heard_at: upstream.heard_at,
                last_error: upstream.last_error.or(contradictions.remove(&upstream.log)),
                sources,
                moves: self.moves_hither(upstream.log).await?,
                mirrors,
            });
        }
        Ok(summaries)
    }

    /// Reads the logs of all upstreams to their present ends, and works on everything that is due or waits to
    /// be tried again, telling what it does. Says how many mirrors have nothing new to serve because of some
    /// trouble.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn sync_now(&self, progress: Progress) -> Result<usize> {
        let mut troubled = 0;
        for upstream in self.followed().await? {
            let sources = self.read_sources(upstream.log).await?;
            let sources = Arc::new(SourceSet::new(self.db.clone(), upstream.log, sources));
            let read = self.read_to_the_end(&sources).await;
            self.ask_if_dead(upstream.log, &mut None).await?;
            match read {
                Ok(events) => progress(&format!("{}: {events} new events", upstream.url)),
                Err(error) => {
                    progress(&format!("{}: {error}", upstream.url));
                    troubled += 1;
                    continue;
                }
            }
            self.db.wake_mirrors(upstream.log).await?;
            let mut tried = HashSet::new();
            loop {
                let claimed = self.db.claim_mirrors(upstream.log, super::work::LEASE_SECONDS, 1).await?;
                let Some(mirror) = claimed.into_iter().next() else { break };
                if !tried.insert((mirror.rid, mirror.rseq)) {
                    let due = Some(self.clock.now().plus_seconds(1));
                    let why = mirror.last_error.clone().unwrap_or_default();
                    self.db.end_mirror(&mirror, MirrorEnd { state: MirrorState::Retry, why, due }).await?;
                    break;
                }
                progress(&format!("{}: event {}", mirror.path, mirror.rseq));
                if let Some(why) = self.work_on(&upstream, &sources, &mirror).await? {
                    troubled += 1;
                    progress(&format!("{}: {why}", mirror.path));
                }
            }
        }
        Ok(troubled)
    }
}
