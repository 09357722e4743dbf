//! Rows read for every request, but not by every request.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// Reads by key, of which requests that wait at the same time share one.
///
/// Several processes may write to the database, so an answer is good only for requests that came before
/// its read began. Those that come while a read is under way wait for the next one; its answer is for all
/// of them. So no answer is stale, and one key costs one read at a time however many ask.
pub(crate) struct Coalesced<K, V>(moka::sync::Cache<K, Arc<Slot<V>>>);

/// One key.
struct Slot<V> {
    /// How many have come.
    arrivals: AtomicU64,
    /// Held while reading: how many had come when the last good read began, and what it found.
    last: Mutex<(u64, Option<V>)>,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Coalesced<K, V> {
    /// Remembers at most `keys_max` keys; one that was forgotten is only shared less.
    pub(crate) fn new(keys_max: u64) -> Self {
        Self(moka::sync::Cache::new(keys_max))
    }

    /// What `load`, or another's that began after this call, finds.
    pub(crate) async fn read<E>(&self, key: K, load: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let empty = || Arc::new(Slot { arrivals: AtomicU64::new(0), last: Mutex::new((0, None)) });
        let slot = self.0.get_with(key, empty);
        let mine = slot.arrivals.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = slot.last.lock().await;
        if let (read_for, Some(found)) = &*last
            && *read_for >= mine
        {
            return Ok(found.clone());
        }
        let read_for = slot.arrivals.load(Ordering::SeqCst);
        let found = load.await?;
        *last = (read_for, Some(found.clone()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_comes_during_a_read_waits_for_the_next_and_shares_it() {
        let (reads, rows) = (Arc::new(AtomicU32::new(0)), Arc::new(Coalesced::<u8, u32>::new(10)));
        let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let ask = |is_slow: bool| {
            let (reads, rows) = (Arc::clone(&reads), Arc::clone(&rows));
            let (started, go_on) = (Arc::clone(&started), Arc::clone(&go_on));
            tokio::spawn(async move {
                let load = async {
                    let found = reads.fetch_add(1, Ordering::SeqCst);
                    if is_slow {
                        started.notify_one();
                        go_on.notified().await;
                    }
                    Ok::<_, ()>(found)
                };
                rows.read(1, load).await
            })
        };
        let first = ask(true);
        started.notified().await;
        let later: Vec<_> = (0..50).map(|_| ask(false)).collect();
        // All of them have come before the first read ends (one thread).
        tokio::task::yield_now().await;
        go_on.notify_one();
        assert_eq!(first.await.unwrap(), Ok(0));
        for one in later {
            assert_eq!(one.await.unwrap(), Ok(1), "the next read, for all");
        }
        assert_eq!(rows.read(1, async { Ok::<_, ()>(7) }).await, Ok(7), "nothing is kept");
        assert_eq!(rows.read(1, async { Err("broken") }).await, Err("broken"));
        assert_eq!(rows.read(1, async { Ok::<_, ()>(8) }).await, Ok(8));
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_leaves_the_read_to_the_next() {
        let rows = Coalesced::<u8, u32>::new(10);
        let never = rows.read(1, std::future::pending::<Result<u32, ()>>());
        assert!(tokio::time::timeout(std::time::Duration::ZERO, never).await.is_err());
        assert_eq!(rows.read(1, async { Ok::<_, ()>(2) }).await, Ok(2));
    }
}
