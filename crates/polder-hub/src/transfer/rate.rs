//! A limit on how fast bytes come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets so many bytes a second through, for all who share it.
#[derive(Debug)]
pub struct Rate {
    bytes_per_second: u64,
    /// When what was let through is paid for.
    paid_at: Mutex<Instant>,
}

impl Rate {
    /// A limit of `bytes_per_second`, at least 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_at: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` more may come.
    pub(crate) async fn take(&self, bytes: usize) {
        let cost = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / self.bytes_per_second;
        let until = {
            let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
            *paid_at = (*paid_at).max(Instant::now()) + Duration::from_micros(cost);
            *paid_at
        };
        tokio::time::sleep_until(until).await;
    }
}
