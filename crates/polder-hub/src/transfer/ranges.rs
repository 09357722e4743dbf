//! Which bytes of an object are known to be good. Pure.

use std::collections::BTreeMap;

/// A set of bytes, as few ranges as it can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// End of each range by its beginning; none touches another.
    ends: BTreeMap<u64, u64>,
    bytes: u64,
}

impl Ranges {
    /// Adds the bytes from `start` to before `end`.
    pub(super) fn insert(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        while let Some((at, to)) = self.ends.range(..=end).next_back().map(|(at, to)| (*at, *to)) {
            if to < start {
                break;
            }
            (start, end) = (start.min(at), end.max(to));
            self.ends.remove(&at);
            self.bytes -= to - at;
        }
        self.bytes += end - start;
        self.ends.insert(start, end);
    }

    /// Whether all bytes from `start` to before `end` are in it.
    pub(super) fn contains(&self, start: u64, end: u64) -> bool {
        start >= end || self.end_from(start) >= end
    }

    /// The end of the range that has byte `start`, or `start` if none has.
    pub(super) fn end_from(&self, start: u64) -> u64 {
        let found = self.ends.range(..=start).next_back();
        found.map_or(start, |(_, end)| (*end).max(start))
    }

    /// How many bytes are in it.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As stored: pairs of numbers, big-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.ends.iter().flat_map(|(start, end)| [start.to_be_bytes(), end.to_be_bytes()].concat()).collect()
    }

    /// Reads what was stored for an object of `size_bytes`; nothing of it, if it makes no sense.
    pub(super) fn decode(bytes: &[u8], size_bytes: u64) -> Self {
        let mut ranges = Self::default();
        let (words, rest) = bytes.as_chunks::<8>();
        let (pairs, odd) = words.as_chunks::<2>();
        for [start, end] in pairs {
            let (start, end) = (u64::from_be_bytes(*start), u64::from_be_bytes(*end));
            if start >= end || end > size_bytes {
                return Self::default();
            }
            ranges.insert(start, end);
        }
        if rest.is_empty() && odd.is_empty() { ranges } else { Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_list_of_single_bytes_holds() {
        let (mut ranges, mut bytes, mut state) = (Ranges::default(), [false; 200], 1_u32);
        let wide = |at: usize| u64::try_from(at).unwrap();
        for _ in 0..300 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [high, low, ..] = state.to_be_bytes().map(usize::from);
            let (start, end) = (high % 190, high % 190 + low % 9);
            ranges.insert(wide(start), wide(end));
            bytes[start..end].fill(true);
            for at in 0..200 {
                let end = bytes[at..].iter().position(|is_in| !is_in).map_or(200, |len| at + len);
                assert_eq!(ranges.end_from(wide(at)), wide(end));
                assert!(ranges.contains(wide(at), wide(end)) && !ranges.contains(wide(at), wide(end) + 1));
            }
            assert_eq!(ranges.bytes(), wide(bytes.iter().filter(|is_in| **is_in).count()));
            assert_eq!(Ranges::decode(&ranges.encode(), 200), ranges);
        }
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        let mut good = Ranges::default();
        good.insert(5, 9);
        let bytes = good.encode();
        assert_eq!(Ranges::decode(&bytes, 9), good);
        for bad in [&bytes[..15], &bytes[..8], &[bytes.as_slice(), &[0; 16]].concat()] {
            assert_eq!(Ranges::decode(bad, 9), Ranges::default());
        }
        assert_eq!(Ranges::decode(&bytes, 8), Ranges::default());
    }
}
