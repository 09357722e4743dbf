//! Makes shards of anything, true or not.

use super::super::record::{section_end, write};
use super::super::sections::header;
use super::*;
use crate::RangeHash;

/// A file to put into a shard.
#[derive(Clone)]
pub(super) struct File {
    pub(super) hash: FileHash,
    pub(super) flags: u32,
    pub(super) terms: Vec<Term>,
    pub(super) range_hashes: Vec<RangeHash>,
    pub(super) sha256: [u8; 32],
}

/// An xorb to put into a shard.
#[derive(Clone)]
pub(super) struct Xorb {
    pub(super) hash: XorbHash,
    pub(super) chunks: Vec<Chunk>,
    pub(super) size_bytes: u32,
    pub(super) first_offset: u32,
}

impl File {
    /// A true file of those runs of xorbs.
    pub(super) fn of(runs: &[(XorbHash, &[Chunk], std::ops::Range<u32>)]) -> Self {
        let run = |chunks: &[Chunk], range: &std::ops::Range<u32>| {
            chunks[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec()
        };
        let terms = runs.iter().map(|(xorb, chunks, range)| Term {
            xorb: *xorb,
            chunks: range.clone(),
            size_bytes: run(chunks, range).iter().map(|chunk| chunk.size_bytes).sum(),
        });
        let all: Vec<Chunk> = runs.iter().flat_map(|(_, chunks, range)| run(chunks, range)).collect();
        Self {
            hash: file_hash(&all),
            flags: 0xc000_0000,
            terms: terms.collect(),
            range_hashes: runs.iter().map(|(_, chunks, range)| RangeHash::of(&run(chunks, range))).collect(),
            sha256: [7; 32],
        }
    }
}

impl Xorb {
    /// A true xorb.
    pub(super) fn of(chunks: &[Chunk]) -> Self {
        Self {
            hash: crate::xorb_hash(chunks.to_vec()),
            chunks: chunks.to_vec(),
            size_bytes: chunks.iter().map(|chunk| chunk.size_bytes).sum(),
            first_offset: 0,
        }
    }
}

/// The shard that a client would upload for those.
pub(super) fn upload(files: &[File], xorbs: &[Xorb]) -> Vec<u8> {
    let mut records = vec![header(0)];
    let count = |len: usize| u32::try_from(len).unwrap();
    for file in files {
        records.push(write(file.hash.as_bytes(), [file.flags, count(file.terms.len()), 0, 0]));
        records.extend(file.terms.iter().map(|term| {
            write(term.xorb.as_bytes(), [0, term.size_bytes, term.chunks.start, term.chunks.end])
        }));
        if file.flags & 1 << 31 != 0 {
            records.extend(file.range_hashes.iter().map(|hash| write(hash.as_bytes(), [0; 4])));
        }
        if file.flags & 1 << 30 != 0 {
            records.push(write(&crate::hash::swapped(file.sha256), [0; 4]));
        }
    }
    records.push(section_end());
    for xorb in xorbs {
        records.push(write(xorb.hash.as_bytes(), [0, count(xorb.chunks.len()), xorb.size_bytes, 0]));
        let mut offset = xorb.first_offset;
        for chunk in &xorb.chunks {
            records.push(write(chunk.hash.as_bytes(), [offset, chunk.size_bytes, 0, 0]));
            offset += chunk.size_bytes;
        }
    }
    records.push(section_end());
    records.concat()
}
