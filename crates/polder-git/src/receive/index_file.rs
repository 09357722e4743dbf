//! Writes a version 2 pack index.
//!
//! Source: git `Documentation/gitformat-pack.adoc`, "Version 2 pack-*.idx files".

use std::io::Write;

use polder_types::ObjectId;

use super::index::RECEIVE;
use crate::{Error, Result};

/// One line of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexLine {
    pub(super) id: ObjectId,
    pub(super) offset: u64,
    pub(super) crc32: u32,
}

const LARGE_OFFSET: u32 = 1 << 31;

/// Writes the index of a pack whose hash is `pack`; `lines` are in ascending order of their ids.
pub(super) fn write_index(lines: &[IndexLine], pack: ObjectId, out: &mut dyn Write) -> Result<()> {
    let mut out = Hashing { out, hasher: gix_hash::hasher(gix_hash::Kind::Sha1) };
    out.write(b"\xfftOc\0\0\0\x02")?;
    let mut from = 0;
    for first in 0..=u8::MAX {
        let rest = lines.get(from..).unwrap_or_default();
        from += rest.partition_point(|line| line.id.as_bytes().first() <= Some(&first));
        out.write(&number(from)?.to_be_bytes())?;
    }
    for line in lines {
        out.write(line.id.as_bytes())?;
    }
    for line in lines {
        out.write(&line.crc32.to_be_bytes())?;
    }
    let mut large: Vec<u64> = Vec::new();
    for line in lines {
        let small = u32::try_from(line.offset).ok().filter(|offset| *offset < LARGE_OFFSET);
        let word = if let Some(offset) = small {
            offset
        } else {
            large.push(line.offset);
            LARGE_OFFSET | number(large.len() - 1)?
        };
        out.write(&word.to_be_bytes())?;
    }
    for offset in large {
        out.write(&offset.to_be_bytes())?;
    }
    out.write(pack.as_bytes())?;
    let hash = out.hasher.try_finalize().map_err(|error| Error::corrupt_by(RECEIVE, "index", error))?;
    out.out.write_all(hash.as_slice()).map_err(|error| Error::io(RECEIVE, "index", error))
}

fn number(count: usize) -> Result<u32> {
    u32::try_from(count).map_err(|_error| Error::too_large("a pack holds at most 4294967295 objects"))
}

struct Hashing<'a> {
    out: &'a mut dyn Write,
    hasher: gix_hash::Hasher,
}

impl Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes).map_err(|error| Error::io(RECEIVE, "index", error))
    }
}
