//! What is followed, and how far it is.

use polder_db::{FollowLimits, FollowSource, MirrorState, UpstreamState};
use polder_types::UnixMillis;

use super::hear_move::is_in;
use super::{FetchProgress, Lag, MoveSummary, PurgeBrake};
use crate::Hub;
use crate::error::Result;

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
    /// What is being fetched for it now.
    pub fetching: Option<FetchProgress>,
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
                    fetching: mirror.repo.and_then(|repo| self.fetch_progress(repo)),
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
}
