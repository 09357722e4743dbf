//! What is being fetched for mirrors, for those who watch. Nothing of it is kept.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use polder_types::{RepoId, RepoName};
use tokio::sync::watch;

use crate::error::Result;
use crate::{Hub, TransferProgress, Wanted};

/// Most repositories whose fetches are shown at once.
const SHOWN_MAX: usize = 1_000;
/// Most of them that one status tells of.
const TOLD_MAX: usize = 8;

/// What this process fetches for mirrors, by repository.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    fetches: Mutex<HashMap<RepoId, Arc<Fetch>>>,
    /// Whether this process works on mirrors by itself.
    works: watch::Sender<bool>,
}

/// A process works on mirrors by itself until this is dropped.
pub(super) struct Works<'a>(&'a UnderWay);

impl Drop for Works<'_> {
    fn drop(&mut self) {
        self.0.works.send_replace(false);
    }
}

/// One that is under way.
#[derive(Debug)]
pub(super) struct Fetch {
    began: Instant,
    at: Mutex<At>,
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, Default)]
struct At {
    /// Objects that came, and all of them; git if there are none.
    objects: Option<(usize, usize)>,
    /// Bytes of them, and those that did not have to be received left out.
    done_bytes: u64,
    received_bytes: u64,
    of_bytes: Option<u64>,
    /// The one that comes now, not counted yet.
    coming: Option<Wanted>,
}

/// How far what is being fetched for a mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress {
    /// Large objects that have come, and all that are to come; `None` while it is git's pack.
    pub objects: Option<(usize, usize)>,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes of it all; git does not say.
    pub of_bytes: Option<u64>,
    /// Received on the average since it began.
    pub bytes_per_second: u64,
}

/// A fetch that is shown until this is dropped.
pub(super) struct Shown {
    hub: Hub,
    repo: RepoId,
    fetch: Arc<Fetch>,
}

impl UnderWay {
    fn fetches(&self) -> MutexGuard<'_, HashMap<RepoId, Arc<Fetch>>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process works on mirrors by itself from now on.
    pub(super) fn work(&self) -> Works<'_> {
        self.works.send_replace(true);
        Works(self)
    }

    pub(super) fn works(&self) -> bool {
        *self.works.borrow()
    }

    /// Waits until this process works on mirrors no more.
    pub(super) async fn no_more_work(&self) {
        let mut works = self.works.subscribe();
        // The sender is here as long as this waits.
        let _ended = works.wait_for(|works| !works).await;
    }
}

impl At {
    /// Before the first of these objects.
    fn before(all: &[Wanted]) -> Self {
        let of_bytes = all.iter().fold(0_u64, |sum, wanted| sum.saturating_add(wanted.size_bytes));
        Self { objects: Some((0, all.len())), of_bytes: Some(of_bytes), ..Self::default() }
    }
}

impl From<At> for Fetch {
    fn from(at: At) -> Self {
        Self { began: Instant::now(), at: Mutex::new(at) }
    }
}

impl Fetch {
    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So much of a pack came.
    pub(super) fn count(&self, bytes: u64) {
        let mut at = self.at();
        at.done_bytes = at.done_bytes.saturating_add(bytes);
        at.received_bytes = at.received_bytes.saturating_add(bytes);
    }

    /// An object comes now.
    pub(super) fn begin(&self, wanted: Wanted) {
        self.at().coming = Some(wanted);
    }

    /// It is here.
    pub(super) fn end(&self, size_bytes: u64, received_bytes: u64) {
        let mut at = self.at();
        at.coming = None;
        at.objects = at.objects.map(|(done, of)| (done + 1, of));
        at.done_bytes = at.done_bytes.saturating_add(size_bytes);
        at.received_bytes = at.received_bytes.saturating_add(received_bytes);
    }

    /// How far it is `now`; `of_coming` says how far an object that comes is.
    fn progress(
        &self,
        now: Instant,
        of_coming: impl FnOnce(&Wanted) -> Option<TransferProgress>,
    ) -> FetchProgress {
        let At { objects, done_bytes, received_bytes, of_bytes, coming } = *self.at();
        let coming = coming.and_then(|wanted| of_coming(&wanted)).unwrap_or_default();
        let passed = now.saturating_duration_since(self.began);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        let received = received_bytes.saturating_add(coming.fetched_bytes);
        FetchProgress {
            objects,
            done_bytes: done_bytes.saturating_add(coming.good_bytes),
            of_bytes,
            bytes_per_second: received.saturating_mul(1000) / millis,
        }
    }
}

