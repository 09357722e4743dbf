//! Which bytes a request asks for (RFC 9110 §13–14).
//!
//! One range is answered as 206. Several are answered with the whole (§14.2 allows it, and no client
//! we serve asks for them); what cannot be parsed is ignored, as §14.2 demands.

use std::ops::Range;

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// What to answer a GET with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// 200 and everything.
    Whole,
    /// 206 and these bytes; the end is not included.
    Part(Range<u64>),
    /// 416 and nothing.
    Unsatisfiable,
}

/// Reads `Range` and `If-Range` of a GET for something of `size_bytes` bytes.
///
/// `etag` is the strong entity tag with its quotes. There is no `Last-Modified` to compare a date
/// with, so an `If-Range` that is not the tag gives the whole (§13.1.5).
pub fn select_range(headers: &HeaderMap, size_bytes: u64, etag: &str) -> Selection {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Selection::Whole };
    if headers.get(IF_RANGE).is_some_and(|value| value.as_bytes() != etag.as_bytes()) {
        return Selection::Whole;
    }
    range.to_str().ok().and_then(|range| parse(range, size_bytes)).unwrap_or(Selection::Whole)
}

/// Whether `If-None-Match` says that the client has this already (§13.1.2): answer 304.
pub fn is_not_modified(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        // §8.8.3.2: the weak comparison.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// `None` for what must be ignored.
fn parse(text: &str, size_bytes: u64) -> Option<Selection> {
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") || size_bytes == 0 {
        return None;
    }
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else { return None };
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let suffix_bytes = position(last)?.min(size_bytes);
        return Some(part(size_bytes - suffix_bytes, size_bytes));
    }
    let first = position(first)?;
    let end = if last.is_empty() { size_bytes } else { position(last)?.saturating_add(1).min(size_bytes) };
    if !last.is_empty() && position(last)? < first {
        return None;
    }
    Some(if first >= size_bytes { Selection::Unsatisfiable } else { part(first, end) })
}

fn part(first: u64, end: u64) -> Selection {
    if first < end { Selection::Part(first..end) } else { Selection::Unsatisfiable }
}

/// Digits only; a number beyond 64 bits is beyond every file.
fn position(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const ETAG: &str = "\"abc\"";

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn selected(range: &str) -> Selection {
        select_range(&headers(&[(RANGE, range)]), 1000, ETAG)
    }

    #[test]
    fn one_range_is_a_part() {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-499", 0..500),
            ("bytes=500-", 500..1000),
            ("bytes=999-", 999..1000),
            ("bytes=0-", 0..1000),
            ("bytes=-1", 999..1000),
            ("bytes=-1000", 0..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=900-5000", 900..1000),
            ("bytes=900-99999999999999999999999", 900..1000),
            ("bytes=-99999999999999999999999", 0..1000),
            ("BYTES=1-2", 1..3),
            ("bytes= 1-2 , ,", 1..3),
            ("bytes=0000000000000000000000001-2", 1..3),
        ] {
            assert_eq!(selected(range), Selection::Part(expected), "{range}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        for range in ["bytes=1000-", "bytes=1000-1000", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(selected(range), Selection::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn several_ranges_and_nonsense_give_the_whole() {
        for range in [
            "bytes=0-1,5-6",
            "bytes=-1,0-0",
            "bytes=",
            "bytes=-",
            "bytes",
            "",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes=--2",
            "bytes=0x1-2",
            "lines=1-2",
            "bytes 1-2",
            "bytes=1",
            "bytes =1-2",
        ] {
            assert_eq!(selected(range), Selection::Whole, "{range:?}");
        }
        let twice = headers(&[(RANGE, "bytes=0-1"), (RANGE, "bytes=2-3")]);
        assert_eq!(twice.len(), 2);
        assert_eq!(select_range(&twice, 1000, ETAG), Selection::Whole);
        assert_eq!(select_range(&HeaderMap::new(), 1000, ETAG), Selection::Whole);
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(select_range(&headers(&[(RANGE, range)]), 0, ETAG), Selection::Whole, "{range}");
        }
    }

    #[test]
    fn a_range_counts_only_while_the_file_is_the_one_the_client_began_with() {
        for (if_range, expected) in [
            ("\"abc\"", Selection::Part(5..1000)),
            ("\"abd\"", Selection::Whole),
            // A weak tag never matches here, and a date has nothing to match.
            ("W/\"abc\"", Selection::Whole),
            ("abc", Selection::Whole),
            ("Tue, 15 Nov 1994 12:45:26 GMT", Selection::Whole),
        ] {
            let headers = headers(&[(RANGE, "bytes=5-"), (IF_RANGE, if_range)]);
            assert_eq!(select_range(&headers, 1000, ETAG), expected, "{if_range}");
        }
        // Also when the range could not be satisfied.
        let headers = headers(&[(RANGE, "bytes=5000-"), (IF_RANGE, "\"other\"")]);
        assert_eq!(select_range(&headers, 1000, ETAG), Selection::Whole);
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        for (tags, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("*", true),
            ("\"x\", \"abc\"", true),
            ("\"x\"", false),
            ("abc", false),
            ("", false),
        ] {
            assert_eq!(is_not_modified(&headers(&[(IF_NONE_MATCH, tags)]), ETAG), expected, "{tags}");
        }
        assert!(!is_not_modified(&HeaderMap::new(), ETAG));
    }
}
