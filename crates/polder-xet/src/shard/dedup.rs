//! What a hub answers to who asks for chunks that it has: xorbs, with keyed hashes of their chunks.

use super::footer::{FOOTER_BYTES, Places, ShardFooter, ShardKey};
use super::record::{RECORD_BYTES, section_end, write};
use super::sections::{Shard, header};
use super::{SHARD_BYTES_MAX, ShardError};
use crate::hash::{Chunk, ChunkHash, KeyedHash, XorbHash};

/// Writes a shard with keyed chunk hashes, without files.
///
/// ```
/// use polder_xet::{Chunk, ChunkHash, DedupShard, DedupWriter, ShardKey, XorbHash};
/// let (key, xorb) = (ShardKey::new([7; 32]).ok_or("zeros")?, XorbHash::new([1; 32]));
/// let chunk = Chunk { hash: ChunkHash::of(b"hello"), size_bytes: 5 };
/// let mut writer = DedupWriter::new(key);
/// writer.add(xorb, &[chunk])?;
/// let bytes = writer.finish(1_800_000_000, 1_800_003_600);
/// let shard = DedupShard::decode(&bytes)?;
/// assert_eq!(shard.find(chunk.hash), Some((xorb, 0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DedupWriter {
    key: ShardKey,
    out: Vec<u8>,
    size_bytes: u64,
}

impl DedupWriter {
    /// Begins a shard whose chunk hashes are under `key`.
    pub fn new(key: ShardKey) -> Self {
        let out = [header(FOOTER_BYTES), section_end()].concat();
        Self { key, out, size_bytes: 0 }
    }

    /// Adds an xorb.
    ///
    /// # Errors
    /// [`ShardError::TooLarge`] when there is no room for it; nothing is added then.
    pub fn add(&mut self, xorb: XorbHash, chunks: &[Chunk]) -> Result<(), ShardError> {
        let bytes = RECORD_BYTES * (chunks.len() + 1);
        if self.bytes() + bytes > SHARD_BYTES_MAX {
            return Err(ShardError::TooLarge);
        }
        let size_bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.size_bytes)).sum();
        let number = |of: u64| u32::try_from(of).or(Err(ShardError::TooLarge));
        let count = u32::try_from(chunks.len()).or(Err(ShardError::TooLarge))?;
        self.out.extend_from_slice(&write(xorb.as_bytes(), [0, count, number(size_bytes)?, 0]));
        let mut offset: u32 = 0;
        for chunk in chunks {
            let hash = self.key.of(chunk.hash);
            self.out.extend_from_slice(&write(hash.as_bytes(), [offset, chunk.size_bytes, 0, 0]));
            offset = offset.saturating_add(chunk.size_bytes);
        }
        self.size_bytes += size_bytes;
        Ok(())
    }

    /// Bytes that the shard would have now.
    pub fn bytes(&self) -> usize {
        self.out.len() + RECORD_BYTES + FOOTER_BYTES
    }

    /// The shard, made and to be forgotten at those seconds since 1970.
    pub fn finish(self, made: u64, expires: u64) -> Vec<u8> {
        let Self { key, mut out, size_bytes } = self;
        out.extend_from_slice(&section_end());
        let places = Places { files: RECORD_BYTES, xorbs: 2 * RECORD_BYTES, end: out.len() };
        let footer = ShardFooter { key: Some(key), made, expires, files_bytes: 0, xorbs_bytes: size_bytes };
        out.extend(footer.encode(places));
        out
    }
}

/// A shard with keyed chunk hashes, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupShard<'a> {
    shard: Shard<'a>,
    key: ShardKey,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// When it is to be forgotten, in seconds since 1970.
    pub expires: u64,
}

impl<'a> DedupShard<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// [`ShardError`] when it is none, or its chunk hashes have no key.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ShardError> {
        let shard = Shard::decode_any(bytes)?;
        let footer = shard.footer.ok_or(ShardError::Keyed)?;
        let key = footer.key.ok_or(ShardError::Keyed)?;
        Ok(Self { shard, key, made: footer.made, expires: footer.expires })
    }

    /// Its chunks: xorb, place in it, keyed hash and length.
    pub fn chunks(&self) -> impl Iterator<Item = (XorbHash, u32, KeyedHash, u32)> + use<'a> {
        self.shard.xorbs().flat_map(|xorb| {
            let chunks = (0..).zip(xorb.chunks());
            chunks.map(move |(place, chunk)| (xorb.hash, place, KeyedHash::new(chunk.hash), chunk.size_bytes))
        })
    }

    /// An xorb that has the chunk, and its place in it.
    pub fn find(&self, chunk: ChunkHash) -> Option<(XorbHash, u32)> {
        let wanted = self.key.of(chunk);
        self.chunks().find(|(_, _, hash, _)| *hash == wanted).map(|(xorb, place, ..)| (xorb, place))
    }
}
