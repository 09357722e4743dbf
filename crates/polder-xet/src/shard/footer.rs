//! The end of a shard at rest: where its sections are, and the key of its chunk hashes.

use super::ShardError;
use crate::hash::{ChunkHash, KeyedHash};

/// Bytes of a footer.
pub(super) const FOOTER_BYTES: usize = 200;
const VERSION: u64 = 1;
/// Bytes of an entry in the tables that find a file, an xorb, a chunk.
const LOOKUP_BYTES: [u64; 3] = [12, 12, 16];

/// The key under which a shard has chunk hashes: who has a chunk can find it, others learn nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardKey([u8; 32]);

impl ShardKey {
    /// Wraps a key. Zeros are none.
    pub fn new(bytes: [u8; 32]) -> Option<Self> {
        (bytes != [0; 32]).then_some(Self(bytes))
    }

    /// What stands for a chunk in shards with this key.
    pub fn of(&self, chunk: ChunkHash) -> KeyedHash {
        KeyedHash::new(*blake3::keyed_hash(&self.0, chunk.as_bytes()).as_bytes())
    }
}

/// What the footer of a shard says. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardFooter {
    /// The key of its chunk hashes, if they have one.
    pub key: Option<ShardKey>,
    /// When it was made, or 0.
    pub made: u64,
    /// When clients forget it.
    pub expires: u64,
    /// How many bytes its files have.
    pub files_bytes: u64,
    /// How many bytes its xorbs have, unpacked.
    pub xorbs_bytes: u64,
}

/// Where the sections of a shard are, in bytes from its beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) files: usize,
    pub(super) xorbs: usize,
    /// The byte after the last section.
    pub(super) end: usize,
}

impl ShardFooter {
    /// The bytes of the footer of a shard without tables.
    pub(super) fn encode(&self, places: Places) -> Vec<u8> {
        let at = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let end = at(places.end);
        let key = self.key.map_or([0; 32], |key| key.0);
        let first = [VERSION, at(places.files), at(places.xorbs), end, 0, end, 0, end, 0];
        let times = [self.made, self.expires];
        let sums = [0, self.files_bytes, self.xorbs_bytes, end];
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend(first.into_iter().flat_map(u64::to_le_bytes));
        out.extend_from_slice(&key);
        out.extend(times.into_iter().chain([0; 6]).chain(sums).flat_map(u64::to_le_bytes));
        out
    }

    /// Reads what follows the sections of a shard: tables, which are passed over, and the footer.
    pub(super) fn decode(after: &[u8], places: Places) -> Result<Self, ShardError> {
        let (tables, footer) = after.split_last_chunk::<FOOTER_BYTES>().ok_or(ShardError::CutShort)?;
        let (first, rest) = words::<9>(footer)?;
        let (key, rest) = rest.split_first_chunk::<32>().ok_or(ShardError::CutShort)?;
        let ([made, expires], rest) = words::<2>(rest)?;
        let ([.., _, files_bytes, xorbs_bytes, footer_at], _) = words::<10>(rest)?;
        let [version, files, xorbs, counts @ ..] = first;
        if version != VERSION {
            return Err(ShardError::OtherFormat);
        }
        let at = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut end = at(places.end);
        let (tables_at, _) = counts.as_chunks::<2>();
        let mut fits = files == at(places.files) && xorbs == at(places.xorbs);
        for ([begins, count], bytes) in tables_at.iter().zip(LOOKUP_BYTES) {
            fits &= *begins == end;
            end = count
                .checked_mul(bytes)
                .and_then(|bytes| end.checked_add(bytes))
                .ok_or(ShardError::Footer)?;
        }
        if !fits || footer_at != end || end - at(places.end) != at(tables.len()) {
            return Err(ShardError::Footer);
        }
        Ok(Self { key: ShardKey::new(*key), made, expires, files_bytes, xorbs_bytes })
    }
}

/// The first words of `bytes`, and what follows them.
fn words<const N: usize>(bytes: &[u8]) -> Result<([u64; N], &[u8]), ShardError> {
    let (first, rest) = bytes.split_at_checked(8 * N).ok_or(ShardError::CutShort)?;
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(first.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    Ok((words, rest))
}
