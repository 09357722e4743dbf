//! Remembering where chunks of xorbs lie once they are in objects.

use std::collections::HashMap;

use polder_db::{Entries, StagedXorb, XorbPiece};
use polder_types::{BlobId, Sha256, StagedXorbId};
use polder_xet::{Chunk, ProvenFile, XorbHash};
use tokio::runtime::Handle;

use super::number;
use super::sources::Sources;
use crate::Hub;
use crate::error::Result;

/// Most pieces written at a time.
const PIECES_PAGE: usize = 1_000;
/// Most bytes of chunk lists written at a time.
const LIST_BYTES_PAGE: usize = 1 << 20;

/// What has been remembered of the xorbs of a shard.
pub(super) struct Pieces {
    hub: Hub,
    waiting: Vec<XorbPiece>,
    list_bytes: usize,
    /// Which chunks of an xorb lie in an object by now.
    placed: HashMap<XorbHash, (StagedXorb, Vec<bool>)>,
}

impl Pieces {
    pub(super) fn new(hub: &Hub) -> Self {
        Self { hub: hub.clone(), waiting: Vec::new(), list_bytes: 0, placed: HashMap::new() }
    }

    /// Remembers what the file, which is now the object `sha256`, has of xorbs that were sent. `is_cut_so` when the
    /// object is cut into the same chunks here.
    pub(super) fn add(
        &mut self,
        sources: &mut Sources,
        file: &ProvenFile<'_>,
        sha256: Sha256,
        is_cut_so: bool,
    ) -> Result<()> {
        let (mut at_byte, mut at_chunk) = (0, 0);
        for term in file.terms() {
            let at = |chunk: u32| usize::try_from(chunk).unwrap_or(usize::MAX);
            let chunks = at(term.chunks.start)..at(term.chunks.end);
            let count = u64::from(term.chunks.end.saturating_sub(term.chunks.start));
            if let Some(staged) = sources.staged_xorb(term.xorb)
                && self.place(staged, chunks.clone())
            {
                let entries = if is_cut_so {
                    Entries::OfObject { at_chunk: number(at_chunk), cut: file.hash() }
                } else {
                    let loaded = sources.load(term.xorb)?;
                    let run = loaded.as_ref().and_then(|loaded| loaded.chunks().get(chunks));
                    let list: Vec<u8> = run.unwrap_or_default().iter().flat_map(Chunk::encode).collect();
                    self.list_bytes += list.len();
                    Entries::Own(list.into())
                };
                self.waiting.push(XorbPiece {
                    xorb: term.xorb,
                    first: i64::from(term.chunks.start),
                    chunks: number(count),
                    sha256,
                    blob: BlobId(0),
                    at_byte: number(at_byte),
                    entries,
                });
                if self.waiting.len() >= PIECES_PAGE || self.list_bytes >= LIST_BYTES_PAGE {
                    self.write()?;
                }
            }
            at_byte += u64::from(term.size_bytes);
            at_chunk += count;
        }
        Ok(())
    }

    /// Writes the last ones; the xorbs of which every chunk lies in an object.
    pub(super) fn finish(mut self) -> Result<Vec<StagedXorbId>> {
        self.write()?;
        let is_whole = |placed: &Vec<bool>| placed.iter().all(|placed| *placed);
        Ok(self
            .placed
            .into_values()
            .filter(|(_, placed)| is_whole(placed))
            .map(|(xorb, _)| xorb.id)
            .collect())
    }

    /// Marks chunks; whether some of them were not yet.
    fn place(&mut self, staged: StagedXorb, chunks: std::ops::Range<usize>) -> bool {
        let count = usize::try_from(staged.chunks).unwrap_or_default();
        let (_, placed) = self.placed.entry(staged.xorb).or_insert_with(|| (staged, vec![false; count]));
        let Some(placed) = placed.get_mut(chunks) else { return false };
        let is_new = placed.iter().any(|placed| !*placed);
        placed.fill(true);
        is_new
    }

    fn write(&mut self) -> Result<()> {
        self.list_bytes = 0;
        let pieces = std::mem::take(&mut self.waiting);
        if pieces.is_empty() {
            return Ok(());
        }
        Ok(Handle::current().block_on(self.hub.db.add_xorb_pieces(pieces))?)
    }
}
