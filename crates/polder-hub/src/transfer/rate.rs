//! A limit on how fast bytes come.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets so many bytes a second through, for all who share it.
#[derive(Debug)]
pub struct Rate {
    /// Zero for any number.
    bytes_per_second: AtomicU64,
    /// When what was let through is paid for.
    paid_at: Mutex<Instant>,
}

impl Rate {
    /// A limit of `bytes_per_second`, at least 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1).into(), paid_at: Mutex::new(Instant::now()) }
    }

    /// No limit, until one is set.
    pub(crate) fn unlimited() -> Self {
        Self { bytes_per_second: 0.into(), paid_at: Mutex::new(Instant::now()) }
    }

    /// Sets another limit, or none, for what comes from now on.
    pub(crate) fn set(&self, bytes_per_second: Option<NonZeroU64>) {
        self.bytes_per_second.store(bytes_per_second.map_or(0, NonZeroU64::get), Ordering::Relaxed);
    }

    /// Waits until `bytes` more may come.
    pub(crate) async fn take(&self, bytes: usize) {
        let Some(bytes_per_second) = NonZeroU64::new(self.bytes_per_second.load(Ordering::Relaxed)) else {
            return;
        };
        let cost = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / bytes_per_second;
        let until = {
            let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
            *paid_at = (*paid_at).max(Instant::now()) + Duration::from_micros(cost);
            *paid_at
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rate_that_is_set_holds_for_what_comes_then_and_one_that_is_lifted_for_nothing() {
        let (rate, began) = (Rate::unlimited(), Instant::now());
        // At any limit below, this would take a day.
        let endless = async || {
            let taken = tokio::time::timeout(Duration::from_mins(1), rate.take(1_000_000_000)).await;
            taken.expect("there is no limit");
        };
        endless().await;
        rate.set(NonZeroU64::new(1_000));
        rate.take(200).await;
        rate.set(NonZeroU64::new(10_000));
        rate.take(1_000).await;
        let passed = began.elapsed();
        assert!(passed >= Duration::from_millis(300), "{passed:?}");
        rate.set(None);
        endless().await;
    }
}
