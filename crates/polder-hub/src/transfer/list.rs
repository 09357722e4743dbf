//! The chunk list of an object on its way: asked of sources, held to the signed hash, kept in a file.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_blob::ListClaim;
use polder_xet::{Chunk, ENTRY_BYTES, HEADER_BYTES, KeyChunks, ListCheck, ListHeader, list_offset};
use tokio::time::timeout;

use super::source::{ObjectSource, SourceError};
use super::state::Shared;
use crate::blocking::in_place;
use crate::error::{Error, Result};

/// Most chunks in one page that is read.
const PAGE_CHUNKS_MAX: usize = 100_000;
/// Bytes of the longest page that is read.
const PAGE_BYTES_MAX: usize = HEADER_BYTES + ENTRY_BYTES * PAGE_CHUNKS_MAX;

/// What asking for a list came to.
pub(super) enum Asked {
    /// The list that was asked for is in the file.
    Good,
    /// The source has none, or another one, or does not answer.
    None(SourceError),
    /// The source says that it is the list, and it is not.
    Lie(String),
}

/// Asks one source for the list that `claim` describes, and writes it to `out`, which is empty.
pub(super) async fn ask(
    source: &Arc<dyn ObjectSource>,
    claim: &ListClaim,
    patience: Duration,
    shared: &Shared,
    out: &File,
) -> Result<Asked> {
    let mut check: Option<(ListHeader, ListCheck)> = None;
    loop {
        let from = check.as_ref().map_or(0, |(_, check)| u32::try_from(check.chunks()).unwrap_or(u32::MAX));
        let page = match timeout(patience, source.chunks(claim.sha256, from)).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => return Ok(Asked::None(error)),
            Err(_elapsed) => return Ok(Asked::None(SourceError::late())),
        };
        shared.count_fetched(page.len());
        let keep = if check.is_none() { page.as_ref() } else { page.get(HEADER_BYTES..).unwrap_or_default() };
        match take_page(&page, claim, &mut check, &mut |_chunk| {}) {
            Ok(is_last) => {
                in_place(|| {
                    let mut out = out;
                    out.write_all(keep)
                })
                .map_err(Error::internal)?;
                if is_last {
                    return Ok(Asked::Good);
                }
            }
            Err(asked) => return Ok(asked),
        }
    }
}

/// Takes one page, handing each chunk to `take`; says whether it was the last.
pub(super) fn take_page(
    page: &Bytes,
    claim: &ListClaim,
    check: &mut Option<(ListHeader, ListCheck)>,
    take: &mut impl FnMut(Chunk),
) -> std::result::Result<bool, Asked> {
    let lie = |error: &dyn std::fmt::Display| Asked::Lie(error.to_string());
    let (header, entries) = ListHeader::decode(page).map_err(|error| lie(&error))?;
    if header.size_bytes != claim.size_bytes || header.sha256 != *claim.sha256.as_bytes() {
        return Err(lie(&"it is the list of another object"));
    }
    if header.file_hash != claim.file_hash {
        // An object can be cut in more than one way: this is the list of another cut, and no lie.
        return Err(Asked::None(SourceError::Missing));
    }
    if page.len() > PAGE_BYTES_MAX {
        return Err(lie(&"a page of it is too long"));
    }
    let (known, checking) = check.get_or_insert_with(|| (header, ListCheck::new(header)));
    if *known != header || (entries.is_empty() && header.chunks > 0) {
        return Err(lie(&"its pages do not fit together"));
    }
    checking.page(entries, take).map_err(|error| lie(&error))?;
    if checking.chunks() < u64::from(header.chunks) {
        return Ok(false);
    }
    match check.take() {
        Some((_, check)) => check.finish().map(|()| true).map_err(|error| lie(&error)),
        None => Ok(true),
    }
}

/// The list in its file; or, where none is to be had, the object in pieces that only its own hash proves.
#[derive(Debug, Clone)]
pub(super) enum Pieces {
    Listed { file: Arc<File>, chunks: u32 },
    Plain { size_bytes: u64 },
}

/// A piece of the object: where it is, and its chunk with the hash that proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) size_bytes: u32,
    pub(super) chunk: Option<Chunk>,
}

