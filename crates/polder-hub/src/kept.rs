//! Answers that never change, found once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

use crate::error::{Error, Result};

/// Answers by what was asked. Who asks while one is being found waits for the same work; those of late are kept, as far
/// as there is room.
pub(crate) struct Kept<K, V> {
    answers: moka::sync::Cache<K, V>,
    /// What is being found: the answer, or that there is none this time.
    under_way: Mutex<HashMap<K, Weak<OnceCell<Option<V>>>>>,
}

impl<K: Copy + Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Kept<K, V> {
    /// Keeps answers of `bytes_max` together, of which each counts as `size_bytes` says.
    pub(crate) fn new(bytes_max: u64, size_bytes: fn(&V) -> usize) -> Self {
        let answers = moka::sync::Cache::builder()
            .max_capacity(bytes_max)
            .weigher(move |_key, answer| u32::try_from(size_bytes(answer)).unwrap_or(u32::MAX))
            .build();
        Self { answers, under_way: Mutex::default() }
    }

    /// The answer that is kept, or that `work`, here or of another who asked, finds.
    ///
    /// # Errors
    /// What `work` answers; [`crate::Kind::Unavailable`] when it was another's that failed: why is not for everyone.
    pub(crate) async fn find(&self, key: K, work: impl Future<Output = Result<V>>) -> Result<V> {
        if let Some(answer) = self.answers.get(&key) {
            return Ok(answer);
        }
        let (cell, mut failure) = (self.cell(key), None);
        let own = &mut failure;
        let found = cell.get_or_init(|| async move {
            match work.await {
                Ok(answer) => {
                    self.answers.insert(key, answer.clone());
                    Some(answer)
                }
                Err(error) => {
                    *own = Some(error);
                    None
                }
            }
        });
        let found = found.await.clone();
        found.ok_or_else(|| {
            failure
                .unwrap_or_else(|| Error::unavailable("it could not be had just now; try again in a moment"))
        })
    }

    /// What those who ask now wait for. Who goes away leaves the work to the next of them.
    fn cell(&self, key: K) -> Arc<OnceCell<Option<V>>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let open = under_way.get(&key).and_then(Weak::upgrade).filter(|cell| !cell.initialized());
        open.unwrap_or_else(|| {
            under_way.retain(|_key, cell| cell.strong_count() > 0);
            let cell = Arc::new(OnceCell::new());
            under_way.insert(key, Arc::downgrade(&cell));
            cell
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;
    use crate::Kind;

    fn kept() -> Arc<Kept<u8, u32>> {
        Arc::new(Kept::new(100, |_| 40))
    }

    /// All of them ask before the first is answered; how often the work was done, and the answers.
    async fn ask_at_once(answer: fn() -> Result<u32>) -> (u32, Vec<Result<u32>>) {
        let (kept, done, go_on) = (kept(), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let came = Arc::new(AtomicU32::new(0));
        let asked = (0..50).map(|_| {
            let (kept, done, go_on) = (Arc::clone(&kept), Arc::clone(&done), Arc::clone(&go_on));
            let came = Arc::clone(&came);
            tokio::spawn(async move {
                came.fetch_add(1, Ordering::SeqCst);
                let work = async {
                    done.fetch_add(1, Ordering::SeqCst);
                    go_on.notified().await;
                    answer()
                };
                kept.find(1, work).await
            })
        });
        let asked: Vec<_> = asked.collect();
        // One thread: whoever has come waits.
        while came.load(Ordering::SeqCst) < 50 {
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
        let mut answers = Vec::new();
        for one in asked {
            answers.push(one.await.unwrap());
        }
        (done.load(Ordering::SeqCst), answers)
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_the_work_and_its_failure() {
        let (done, answers) = ask_at_once(|| Ok(7)).await;
        assert_eq!(done, 1);
        assert!(answers.iter().all(|answer| matches!(answer, Ok(7))), "{answers:?}");

        let (done, answers) = ask_at_once(|| Err(Error::invalid("the file `secret` is torn"))).await;
        assert_eq!(done, 1);
        let told = answers.iter().filter(|answer| answer.as_ref().unwrap_err().kind() == Kind::Invalid);
        assert_eq!(told.count(), 1, "only whose file it is");
        assert!(answers.iter().all(Result::is_err));
    }

    #[tokio::test]
    async fn an_answer_is_kept_while_there_is_room_and_a_failure_is_not() {
        let kept = kept();
        assert!(kept.find(1, async { Err(Error::invalid("torn")) }).await.is_err());
        assert_eq!(kept.find(1, async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(kept.find(1, async { Ok(2) }).await.unwrap(), 1, "kept");
        for key in 2..20 {
            kept.find(key, async { Ok(3) }).await.unwrap();
        }
        kept.answers.run_pending_tasks();
        assert!(kept.answers.weighted_size() <= 100, "{}", kept.answers.weighted_size());
        assert_eq!(kept.under_way.lock().unwrap().len(), 1, "what is over is forgotten by the next");
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_work_to_the_next() {
        let kept = kept();
        let never = kept.find(1, std::future::pending());
        assert!(tokio::time::timeout(Duration::ZERO, never).await.is_err());
        assert_eq!(kept.find(1, async { Ok(2) }).await.unwrap(), 2);
    }
}
