//! Recording refusals, of which anyone can cause as many as they like.

use std::sync::{Mutex, PoisonError};

use polder_db::AuditResult;
use polder_types::UnixMillis;

use super::Entry;
use crate::Hub;
use crate::error::{Error, Kind};

/// Refusals that are recorded in one minute; of the others only their number is.
const PER_MINUTE_MAX: u32 = 120;

/// How many were recorded in this minute, and how many were not since the last word about it.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    minute: i64,
    recorded: u32,
    dropped: u64,
}

impl Refusals {
    /// Whether one more may be recorded; and how many were dropped in minutes that are over.
    fn admit(&self, now: UnixMillis) -> (bool, u64) {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = count.turn(now);
        count.recorded += 1;
        let admitted = count.recorded <= PER_MINUTE_MAX;
        count.dropped += u64::from(!admitted);
        (admitted, dropped)
    }

    /// How many were dropped in minutes that are over.
    fn settle(&self, now: UnixMillis) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).turn(now)
    }
}

impl Count {
    fn turn(&mut self, now: UnixMillis) -> u64 {
        let minute = now.seconds().div_euclid(60);
        if minute == self.minute {
            return 0;
        }
        (self.minute, self.recorded) = (minute, 0);
        std::mem::take(&mut self.dropped)
    }
}

impl Hub {
    /// Records that `entry` was refused, or failed, with `error`. Not being able to is logged only: it
    /// must not change the answer.
    pub(crate) async fn record_refusal(&self, entry: Entry, error: &Error) {
        let result = match error.kind() {
            // Not knowing of something, and waiting, is nothing that was kept from anyone.
            Kind::NotFound | Kind::Gone | Kind::Moved | Kind::Unavailable | Kind::Throttled => return,
            Kind::Internal | Kind::Full => AuditResult::Failed,
            Kind::Unauthenticated
            | Kind::Forbidden
            | Kind::Mirrored
            | Kind::Invalid
            | Kind::Conflict
            | Kind::TooLarge
            | Kind::OverQuota => AuditResult::Refused,
        };
        let (admitted, dropped) = self.refusals.admit(self.clock.now());
        self.record_dropped(dropped).await;
        if admitted {
            let mut entry = entry.with("error", error.message());
            entry.row.result = result;
            self.record(entry).await;
        }
    }

    /// Records how many refusals of the minutes before were not recorded.
    pub(crate) async fn settle_refusals(&self) {
        self.record_dropped(self.refusals.settle(self.clock.now())).await;
    }

    async fn record_dropped(&self, dropped: u64) {
        if dropped > 0 {
            self.record(Entry::hub("audit.refusals_dropped").with("refusals", dropped)).await;
        }
    }

    /// Records something that is not part of a write.
    pub(crate) async fn record(&self, entry: Entry) {
        self.audit_bell.notify_one();
        if let Err(error) = self.db.record_audit(entry.row).await {
            tracing::warn!(%error, "a row of the audit log is missing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_listed() {
        let refusals = Refusals::default();
        let at = |minute: i64| UnixMillis(minute * 60_000 + 5);
        let admitted = (0..1_000).filter(|_| refusals.admit(at(7)).0).count();
        assert_eq!(admitted, 120);
        assert_eq!(refusals.settle(at(7)), 0, "the minute is not over");
        assert_eq!(refusals.admit(at(8)), (true, 880));
        assert_eq!(refusals.settle(at(9)), 0);
    }
}
