//! The one door to the time of day, so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const DAY_SECONDS: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Seconds from 1970 to the first and to the last second that has a year of four digits.
const SHOWN_SECONDS_MIN: i64 = -62_135_596_800;
const SHOWN_SECONDS_MAX: i64 = 253_402_300_799;

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
    /// What is before the year 1 or after 9999, as dates of commits may be, is written as the nearest moment that
    /// is not: years have four digits.
    ///
    /// Source: RFC 3339 §5.6, `date-fullyear`; the calendar is `civil_from_days` of Howard Hinnant's "chrono-Compatible
    /// Low-Level Date Algorithms".
    pub fn rfc3339(self) -> String {
        let seconds = self.seconds().clamp(SHOWN_SECONDS_MIN, SHOWN_SECONDS_MAX);
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

impl std::str::FromStr for UnixMillis {
    type Err = String;

    /// Reads a day (`2026-11-26`, its beginning in UTC) or a moment (`2026-11-26T21:30:00Z`).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no moment: write 2026-11-26 or 2026-11-26T21:30:00Z");
        let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
        let numbers = |text: &str, between: char| -> Option<[i64; 3]> {
            let parts: Option<Vec<i64>> = text.split(between).map(|part| part.parse().ok()).collect();
            parts?.try_into().ok()
        };
        let [year, month, day] = numbers(day, '-').ok_or_else(wrong)?;
        let [hour, minute, second] =
            time.strip_suffix('Z').and_then(|time| numbers(time, ':')).ok_or_else(wrong)?;
        if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(wrong());
        }
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
            return Err(wrong());
        }
        // The inverse of the above.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
        let day = era * ERA_DAYS + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1;
        let moment = Self(
            ((day - EPOCH_DAYS) * DAY_SECONDS + hour * 3_600 + minute * 60 + second).saturating_mul(1000),
        );
        // The 31st of February comes back as another day.
        if moment.rfc3339().starts_with(text.get(..10).unwrap_or(text)) { Ok(moment) } else { Err(wrong()) }
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
            let read = text.parse::<UnixMillis>();
            assert_eq!(read.ok(), (seconds >= 0).then_some(UnixMillis(seconds * 1000)), "{text}");
        }
        for (millis, text) in [
            (SHOWN_SECONDS_MAX * 1000 + 1000, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (SHOWN_SECONDS_MIN * 1000 - 1, "0001-01-01T00:00:00Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(UnixMillis(millis).rfc3339(), text);
        }
        assert_eq!("2000-02-29".parse(), Ok(UnixMillis(951_782_400_000)));
        for wrong in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
        ] {
            assert!(wrong.parse::<UnixMillis>().is_err(), "{wrong}");
        }
    }
}
