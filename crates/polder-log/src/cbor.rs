//! Deterministic CBOR: integers, byte strings, text, arrays, maps, booleans and null; one encoding each.
//!
//! Source: RFC 8949 §3 and §4.2.1. No floats, no tags, no indefinite lengths: a body needs none.

use crate::error::{Result, malformed};

/// Deepest nesting of arrays and maps.
const DEPTH_MAX: usize = 8;
const WHAT: &str = "CBOR";

/// One data item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Major type 0.
    Uint(u64),
    /// Major type 1: the number is −1 − this.
    Negative(u64),
    /// Major type 2.
    Bytes(Vec<u8>),
    /// Major type 3.
    Text(String),
    /// Major type 4.
    Array(Vec<Value>),
    /// Major type 5, in the order of the encoded keys.
    Map(Vec<(Value, Value)>),
    /// `false` and `true`.
    Bool(bool),
    /// `null`.
    Null,
}

impl Value {
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn optional<T>(value: Option<T>, some: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Null, some)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(number) => head(out, 0, *number),
            Self::Negative(number) => head(out, 1, *number),
            Self::Bytes(bytes) => {
                head(out, 2, length(bytes.len()));
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(out, 3, length(text.len()));
                out.extend_from_slice(text.as_bytes());
            }
            Self::Array(items) => {
                head(out, 4, length(items.len()));
                for item in items {
                    item.encode(out);
                }
            }
            Self::Map(pairs) => {
                head(out, 5, length(pairs.len()));
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
            }
            Self::Bool(value) => out.push(0xf4 | u8::from(*value)),
            Self::Null => out.push(0xf6),
        }
    }

    /// Reads one item that is all of `input`.
    pub(crate) fn decode(input: &[u8]) -> Result<Self> {
        let mut reader = Reader { rest: input };
        let value = reader.value(0)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(malformed(WHAT, "bytes after its end")) }
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The shortest head of an item.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    if let Ok(byte) = u8::try_from(number) {
        if byte < 24 {
            out.push(major | byte);
        } else {
            out.extend([major | 0x18, byte]);
        }
    } else if let Ok(number) = u16::try_from(number) {
        out.push(major | 0x19);
        out.extend(number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(major | 0x1a);
        out.extend(number.to_be_bytes());
    } else {
        out.push(major | 0x1b);
        out.extend(number.to_be_bytes());
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let cut = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = cut.ok_or(malformed(WHAT, "it is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The major type and number of an item's head; major type 7 gives its raw low bits.
    fn head(&mut self) -> Result<(u8, u64)> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let (major, low) = (first >> 5, first & 0x1f);
        if major == 7 || low < 24 {
            return Ok((major, u64::from(low)));
        }
        let (bytes, least) = match low {
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(malformed(WHAT, "an indefinite length")),
        };
        let number = self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        if number < least {
            Err(malformed(WHAT, "a number longer than it must be"))
        } else {
            Ok((major, number))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(malformed(WHAT, "it is nested too deep"));
        }
        let (major, number) = self.head()?;
        Ok(match major {
            0 => Value::Uint(number),
            1 => Value::Negative(number),
            2 => Value::bytes(self.take(number)?),
            3 => {
                let text = str::from_utf8(self.take(number)?);
                Value::Text(text.map_err(|_source| malformed(WHAT, "text that is not UTF-8"))?.to_owned())
            }
            4 => Value::Array((0..number).map(|_| self.value(depth + 1)).collect::<Result<_>>()?),
            5 => Value::Map(self.map(number, depth)?),
            7 if number == 20 || number == 21 => Value::Bool(number == 21),
            7 if number == 22 => Value::Null,
            _ => return Err(malformed(WHAT, "a tag, float or other item that is not used here")),
        })
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<Vec<(Value, Value)>> {
        let mut pairs = Vec::new();
        let mut previous: &[u8] = &[];
        for _ in 0..count {
            let before = self.rest;
            let key = self.value(depth + 1)?;
            let encoded = before.get(..before.len() - self.rest.len()).unwrap_or_default();
            // No key is empty, so the first one passes too.
            if encoded <= previous {
                return Err(malformed(WHAT, "keys out of order"));
            }
            previous = encoded;
            pairs.push((key, self.value(depth + 1)?));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn examples_of_rfc_8949_are_read_and_written() {
        // Appendix A.
        for (encoded, value) in [
            ("00", Value::Uint(0)),
            ("17", Value::Uint(23)),
            ("1818", Value::Uint(24)),
            ("1903e8", Value::Uint(1000)),
            ("1a000f4240", Value::Uint(1_000_000)),
            ("1b000000e8d4a51000", Value::Uint(1_000_000_000_000)),
            ("1bffffffffffffffff", Value::Uint(u64::MAX)),
            ("3903e7", Value::Negative(999)),
            ("f4", Value::Bool(false)),
            ("f5", Value::Bool(true)),
            ("f6", Value::Null),
            ("4401020304", Value::bytes(&[1, 2, 3, 4])),
            ("62c3bc", Value::text("ü")),
            ("80", Value::Array(Vec::new())),
            (
                "a201020304",
                Value::Map(vec![(Value::Uint(1), Value::Uint(2)), (Value::Uint(3), Value::Uint(4))]),
            ),
        ] {
            let mut out = Vec::new();
            value.encode(&mut out);
            assert_eq!(out, hex(encoded));
            assert_eq!(Value::decode(&out), Ok(value));
        }
    }

    #[test]
    fn a_second_encoding_of_a_value_is_refused() {
        for encoded in [
            "1817",
            "190018",
            "1a00000100",
            "1b0000000000010000",
            "5f4101ff",
            "9f01ff",
            "bf0102ff",
            "a203040102",
            "a201020102",
            "f818",
            "f7",
            "f90000",
            "c001",
            "0000",
            "61ff",
            "41",
            "1c",
            "ff",
            "",
        ] {
            assert!(Value::decode(&hex(encoded)).is_err(), "{encoded}");
        }
        let deep = [vec![0x81; 10], vec![0]].concat();
        assert!(Value::decode(&deep).is_err());
        // A claim of many items costs nothing.
        assert!(Value::decode(&hex("9bffffffffffffffff")).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back_the_same(input in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = Value::decode(&input) {
                let mut out = Vec::new();
                value.encode(&mut out);
                prop_assert_eq!(out, input);
            }
        }
    }
}
