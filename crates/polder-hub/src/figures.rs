//! Numbers that are shown with a repository and cost a look at many rows: remembered.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use polder_db::Activity;
use polder_types::{ObjectId, RepoId};

use crate::Hub;
use crate::access::{Grant, See, Sees};
use crate::error::Result;
use crate::fresh::Fresh;

/// Of how many repositories they are remembered.
const REPOS_MAX: u64 = 10_000;
/// How long what a repository takes is remembered: large objects come and go without a commit.
const USED_FOR: Duration = Duration::from_mins(1);

/// How much of what commits say is remembered that are no tip of a default branch, in bytes of JSON, and how long: what
/// a lazy mirror had not fetched may be here later.
const FACTS_BYTES_MAX: u64 = 32 << 20;
const FACTS_FOR: Duration = Duration::from_mins(10);

pub(crate) struct Figures {
    /// By repository and the day that they are of. Cleared when likes or downloads are written.
    pub(crate) activities: Fresh<(RepoId, i64), Activity>,
    /// By repository and what its default branch is.
    used_bytes: Cache<(RepoId, Option<ObjectId>), i64>,
    /// [`crate::Facts`] as JSON, by repository and commit.
    pub(crate) facts: Cache<(RepoId, ObjectId), Arc<str>>,
}

impl Figures {
    pub(crate) fn new(is_shared: bool) -> Self {
        Self {
            activities: Fresh::new(REPOS_MAX, is_shared),
            used_bytes: Cache::builder().max_capacity(REPOS_MAX).time_to_live(USED_FOR).build(),
            facts: Cache::builder()
                .weigher(|_of, json: &Arc<str>| u32::try_from(json.len()).unwrap_or(u32::MAX))
                .max_capacity(FACTS_BYTES_MAX)
                .time_to_live(FACTS_FOR)
                .build(),
        }
    }
}

impl Hub {
    /// Downloads of a repository here in thirty days and as long as they are counted; its trend of seven days.
    pub(crate) async fn activity_of(&self, repo: RepoId) -> Result<Activity> {
        let read = self.db.activity(repo, self.shown_since(), self.trend_since());
        Ok(self.figures.activities.get((repo, self.today()), read).await?)
    }

    /// The same of a repository that the caller may know of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn activity_seen(&self, grant: &Grant<See>) -> Result<Activity> {
        self.activity_of(grant.repo_id()).await
    }

    /// Bytes of a repository's packs and of the large objects that it links, as they were less than a minute ago and
    /// since its default branch is at this commit.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn used_bytes(&self, grant: &Grant<impl Sees>, commit_id: Option<ObjectId>) -> Result<i64> {
        let key = (grant.repo_id(), commit_id);
        if let Some(bytes) = self.figures.used_bytes.get(&key) {
            return Ok(bytes);
        }
        let bytes = self.db.repo_bytes(key.0).await?;
        self.figures.used_bytes.insert(key, bytes);
        Ok(bytes)
    }
}
