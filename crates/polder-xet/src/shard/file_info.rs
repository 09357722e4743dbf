//! What a shard says of a file: the runs of chunks that make it.

use std::ops::Range;

use super::ShardError;
use super::record::{Record, read, section_end};
use crate::hash::{FileHash, RangeHash, XorbHash, swapped};

const HAS_RANGE_HASHES: u32 = 1 << 31;
const HAS_SHA256: u32 = 1 << 30;

/// A run of chunks of an xorb that a file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The xorb.
    pub xorb: XorbHash,
    /// Which of its chunks; the range may be backwards or beyond the xorb.
    pub chunks: Range<u32>,
    /// How many bytes they are said to have.
    pub size_bytes: u32,
}

/// A file of a shard. Nothing of it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo<'a> {
    /// The hash of its chunks.
    pub hash: FileHash,
    /// The SHA-256 of its bytes, if it is said.
    pub sha256: Option<[u8; 32]>,
    terms: &'a [Record],
    range_hashes: Option<&'a [Record]>,
}

impl<'a> FileInfo<'a> {
    /// The next file of a section, which is taken from `rest`; none at the section's end.
    pub(super) fn take(rest: &mut &'a [Record]) -> Result<Option<Self>, ShardError> {
        let (first, after) = rest.split_first().ok_or(ShardError::CutShort)?;
        *rest = after;
        if *first == section_end() {
            return Ok(None);
        }
        let (hash, [flags, terms, ..]) = read(first);
        if flags & !(HAS_RANGE_HASHES | HAS_SHA256) != 0 {
            return Err(ShardError::UnknownFlags);
        }
        let terms = records(rest, terms)?;
        let range_hashes = if flags & HAS_RANGE_HASHES == 0 { None } else { Some(take(rest, terms.len())?) };
        let sha256 = if flags & HAS_SHA256 == 0 { None } else { take(rest, 1)?.first() };
        let sha256 = sha256.map(|record| swapped(read(record).0));
        Ok(Some(Self { hash: FileHash::new(hash), sha256, terms, range_hashes }))
    }

    /// Its runs of chunks, in the order of the file.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = Term> + use<'a> {
        self.terms.iter().map(|record| {
            let (xorb, [_, size_bytes, start, end]) = read(record);
            Term { xorb: XorbHash::new(xorb), chunks: start..end, size_bytes }
        })
    }

    /// For each run the proof that the uploader knows its chunks, if there are proofs.
    pub fn range_hashes(&self) -> Option<impl ExactSizeIterator<Item = RangeHash> + use<'a>> {
        self.range_hashes.map(|records| records.iter().map(|record| RangeHash::new(read(record).0)))
    }

    /// How many bytes its runs are said to have.
    pub fn size_bytes(&self) -> u64 {
        self.terms().map(|term| u64::from(term.size_bytes)).sum()
    }
}

/// Takes so many records.
pub(super) fn records<'a>(rest: &mut &'a [Record], count: u32) -> Result<&'a [Record], ShardError> {
    take(rest, usize::try_from(count).unwrap_or(usize::MAX))
}

fn take<'a>(rest: &mut &'a [Record], count: usize) -> Result<&'a [Record], ShardError> {
    let (taken, after) = rest.split_at_checked(count).ok_or(ShardError::CutShort)?;
    *rest = after;
    Ok(taken)
}
