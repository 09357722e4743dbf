//! Which source is asked for more of a log, and when.

use std::time::Duration;

use polder_db::Upstream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::read::{Reader, Unread};
use super::sources::{Source, SourceSet};
use crate::Hub;
use crate::error::{Error, Result};
use crate::secret::random;

/// Pause after a first failure; each next is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_mins(5);

impl Hub {
    /// Reads an upstream's log as it grows; begins anew with other rules and sources when they `change`.
    pub(super) async fn keep_reading(
        &self,
        upstream: &Upstream,
        sources: &SourceSet,
        mut change: watch::Receiver<()>,
        bell: &Notify,
    ) {
        let (mut failures, mut reader) = (0, None);
        loop {
            if change.has_changed().unwrap_or(false) {
                change.mark_unchanged();
                reader = None;
                match self.read_sources(upstream.log).await {
                    Ok(others) => sources.replace(others),
                    Err(error) => {
                        tracing::error!(error = %error.chain(), "the sources of a hub are not read");
                    }
                }
            }
            match self.read_from_any(reader.take(), sources).await {
                Ok(read) => {
                    failures = 0;
                    reader = read;
                    bell.notify_one();
                }
                Err(error) => {
                    tracing::warn!(url = upstream.url, error = %error.chain(), "cannot read the log of this hub");
                    let due = sources.next_chance().unwrap_or_else(|| Instant::now() + pause_after(failures));
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => {}
                        Ok(()) = change.changed() => change.mark_changed(),
                    }
                }
            }
        }
    }

    /// Reads a page from the first source that has one, of those that are not put aside. The home's word is
    /// enough that there is nothing new; a mirror may only not know.
    async fn read_from_any(&self, mut reader: Option<Reader>, sources: &SourceSet) -> Result<Option<Reader>> {
        let (mut wrong, mut answered) = (None, false);
        for (source, wait) in sources.to_poll() {
            let at = match reader.take() {
                Some(reader) => reader,
                None => self.reader(sources.log()).await?,
            };
            let size = at.cursor.tree.size();
            // One that may be dead, or the second to be asked, is not waited for.
            let wait = if source.is_doubtful() || answered { Duration::ZERO } else { wait };
            match self.read_page(at, &source, sources, wait).await {
                Ok(read) => {
                    source.trust_again();
                    (reader, answered) = (read, true);
                    let has_more = reader.as_ref().is_none_or(|reader| reader.cursor.tree.size() > size);
                    if has_more || source.is_home() {
                        break;
                    }
                }
                Err(unread) => wrong = Some(self.blame(unread, &source, sources).await?),
            }
        }
        if answered {
            return Ok(reader);
        }
        Err(wrong.unwrap_or_else(|| Error::unavailable("no source has had a good answer lately")))
    }

    /// Reads all that the home has now, or when it has no answer, all that any other source has; how many events
    /// that were. Says what is wrong with the home when nobody had an answer.
    pub(super) async fn read_to_the_end(&self, sources: &SourceSet) -> Result<u64> {
        let from = self.reader(sources.log()).await?.cursor.tree.size();
        let (mut end, mut wrong) = (None, None);
        for source in sources.all() {
            match self.read_all_of(&source, sources).await {
                Ok(size) => {
                    source.trust_again();
                    end = Some(size);
                    if source.is_home() {
                        break;
                    }
                }
                Err(unread) => {
                    let error = self.blame(unread, &source, sources).await?;
                    wrong.get_or_insert(error);
                }
            }
        }
        match (end, wrong) {
            (None, Some(error)) => Err(error),
            (end, _) => Ok(end.unwrap_or(from) - from),
        }
    }

    /// Reads all that a source has now; how many events are here then.
    async fn read_all_of(&self, source: &Source, sources: &SourceSet) -> Result<u64, Unread> {
        let mut reader = self.reader(sources.log()).await?;
        loop {
            let size = reader.cursor.tree.size();
            reader = match self.read_page(reader, source, sources, Duration::ZERO).await? {
                Some(reader) => reader,
                None => self.reader(sources.log()).await?,
            };
            if reader.cursor.tree.size() == size {
                return Ok(size);
            }
        }
    }

    /// Writes down what is wrong with a source, and puts it aside. What it says then; an error when it is not
    /// this source's fault.
    async fn blame(&self, unread: Unread, source: &Source, sources: &SourceSet) -> Result<Error> {
        let (error, is_behind) = match unread {
            Unread::Here(error) => return Err(error),
            Unread::Behind(error) => (error, true),
            Unread::Source(error) => (error, false),
        };
        source.put_aside(is_behind);
        sources.note(source, Some(error.message().to_owned())).await;
        Ok(error)
    }
}

/// Somewhere in the later half of a time that doubles with each failure.
pub(super) fn pause_after(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.min(10))).min(PAUSE_MAX);
    let [byte] = random::<1>().unwrap_or([0]);
    longest / 2 + longest / 2 * u32::from(byte) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        for (failures, most) in [(0, 1), (1, 2), (5, 32), (9, 300), (u32::MAX, 300)] {
            let (pause, most) = (pause_after(failures), Duration::from_secs(most));
            assert!(pause >= most / 2 && pause <= most, "{failures}: {pause:?}");
        }
    }
}
