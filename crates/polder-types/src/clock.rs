//! The one door to the time of day, so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const DAY_SECONDS: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This moment plus `seconds`, saturating.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment as RFC 3339 writes it, in UTC and to the second.
    ///
    /// Source: RFC 3339 §5.6; the calendar is `civil_from_days` of Howard Hinnant's "chrono-Compatible
    /// Low-Level Date Algorithms".
    pub fn rfc3339(self) -> String {
        let seconds = self.seconds();
        let (days, second) = (seconds.div_euclid(DAY_SECONDS) + EPOCH_DAYS, seconds.rem_euclid(DAY_SECONDS));
        let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        // Months count from March, so that a leap day is the last of its year.
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, turn) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + year + turn;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Where the time comes from: the machine, or a value that a test moves.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until told otherwise; the value is milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The time now. A machine clock before 1970 reads as 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the one door to the machine's clock")]
    pub fn now(&self) -> UnixMillis {
        match self {
            Self::System => UnixMillis(
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
            ),
            Self::Manual(millis) => UnixMillis(millis.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        // From `date -u -d @SECONDS +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_790_000_000, "2026-09-21T14:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixMillis(seconds * 1000).rfc3339(), text);
        }
    }
}
