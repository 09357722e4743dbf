//! Bringing every mirror up to date at once, for somebody who waits and watches.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use polder_db::{MirrorEnd, MirrorState, Upstream};
use polder_types::{RepoName, UnixMillis};

use super::FetchProgress;
use super::sources::SourceSet;
use super::work::LEASE_SECONDS;
use crate::Hub;
use crate::error::{Error, Result};
use crate::exchange::Progress;

/// Time between two looks at what is still to be tried; other nodes may try it.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Most reasons that are given why mirrors are not up to date.
const REASONS_MAX: usize = 20;

/// How far a sync is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStatus {
    /// Mirrors that are still to be tried; no more than 1,000 of a hub are counted.
    pub to_go: u64,
    /// What this process fetches for mirrors, some of it.
    pub fetches: Vec<(RepoName, FetchProgress)>,
}

/// What came of a sync.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Mirrors that do not serve the newest, and hubs whose logs cannot be read.
    pub behind: u64,
    /// Why, of the first of them.
    pub reasons: Vec<String>,
}

/// An upstream and where what it signed can be had.
type Followed = (Upstream, Arc<SourceSet>);

impl Hub {
    /// Reads the logs of all upstreams to their present ends, and waits until everything was tried that is due or
    /// waits to be tried again, telling how far that is. The work is that of the process which follows: whoever
    /// waits for it no longer changes nothing. Where this process does not follow, it does the work itself.
    ///
    /// # Errors
    /// When the database cannot be read or written; [`crate::Kind::Unavailable`] when the hub is stopped meanwhile.
    pub async fn sync_now(
        &self,
        progress: Progress,
        status: impl Fn(SyncStatus) + Send + Sync,
    ) -> Result<SyncReport> {
        let mut all = Vec::new();
        for upstream in self.followed().await? {
            let sources = self.read_sources(upstream.log).await?;
            let sources = SourceSet::new(self.db.clone(), upstream.log, sources);
            all.push((upstream, Arc::new(sources)));
        }
        self.sync_from(&all, &progress, &status).await
    }

    pub(super) async fn sync_from(
        &self,
        all: &[Followed],
        progress: &Progress,
        status: &(impl Fn(SyncStatus) + Send + Sync),
    ) -> Result<SyncReport> {
        let (since, mut report) = (self.clock.now(), SyncReport::default());
        for (upstream, sources) in all {
            let read = Box::pin(self.read_to_the_end(sources)).await;
            self.ask_if_dead(upstream.log, &mut None).await?;
            match read {
                Ok(events) => progress(&format!("{}: {events} new events", upstream.url)),
                Err(error) => report.add(1, [format!("{}: {error}", upstream.url)]),
            }
            self.db.wake_mirrors(upstream.log).await?;
        }
        let work = async {
            if self.under_way.works() {
                self.mirrors_bell.send_replace(());
                tokio::select! {
                    tried = self.until_tried(all, since) => tried,
                    () = self.under_way.no_more_work() => Err(Error::unavailable(
                        "the hub is being stopped; its mirrors go on when it starts again",
                    )),
                }
            } else {
                Box::pin(self.try_all(all, since, progress)).await
            }
        };
        tokio::select! {
            worked = work => worked?,
            failed = self.keep_telling(all, since, status) => match failed? {},
        }
        for (upstream, _) in all {
            let room = i64::try_from(report.room()).unwrap_or(0);
            let (count, some) = self.db.mirrors_behind(upstream.log, room).await?;
            report.add(
                count,
                some.into_iter().map(|mirror| {
                    let why = mirror.why.map(|why| format!(": {why}")).unwrap_or_default();
                    format!("{} is {}{why}", mirror.path, mirror.state)
                }),
            );
        }
        Ok(report)
    }

    async fn count_to_go(&self, all: &[Followed], since: UnixMillis) -> Result<u64> {
        let mut to_go = 0_u64;
        for (upstream, _) in all {
            let now = self.clock.now();
            to_go += self.db.count_untried(upstream.log, now, since, LEASE_SECONDS).await?;
        }
        Ok(to_go)
    }

    async fn until_tried(&self, all: &[Followed], since: UnixMillis) -> Result<()> {
        while self.count_to_go(all, since).await? > 0 {
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        Ok(())
    }

    async fn keep_telling(
        &self,
        all: &[Followed],
        since: UnixMillis,
        status: &(impl Fn(SyncStatus) + Send + Sync),
    ) -> Result<Infallible> {
        loop {
            let to_go = self.count_to_go(all, since).await?;
            status(SyncStatus { to_go, fetches: self.fetches_under_way().await? });
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }

    /// Tries everything, one after the other, and waits for what other nodes try.
    async fn try_all(&self, all: &[Followed], since: UnixMillis, progress: &Progress) -> Result<()> {
        let mut tried = HashSet::new();
        loop {
            for (upstream, sources) in all {
                while let Some(mirror) =
                    self.db.claim_mirrors(upstream.log, LEASE_SECONDS, 1).await?.into_iter().next()
                {
                    if !tried.insert((mirror.log, mirror.rid, mirror.rseq)) {
                        let state = match mirror.state {
                            MirrorState::Waiting => MirrorState::Retry,
                            state => state,
                        };
                        let due = Some(self.clock.now().plus_seconds(1));
                        let why = mirror.last_error.clone().unwrap_or_default();
                        self.db.end_mirror(&mirror, MirrorEnd { state, why, due }).await?;
                        break;
                    }
                    progress(&format!("{}: event {}", mirror.path, mirror.rseq));
                    self.work_on(upstream, sources, &mirror).await?;
                }
            }
            if self.count_to_go(all, since).await? == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }
}

impl SyncReport {
    /// How many more reasons it takes.
    fn room(&self) -> usize {
        REASONS_MAX.saturating_sub(self.reasons.len())
    }

    fn add(&mut self, behind: u64, reasons: impl IntoIterator<Item = String>) {
        let room = self.room();
        self.behind += behind;
        self.reasons.extend(reasons.into_iter().take(room));
    }
}
