//! Removing what was taken away at home: after a grace, and not where suspiciously much was.

use std::collections::VecDeque;

use polder_db::{MirrorMode, MirrorState, Purgeable, Upstream};
use polder_types::UnixMillis;

use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Result};

/// How close in time removals are one storm, in seconds.
const STORM_SECONDS: i64 = 24 * 3600;
/// Fewer removals than this are no storm, however few repositories there are.
const STORM_MIN: i64 = 5;
/// More than one of so many of an upstream's repositories are a storm.
const STORM_SHARE: i64 = 10;
/// Rows read at a time.
const PAGE: i64 = 500;

/// More removals within a day than are believed without the operator's word: nothing is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgeBrake {
    /// Repositories taken away within a day, at least.
    pub taken_away: i64,
    /// Repositories that the upstream has here.
    pub of: i64,
}

/// The removals of the last day, as they are told in the order of time.
#[derive(Default)]
struct Window {
    groups: VecDeque<(UnixMillis, i64)>,
    count: i64,
}

impl Window {
    /// How many there were in the day that ends now.
    fn push(&mut self, at: UnixMillis, count: i64) -> i64 {
        self.groups.push_back((at, count));
        self.count += count;
        while let Some((first, count)) = self.groups.front().copied()
            && first <= at.plus_seconds(-STORM_SECONDS)
        {
            self.groups.pop_front();
            self.count -= count;
        }
        self.count
    }
}

fn is_storm(taken_away: i64, of: i64) -> bool {
    taken_away >= STORM_MIN && taken_away.saturating_mul(STORM_SHARE) > of
}

impl Hub {
    /// Purges what every followed hub took away longer ago than the grace lasts, and hides what moves left behind.
    pub(crate) async fn purge_mirrors(&self) -> Result<()> {
        for upstream in self.followed().await? {
            self.hide_unknown(upstream.log).await?;
            self.purge_mirrors_of(&upstream).await?;
        }
        Ok(())
    }

    /// Whether the purging of an upstream's mirrors waits for the operator.
    pub(crate) async fn purge_brake(&self, upstream: &Upstream) -> Result<Option<PurgeBrake>> {
        let of = self.db.count_held_mirrors(upstream.log).await?;
        let (mut window, mut after) =
            (Window::default(), upstream.purge_until.unwrap_or(UnixMillis(i64::MIN)));
        loop {
            let page = self.db.list_taken_away(upstream.log, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            after = *last;
            for (at, count) in page {
                let taken_away = window.push(at, count);
                if is_storm(taken_away, of) {
                    return Ok(Some(PurgeBrake { taken_away, of }));
                }
            }
        }
    }

    async fn purge_mirrors_of(&self, upstream: &Upstream) -> Result<()> {
        let grace = i64::try_from(self.federation.purge_after.as_secs()).unwrap_or(i64::MAX);
        let mut until = self.clock.now().plus_seconds(grace.saturating_neg());
        if let Some(PurgeBrake { taken_away, of }) = self.purge_brake(upstream).await? {
            tracing::warn!(
                url = upstream.url,
                taken_away,
                of,
                "nothing of this hub is purged until released"
            );
            let Some(released) = upstream.purge_until else { return Ok(()) };
            until = until.min(released);
        }
        loop {
            let page = self.db.list_purgeable(upstream.log, until, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for purgeable in page {
                self.purge(upstream, &purgeable).await?;
            }
        }
    }

    async fn purge(&self, upstream: &Upstream, purgeable: &Purgeable) -> Result<()> {
        // An archive keeps all but what must not be kept.
        if purgeable.mode == MirrorMode::Archive && purgeable.withheld.as_deref() != Some("takedown") {
            return Ok(self.db.keep_mirror(upstream.log, purgeable).await?);
        }
        let mut entry = Entry::hub("repo.purge").with("from", upstream.url.as_str());
        if let Some(repo) = self.db.repo(purgeable.repo).await? {
            entry = entry.on(repo.id, &repo.name);
        }
        let why = match purgeable.state {
            MirrorState::Hidden => purgeable.withheld.as_deref().unwrap_or("hidden"),
            _ => "emptied",
        };
        let db = self.audited(entry.with("why", why));
        if db.purge_mirror(upstream.log, purgeable).await? {
            tracing::info!(path = purgeable.path, why, "purged a mirror");
            self.names.clear();
            self.forget(purgeable.repo).await;
        }
        Ok(())
    }

    /// Lets everything be purged, in time, that a hub has taken away until now, however much that is; and follows
    /// the moves of namespaces to it that wait for the operator.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if it is not followed.
    pub async fn release_purge(&self, url: &str) -> Result<usize> {
        let url = url.trim_end_matches('/');
        let upstream = self.followed().await?.into_iter().find(|one| one.url == url);
        let upstream = upstream.ok_or_else(|| Error::not_found(format!("`{url}` is not followed")))?;
        let db = self.audited(Entry::operator("hub.release").with("url", url));
        db.release_purge(upstream.log).await?;
        self.release_moves(upstream.log).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_more_than_a_tenth_within_a_day_and_at_least_five() {
        assert!(!is_storm(4, 5) && is_storm(5, 5));
        assert!(!is_storm(10, 100) && is_storm(11, 100));
        let mut window = Window::default();
        let hour = |hours: i64| UnixMillis(hours * 3_600_000);
        assert_eq!(window.push(hour(0), 3), 3);
        assert_eq!(window.push(hour(23), 2), 5);
        assert_eq!(window.push(hour(24), 1), 3, "the first are a day ago");
        assert_eq!(window.push(hour(100), 4), 4);
    }
}