impl Deref for Shown {
    type Target = Fetch;

    fn deref(&self) -> &Fetch {
        &self.fetch
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut fetches = self.hub.under_way.fetches();
        if fetches.get(&self.repo).is_some_and(|shown| Arc::ptr_eq(shown, &self.fetch)) {
            fetches.remove(&self.repo);
        }
    }
}

impl Hub {
    /// Shows that a pack is being fetched for a repository.
    pub(super) fn show_pack(&self, repo: RepoId) -> Shown {
        self.show(repo, At::default())
    }

    /// Shows that objects are being fetched for a repository.
    pub(super) fn show_objects(&self, repo: RepoId, all: &[Wanted]) -> Shown {
        self.show(repo, At::before(all))
    }

    fn show(&self, repo: RepoId, at: At) -> Shown {
        let fetch = Arc::new(Fetch::from(at));
        let mut fetches = self.under_way.fetches();
        if fetches.len() < SHOWN_MAX {
            fetches.insert(repo, Arc::clone(&fetch));
        }
        drop(fetches);
        Shown { hub: self.clone(), repo, fetch }
    }

    /// How far the fetch for a repository is, if this process fetches for it now.
    pub(super) fn fetch_progress(&self, repo: RepoId) -> Option<FetchProgress> {
        let fetch = self.under_way.fetches().get(&repo).cloned();
        fetch.map(|fetch| fetch.progress(Instant::now(), |wanted| self.transfer_progress(wanted)))
    }

    /// What this process fetches for mirrors now, at most eight of it: what began first.
    pub(super) async fn fetches_under_way(&self) -> Result<Vec<(RepoName, FetchProgress)>> {
        let mut began: Vec<(Instant, RepoId)> =
            self.under_way.fetches().iter().map(|(repo, fetch)| (fetch.began, *repo)).collect();
        began.sort_unstable();
        began.truncate(TOLD_MAX);
        let mut fetches = Vec::with_capacity(began.len());
        for (_, id) in began {
            if let (Some(repo), Some(progress)) = (self.db.repo(id).await?, self.fetch_progress(id)) {
                fetches.push((repo.name, progress));
            }
        }
        Ok(fetches)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polder_types::Sha256;

    use super::*;

    #[test]
    fn what_was_here_already_counts_as_done_and_not_as_received() {
        let wanted = |n, size_bytes| Wanted {
            repo: RepoId(1),
            oid: Sha256::new([n; 32]),
            size_bytes,
            xet: None,
            upstream: 1,
        };
        let all = [wanted(1, 1_000), wanted(2, 9_000)];
        let fetch = Fetch::from(At::before(&all));
        let nothing = |_: &Wanted| None;
        let seconds = |seconds| fetch.began + Duration::from_secs(seconds);
        let begun = FetchProgress {
            objects: Some((0, 2)),
            done_bytes: 0,
            of_bytes: Some(10_000),
            bytes_per_second: 0,
        };
        assert_eq!(fetch.progress(fetch.began, nothing), begun);
        fetch.begin(all[0]);
        fetch.end(1_000, 400);
        fetch.begin(all[1]);
        let coming = |wanted: &Wanted| {
            assert_eq!(wanted.oid, all[1].oid);
            Some(TransferProgress { good_bytes: 5_000, fetched_bytes: 2_000, ..TransferProgress::default() })
        };
        let half =
            FetchProgress { objects: Some((1, 2)), done_bytes: 6_000, bytes_per_second: 1_200, ..begun };
        assert_eq!(fetch.progress(seconds(2), coming), half);
        fetch.end(9_000, 3_600);
        let done =
            FetchProgress { objects: Some((2, 2)), done_bytes: 10_000, bytes_per_second: 2_000, ..begun };
        assert_eq!(fetch.progress(seconds(2), nothing), done);
    }

    #[test]
    fn of_a_pack_only_what_came_is_known() {
        let fetch = Fetch::from(At::default());
        fetch.count(700);
        fetch.count(300);
        let progress =
            FetchProgress { objects: None, done_bytes: 1_000, of_bytes: None, bytes_per_second: 1_000 };
        assert_eq!(fetch.progress(fetch.began + Duration::from_secs(1), |_| None), progress);
    }
}