impl Piece {
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.size_bytes))
    }
}

/// Bytes of a piece without a hash.
const PLAIN_BYTES: u32 = 128 << 10;
/// Entries read at a time.
const ENTRIES_AT_ONCE: u32 = 4096;

impl Pieces {
    /// The pieces of an object whose list is in `file`, if that is the list of `claim`.
    pub(super) fn open(file: File, claim: &ListClaim) -> Option<Self> {
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).ok()?;
        let (header, _) = ListHeader::decode(&header).ok()?;
        let is_ours = header.file_hash == claim.file_hash && header.sha256 == *claim.sha256.as_bytes();
        (is_ours && header.size_bytes == claim.size_bytes)
            .then(|| Self::Listed { file: Arc::new(file), chunks: header.chunks })
    }

    /// Calls `take` for `count` pieces from number `first` on, which begins at `offset`.
    pub(super) fn each(
        &self,
        first: u32,
        count: u32,
        mut offset: u64,
        take: &mut dyn FnMut(u32, Piece) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = first;
        let end = first.saturating_add(count).min(self.count());
        let mut buffer = Vec::new();
        while at < end {
            let some = (end - at).min(ENTRIES_AT_ONCE);
            let chunks = self.read(at, some, &mut buffer)?;
            for place in 0..some {
                let index = usize::try_from(place).unwrap_or(usize::MAX);
                let chunk = chunks.as_ref().and_then(|chunks| chunks.get(index).copied());
                let size_bytes = match (chunk, self) {
                    (Some(chunk), _) => chunk.size_bytes,
                    (None, Self::Plain { size_bytes }) => u32::try_from(size_bytes.saturating_sub(offset))
                        .unwrap_or(PLAIN_BYTES)
                        .min(PLAIN_BYTES),
                    (None, Self::Listed { .. }) => return Err(io::ErrorKind::UnexpectedEof.into()),
                };
                let piece = Piece { offset, size_bytes, chunk };
                take(at + place, piece)?;
                offset = piece.end();
            }
            at += some;
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Listed { chunks, .. } => *chunks,
            Self::Plain { size_bytes } => {
                u32::try_from(size_bytes.div_ceil(u64::from(PLAIN_BYTES))).unwrap_or(u32::MAX)
            }
        }
    }

    /// Whether `other` is the very same list.
    pub(super) fn is_same_as(&self, other: &File) -> bool {
        let Self::Listed { file, chunks } = self else { return false };
        let (mut ours, mut theirs) = (vec![0; PAGE_BYTES_MAX], vec![0; PAGE_BYTES_MAX]);
        let (mut at, end) = (0, list_offset(*chunks));
        while at < end {
            let some = usize::try_from(end - at).unwrap_or(PAGE_BYTES_MAX).min(PAGE_BYTES_MAX);
            let (Some(ours), Some(theirs)) = (ours.get_mut(..some), theirs.get_mut(..some)) else {
                return false;
            };
            let is_read = file.read_exact_at(ours, at).is_ok() && other.read_exact_at(theirs, at).is_ok();
            if !is_read || ours != theirs {
                return false;
            }
            at += u64::try_from(some).unwrap_or(u64::MAX);
        }
        true
    }

    /// The few chunks by which objects that share some are found.
    pub(super) fn key_chunks(&self) -> io::Result<Vec<polder_xet::ChunkHash>> {
        let mut keys = KeyChunks::default();
        self.each(0, self.count(), 0, &mut |_, piece| {
            if let Some(chunk) = piece.chunk {
                keys.push(chunk);
            }
            Ok(())
        })?;
        Ok(keys.finish())
    }

    fn read(&self, from: u32, count: u32, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<Chunk>>> {
        let Self::Listed { file, .. } = self else { return Ok(None) };
        buffer.resize(usize::try_from(count).unwrap_or_default().saturating_mul(ENTRY_BYTES), 0);
        file.read_exact_at(buffer, list_offset(from))?;
        let (entries, _) = buffer.as_chunks::<ENTRY_BYTES>();
        let chunks: std::result::Result<Vec<Chunk>, _> = entries.iter().map(Chunk::decode).collect();
        chunks.map(Some).map_err(io::Error::other)
    }
}
