//! Takes an incoming pack: reads it to its end, proves it whole, and makes its index.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use polder_types::{ObjectId, PackId};

use super::check::PackChecks;
use super::index_file::{IndexLine, write_index};
use super::limits::IndexLimits;
use super::resolve::resolve;
use super::scan::{Scanned, scan};
use super::spool::Spool;
use crate::{Error, Pack, Result};

/// What this part was doing when an error came.
pub(super) const RECEIVE: &str = "receive a pack";

/// A pack that is whole, indexed and readable, but belongs to no repository yet.
#[derive(Debug)]
pub struct Received {
    /// The pack, ready to read.
    pub pack: Arc<Pack>,
    /// The pack's own hash: its last 20 bytes.
    pub hash: ObjectId,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many objects it holds.
    pub objects: u32,
    /// Where its bytes are.
    pub place: Place,
    /// What the object checks found; judged by `check_push`.
    pub(super) checks: PackChecks,
}

/// Where a received pack is. Nothing has been synced to disk.
#[derive(Debug, Clone)]
pub enum Place {
    /// Small: the bytes of the pack and of its version 2 index.
    Memory {
        /// From `PACK` to the trailing hash.
        pack: Bytes,
        /// The index.
        index: Bytes,
    },
    /// Two files in the quarantine directory.
    Files {
        /// The pack.
        pack: PathBuf,
        /// Its version 2 index.
        index: PathBuf,
    },
}

/// Reads a pack to the end of `body` and indexes it.
///
/// A pack up to [`IndexLimits::inline_bytes_max`] never touches the disk; a larger one is written to
/// `quarantine`, an existing directory that this call has to itself, and nothing there is synced; after an
/// error the caller clears it.
/// `progress` gets lines as git prints them. `None` when no pack comes, or one without objects.
/// Every object has been inflated, hashed and parsed when this returns; what the pack's objects
/// mean, and whether what they name exists, is for [`check_push`](crate::check_push).
///
/// # Errors
/// [`Error::Refused`] for a pack that is malformed, cut off, followed by junk, thin, has an object
/// twice, too long a delta chain, or half of a SHA-1 collision attack; [`Error::TooLarge`] over a limit;
/// [`Error::Io`] when reading or writing fails.
///
/// Source: git `Documentation/gitformat-pack.adoc`; wording of `builtin/index-pack.c`.
pub fn index_pack(
    id: PackId,
    body: &mut dyn Read,
    quarantine: &Path,
    limits: &IndexLimits,
    progress: &mut dyn FnMut(&str),
) -> Result<Option<Received>> {
    let mut checks = PackChecks::default();
    let spool = Spool::new(quarantine, limits.inline_bytes_max);
    let Some(mut scanned) = scan(body, spool, limits, &mut checks)? else { return Ok(None) };
    if scanned.entries.is_empty() {
        return Ok(None);
    }
    resolve(&mut scanned, limits, &mut checks, progress)?;
    let lines = index_lines(&scanned)?;
    let objects = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let Scanned { spool, entries, hash, bytes, .. } = scanned;
    drop(entries);
    let place = spool.finish(&mut |out| write_index(&lines, hash, out))?;
    let pack = match &place {
        Place::Memory { pack, index } => Pack::from_bytes(id, pack.clone(), index.clone())?,
        Place::Files { pack, index } => Pack::open(id, pack, index)?,
    };
    Ok(Some(Received { pack: Arc::new(pack), hash, bytes, objects, place, checks }))
}

fn index_lines(scanned: &Scanned<'_>) -> Result<Vec<IndexLine>> {
    let mut lines = Vec::with_capacity(scanned.entries.len());
    for entry in &scanned.entries {
        let id = entry.id.ok_or_else(|| Error::refused("pack has unresolved deltas"))?;
        lines.push(IndexLine { id, offset: entry.offset, crc32: entry.crc32 });
    }
    lines.sort_unstable();
    let twice = lines.windows(2).find_map(|pair| match pair {
        [a, b] if a.id == b.id => Some(a.id),
        _ => None,
    });
    match twice {
        Some(id) => Err(Error::refused(format!("the pack holds object {id} twice"))),
        None => Ok(lines),
    }
}
