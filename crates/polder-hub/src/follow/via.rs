//! Which hubs have asked on for one reader.
//!
//! A mirror that lacks an object asks its sources for it, which may be mirrors that lack it too. Each adds its
//! mark to the request; whoever finds its own, or too many, gives out what it has and asks nobody.

use http::{HeaderName, HeaderValue};

use crate::error::Result;
use crate::secret::random;

/// Most hubs that ask on for one reader.
const HUBS_ASKING_MAX: usize = 4;
const HEADER: HeaderName = HeaderName::from_static("polder-via");
/// Characters of a mark.
const MARK_CHARS: usize = 16;

/// The mark of this process, which no other has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(format!("{:016x}", u64::from_be_bytes(random()?))))
    }
}

/// The marks of those who have asked, the first that did first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Via(Vec<String>);

impl Via {
    /// What a request says; `None` when it says more than there may be, or nothing that makes sense.
    pub fn of(headers: &http::HeaderMap) -> Option<Self> {
        let Some(value) = headers.get(HEADER) else { return Some(Self::default()) };
        let is_mark = |mark: &str| mark.len() == MARK_CHARS && mark.bytes().all(|b| b.is_ascii_hexdigit());
        let marks: Vec<String> = value.to_str().ok()?.split(',').map(str::to_owned).collect();
        (marks.len() <= HUBS_ASKING_MAX && marks.iter().all(|mark| is_mark(mark))).then_some(Self(marks))
    }

    /// The same and one more, who may ask on; `None` when it may not.
    pub(super) fn and(&self, Mark(mark): &Mark) -> Option<Self> {
        let may_ask = self.0.len() < HUBS_ASKING_MAX && !self.0.contains(mark);
        may_ask.then(|| Self(self.0.iter().chain([mark]).cloned().collect()))
    }

    /// The header of a request that says so.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let value = HeaderValue::from_str(&self.0.join(",")).ok();
        value.filter(|value| !value.is_empty()).map(|value| (HEADER, value))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn nobody_asks_on_twice_and_no_more_than_four_do() {
        let marks: Vec<Mark> = (0..6).map(|_| Mark::new().expect("made")).collect();
        let mut via = Via::default();
        assert_eq!(via.header(), None);
        for mark in &marks[..HUBS_ASKING_MAX] {
            via = via.and(mark).expect("it may");
            assert_eq!(via.and(mark), None, "it has asked already");
            let told = HeaderMap::from_iter(via.header());
            assert_eq!(Via::of(&told).as_ref(), Some(&via));
        }
        assert_eq!(via.and(&marks[4]), None, "enough have asked");
    }

    #[test]
    fn what_makes_no_sense_is_no_leave_to_ask_on() {
        let long = ["0123456789abcdef"; HUBS_ASKING_MAX + 1].join(",");
        for told in ["", "x", "0123456789abcdeg", "0123456789abcdef,", long.as_str()] {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_str(told).expect("valid"))]);
            assert_eq!(Via::of(&headers), None, "{told}");
        }
        assert_eq!(Via::of(&HeaderMap::new()), Some(Via::default()));
    }
}
