//! The two hashes that name things: git's SHA-1 object ids and SHA-256 of large objects.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash here is {expected} lower-case hexadecimal digits")]
pub struct HashParseError {
    expected: usize,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], HashParseError> {
    let error = HashParseError { expected: N * 2 };
    if text.len() != N * 2 {
        return Err(error);
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return Err(error) };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(error) };
        *byte = high << 4 | low;
    }
    Ok(out)
}

fn write_hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0_u8; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = HEX.get(usize::from(byte >> 4)).copied().unwrap_or(b'?');
            *low = HEX.get(usize::from(byte & 15)).copied().unwrap_or(b'?');
        }
    }
    let used = text.get(..bytes.len() * 2).unwrap_or_default();
    out.write_str(str::from_utf8(used).unwrap_or_default())
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Length of the binary form in bytes.
            pub const BYTES: usize = $bytes;

            /// Wraps the binary form.
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The binary form.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Reads the binary form from a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Reads lower-case hexadecimal.
            ///
            /// # Errors
            /// When the length or a digit is wrong.
            pub fn from_hex(text: &[u8]) -> Result<Self, HashParseError> {
                decode(text).map(Self)
            }

            /// Whether every byte is zero, which git uses for "no object".
            pub fn is_zero(&self) -> bool {
                self.0.iter().all(|byte| *byte == 0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, out)
            }
        }

        impl FromStr for $name {
            type Err = HashParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::from_hex(text.as_bytes())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hash_type! {
    /// A git object id: the SHA-1 of the object's header and content.
    ///
    /// ```
    /// use polder_types::ObjectId;
    /// let id: ObjectId = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap();
    /// assert_eq!(id.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    /// ```
    ObjectId, 20
}
hash_type! {
    /// The SHA-256 of a large object's bytes, which is its LFS oid.
    ///
    /// ```
    /// use polder_types::Sha256;
    /// assert!("xyz".parse::<Sha256>().is_err());
    /// assert_eq!(Sha256::new([255; 32]).to_string(), "ff".repeat(32));
    /// ```
    Sha256, 32
}

impl ObjectId {
    /// Git's "no object": forty zeros.
    pub const ZERO: Self = Self([0; 20]);
}
