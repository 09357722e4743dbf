//! Counting downloads: in memory, written some seconds later, many at a time.
//!
//! One is a clone, a batch of large objects, or a file by its path; who asked is not kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use polder_db::Downloads;
use polder_types::{RepoId, RepoName};

use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::Result;

/// Most repositories that are counted between two writes; downloads of others are not.
const COUNTED_MAX: usize = 10_000;
/// Time between two writes.
const PERIOD: Duration = Duration::from_secs(5);
/// Days that are shown.
const SHOWN_DAYS: i64 = 30;
/// Days of a trend.
const TREND_DAYS: i64 = 7;
/// Most hubs that are shown.
const ORIGINS_MAX: i64 = 100;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// What is not written yet, by repository and day.
#[derive(Default)]
pub(crate) struct Counter(Mutex<HashMap<(RepoId, i64), i64>>);

/// Downloads of a repository in the last thirty days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadSummary {
    /// From this hub.
    pub here: i64,
    /// From hubs that mirror it, as they say themselves: the origin, and how many.
    pub relayed: Vec<(String, i64)>,
}

impl Hub {
    /// Today in UTC, in days since 1970.
    pub(crate) fn today(&self) -> i64 {
        self.clock.now().0.div_euclid(DAY_MILLIS)
    }

    /// The first day whose downloads are shown.
    pub(crate) fn shown_since(&self) -> i64 {
        self.today() - SHOWN_DAYS + 1
    }

    /// The first day of a trend.
    pub(crate) fn trend_since(&self) -> i64 {
        self.today() - TREND_DAYS + 1
    }

    /// Counts a download by who may read the repository.
    pub fn count_download(&self, grant: &Grant<Read>) {
        self.count_download_of(grant.repo_id());
    }

    pub(crate) fn count_download_of(&self, repo: RepoId) {
        let key = (repo, self.today());
        let mut counts = self.downloads.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < COUNTED_MAX || counts.contains_key(&key) {
            let times = counts.entry(key).or_default();
            *times = times.saturating_add(1);
        }
    }

    /// Writes what was counted. Ends never; what cannot be written is written the next time.
    pub(crate) async fn keep_downloads(&self) {
        loop {
            tokio::time::sleep(PERIOD).await;
            if let Err(error) = self.write_downloads().await {
                tracing::warn!(error = %error.chain(), "cannot write how often repositories were downloaded");
            }
        }
    }

    /// Writes what was counted since the last time.
    pub(crate) async fn write_downloads(&self) -> Result<()> {
        let counts = std::mem::take(&mut *self.downloads.0.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return Ok(());
        }
        let counted: Vec<Downloads> = counts
            .iter()
            .map(|((repo, day), times)| Downloads { repo: *repo, day: *day, times: *times })
            .collect();
        let all = counted.iter().map(|one| one.times.unsigned_abs()).fold(0, u64::saturating_add);
        if let Err(error) = self.db.add_downloads(counted).await {
            let mut held = self.downloads.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, times) in counts {
                let sum = held.entry(key).or_default();
                *sum = sum.saturating_add(times);
            }
            return Err(error.into());
        }
        self.figures.activities.clear();
        metrics::counter!("polder_downloads_total").increment(all);
        Ok(())
    }

    /// How often a repository was downloaded in the last thirty days.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is none.
    pub async fn repo_downloads(&self, name: &RepoName) -> Result<DownloadSummary> {
        let repo = self.live_repo(name).await?;
        self.write_downloads().await?;
        let since = self.shown_since();
        Ok(DownloadSummary {
            here: self.db.downloads_since(repo.id, since).await?,
            relayed: self.db.relayed_since(repo.id, since, ORIGINS_MAX).await?,
        })
    }
}
