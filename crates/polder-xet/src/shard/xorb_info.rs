//! What a shard says of an xorb: its chunks.

use super::ShardError;
use super::file_info::records;
use super::record::{Record, read, section_end};
use crate::hash::XorbHash;

/// A chunk of an xorb as a shard has it. The hash is keyed in some shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardChunk {
    /// The hash of its bytes, or that under the shard's key.
    pub hash: [u8; 32],
    /// Where in the unpacked xorb it begins.
    pub offset: u32,
    /// Its length in bytes.
    pub size_bytes: u32,
}

/// An xorb of a shard. Nothing of it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XorbInfo<'a> {
    /// The hash of its chunks.
    pub hash: XorbHash,
    /// How many bytes its chunks are said to have.
    pub size_bytes: u32,
    chunks: &'a [Record],
}

impl<'a> XorbInfo<'a> {
    /// The next xorb of a section, which is taken from `rest`; none at the section's end.
    pub(super) fn take(rest: &mut &'a [Record]) -> Result<Option<Self>, ShardError> {
        let (first, after) = rest.split_first().ok_or(ShardError::CutShort)?;
        *rest = after;
        if *first == section_end() {
            return Ok(None);
        }
        let (hash, [_, chunks, size_bytes, _]) = read(first);
        Ok(Some(Self { hash: XorbHash::new(hash), size_bytes, chunks: records(rest, chunks)? }))
    }

    /// Its chunks in turn.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ShardChunk> + use<'a> {
        self.chunks.iter().map(|record| {
            let (hash, [offset, size_bytes, ..]) = read(record);
            ShardChunk { hash, offset, size_bytes }
        })
    }
}
