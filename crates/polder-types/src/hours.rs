//! Hours of the day in which something may be done.

use std::fmt;
use std::str::FromStr;

use crate::UnixMillis;

const MINUTE_MILLIS: i64 = 60_000;
const DAY_MINUTES: u16 = 24 * 60;
const DAY_MILLIS: i64 = 24 * 60 * MINUTE_MILLIS;

/// A part of every day in UTC, from one minute to before another; it may pass midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    /// Minutes after midnight, which differ.
    from: u16,
    to: u16,
}

impl Hours {
    /// When they begin next, if this is outside of them.
    pub fn opens(self, now: UnixMillis) -> Option<UnixMillis> {
        let (since, length) = self.place(now);
        (since >= length).then(|| UnixMillis(now.0.saturating_add(DAY_MILLIS - since)))
    }

    /// When they end, if this is within them.
    pub fn closes(self, now: UnixMillis) -> Option<UnixMillis> {
        let (since, length) = self.place(now);
        (since < length).then(|| UnixMillis(now.0.saturating_add(length - since)))
    }

    /// Milliseconds since they last began, and how many they last.
    fn place(self, now: UnixMillis) -> (i64, i64) {
        let (from, to) = (i64::from(self.from) * MINUTE_MILLIS, i64::from(self.to) * MINUTE_MILLIS);
        ((now.0 - from).rem_euclid(DAY_MILLIS), (to - from).rem_euclid(DAY_MILLIS))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|minute| (minute / 60, minute % 60));
        write!(out, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` are no hours of the day: write 01:00-06:00, or 22:30-04:00 (UTC)");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let from = minute(from).filter(|from| *from < DAY_MINUTES).ok_or_else(wrong)?;
        let to = minute(to).ok_or_else(wrong)? % DAY_MINUTES;
        if from == to {
            return Err(format!("`{text}` ends where it begins: name a part of the day"));
        }
        Ok(Self { from, to })
    }
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

/// Minutes after midnight of `06:30`; midnight at the end of a day is 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| -> Option<u16> {
        let is_plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| digits.parse().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> UnixMillis {
        format!("2026-11-27T{time}Z").parse().unwrap()
    }

    #[test]
    fn hours_begin_with_their_first_minute_and_end_before_their_last_and_may_pass_midnight() {
        for (hours, now, opens, closes) in [
            ("01:00-06:00", "00:59:59", Some("01:00:00"), None),
            ("01:00-06:00", "01:00:00", None, Some("06:00:00")),
            ("01:00-06:00", "05:59:59", None, Some("06:00:00")),
            ("22:30-04:00", "03:59:59", None, Some("04:00:00")),
            ("22:30-04:00", "04:00:00", Some("22:30:00"), None),
            ("00:00-12:00", "00:00:00", None, Some("12:00:00")),
        ] {
            let hours: Hours = hours.parse().unwrap();
            let now = at(now);
            assert_eq!(
                (hours.opens(now), hours.closes(now)),
                (opens.map(at), closes.map(at)),
                "{hours} {now:?}"
            );
        }
        let night: Hours = "22:30-04:00".parse().unwrap();
        assert_eq!(night.closes(at("23:00:00")), Some("2026-11-28T04:00:00Z".parse().unwrap()));
        let early: Hours = "01:00-06:00".parse().unwrap();
        assert_eq!(early.opens(at("06:00:00")), Some("2026-11-28T01:00:00Z".parse().unwrap()));
    }

    #[test]
    fn hours_are_read_as_they_are_written_and_nothing_else_is() {
        for text in ["01:00-06:00", "22:30-04:00", "23:59-00:00"] {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
        assert_eq!("18:00-24:00".parse::<Hours>().unwrap().to_string(), "18:00-00:00");
        for wrong in ["", "1:00-6:00", "01:00", "01:00-24:01", "24:00-01:00", "01:60-02:00", "+1:00-02:00"] {
            assert!(wrong.parse::<Hours>().unwrap_err().contains("no hours of the day"), "{wrong}");
        }
        for empty in ["03:00-03:00", "00:00-24:00"] {
            assert!(empty.parse::<Hours>().unwrap_err().contains("ends where it begins"), "{empty}");
        }
    }
}
