//! The hashes of Xet: keyed BLAKE3, a type for each kind, because one value can be of two kinds.

use std::fmt;
use std::str::FromStr;

/// Key for the bytes of a chunk.
const CHUNK_KEY: [u8; 32] = [
    0x66, 0x97, 0xf5, 0x77, 0x5b, 0x95, 0x50, 0xde, 0x31, 0x35, 0xcb, 0xac, 0xa5, 0x97, 0x18, 0x1c, 0x9d,
    0xe4, 0x21, 0x10, 0x9b, 0xeb, 0x2b, 0x58, 0xb4, 0xd0, 0xb0, 0x4b, 0x93, 0xad, 0xf2, 0x29,
];
/// Key for the lines of an inner node.
const NODE_KEY: [u8; 32] = [
    0x01, 0x7e, 0xc5, 0xc7, 0xa5, 0x47, 0x29, 0x96, 0xfd, 0x94, 0x66, 0x66, 0xb4, 0x8a, 0x02, 0xe6, 0x5d,
    0xdd, 0x53, 0x6f, 0x37, 0xc7, 0x6d, 0xd2, 0xf8, 0x63, 0x52, 0xe6, 0x4a, 0x53, 0x71, 0x3f,
];
/// Key for the root of a file: the salt, which is always zero.
const FILE_KEY: [u8; 32] = [0; 32];

/// Key for the chunk hashes of a run that a shard names.
const RANGE_KEY: [u8; 32] = [
    0x7f, 0x18, 0x57, 0xd6, 0xce, 0x56, 0xed, 0x66, 0x12, 0x7f, 0xf9, 0x13, 0xe7, 0xa5, 0xc3, 0xf3, 0xa4,
    0xcd, 0x26, 0xd5, 0xb5, 0xdb, 0x49, 0xe6, 0x41, 0x24, 0x98, 0x7f, 0x28, 0xfb, 0x94, 0xc3,
];

/// A chunk hash counts for the sampled index when its last word divides by this.
const SAMPLE: u64 = 1024;

/// Why a text is not a hash of Xet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Xet hash is 64 lower-case hexadecimal digits")]
pub struct HashParseError;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the binary form.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The binary form.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Reads the binary form from a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        /// The text that clients of Xet use: four little-endian words, each as 16 hexadecimal digits.
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                words(&self.0).iter().try_for_each(|word| write!(out, "{word:016x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = HashParseError;
            fn from_str(text: &str) -> Result<Self, HashParseError> {
                parse(text.as_bytes()).map(Self)
            }
        }
    };
}

hash_type! {
    /// Names the bytes of one chunk.
    ///
    /// ```
    /// use polder_xet::ChunkHash;
    /// let hash = ChunkHash::of(b"hello");
    /// assert_eq!(hash.to_string().parse(), Ok(hash));
    /// ```
    ChunkHash
}
hash_type! {
    /// Names a whole object by the tree over its chunks. An object can have several, if it was cut in
    /// several ways; an empty one has zeros.
    FileHash
}
hash_type! {
    /// Names a run of chunks by the tree over them. Of one chunk it has the chunk's own value.
    XorbHash
}

hash_type! {
    /// Shows that who made it knows the hashes of a run of chunks.
    RangeHash
}
hash_type! {
    /// Stands for a chunk hash where those who do not have the chunk must not learn it.
    KeyedHash
}

impl RangeHash {
    /// The hash of a run of chunks.
    pub fn of(chunks: &[Chunk]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&RANGE_KEY);
        for chunk in chunks {
            hasher.update(chunk.hash.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl ChunkHash {
    /// The hash of `bytes` as one chunk.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::keyed_hash(&CHUNK_KEY, bytes).as_bytes())
    }

    /// Whether the sampled index knows chunks with this hash: one in 1,024.
    pub fn is_sampled(&self) -> bool {
        last_word(&self.0).is_multiple_of(SAMPLE)
    }
}

/// A chunk of an object: its hash and how many bytes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Hash of its bytes.
    pub hash: ChunkHash,
    /// Its length in bytes.
    pub size_bytes: u32,
}

/// Hashes one chunk that comes in pieces.
#[derive(Debug, Clone)]
pub struct ChunkHasher(blake3::Hasher);

impl Default for ChunkHasher {
    fn default() -> Self {
        Self(blake3::Hasher::new_keyed(&CHUNK_KEY))
    }
}

impl ChunkHasher {
    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of what was appended; begins anew.
    pub fn take(&mut self) -> ChunkHash {
        let hash = ChunkHash(*self.0.finalize().as_bytes());
        self.0.reset();
        hash
    }
}

/// The hash of an inner node's lines.
pub(crate) fn node_hash(lines: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(&NODE_KEY, lines).as_bytes()
}

/// The hash of a file out of the root of its tree.
pub(crate) fn file_hash(root: &[u8; 32]) -> FileHash {
    FileHash(*blake3::keyed_hash(&FILE_KEY, root).as_bytes())
}

/// The four words that the text of a hash shows.
pub(crate) fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let (words, _) = bytes.as_chunks::<8>();
    let mut out = [0; 4];
    for (to, word) in out.iter_mut().zip(words) {
        *to = u64::from_le_bytes(*word);
    }
    out
}

/// The bytes of each word backwards: how shards have a SHA-256, whose text they treat as that of a hash of Xet.
pub(crate) fn swapped(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|word| word.reverse());
    bytes
}

/// The word that decides about groups and samples.
pub(crate) fn last_word(bytes: &[u8; 32]) -> u64 {
    let [.., last] = words(bytes);
    last
}

fn parse(text: &[u8]) -> Result<[u8; 32], HashParseError> {
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if text.len() != 64 || !text.iter().all(is_hex) {
        return Err(HashParseError);
    }
    let mut bytes = [0; 32];
    for (to, digits) in bytes.chunks_exact_mut(8).zip(text.chunks_exact(16)) {
        let word = str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        to.copy_from_slice(&word.ok_or(HashParseError)?.to_le_bytes());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shows_each_word_backwards() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let text =
            "0706050403020100".to_owned() + "0f0e0d0c0b0a0908" + "1716151413121110" + "1f1e1d1c1b1a1918";
        assert_eq!(ChunkHash::new(bytes).to_string(), text);
        assert_eq!(text.parse(), Ok(ChunkHash::new(bytes)));
    }

    #[test]
    fn what_is_not_64_lower_case_digits_is_no_hash() {
        let good = "0706050403020100".repeat(4);
        for bad in [
            "",
            &good[1..],
            &format!("{good}0"),
            &good.replace('7', "G"),
            &good.replace('7', "+"),
            &good.replace("07", "0A"),
        ] {
            assert_eq!(bad.parse::<FileHash>(), Err(HashParseError), "{bad}");
        }
    }
}
