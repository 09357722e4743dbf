//! What of an object is missing, and how it is asked for; on the way, what is here already is copied.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use polder_xet::{CHUNK_BYTES_MAX, ChunkHash, EXTENTS_MAX, HEADER_BYTES, ListHeader};

use super::list::{Piece, Pieces};
use super::state::Shared;

/// Most bytes asked for at once.
pub(super) const UNIT_BYTES_MAX: u64 = 8 << 20;
/// Most chunks of other objects that are remembered while one is planned: 100 MB of memory, 128 GB of chunks.
const KNOWN_CHUNKS_MAX: usize = 2_000_000;

/// Pieces that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) offset: u64,
    pub(super) size_bytes: u64,
}

/// What one request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) runs: Vec<Run>,
    pub(super) size_bytes: u64,
}

impl Unit {
    /// Whether it has byte `offset`.
    pub(super) fn has(&self, offset: u64) -> bool {
        self.runs.iter().any(|run| (run.offset..run.offset.saturating_add(run.size_bytes)).contains(&offset))
    }
}

/// Gathers missing pieces, which come in order, into units.
#[derive(Debug, Default)]
struct Units {
    done: Vec<Unit>,
    open: Unit,
}

impl Units {
    fn push(&mut self, index: u32, piece: Piece) {
        let size_bytes = u64::from(piece.size_bytes);
        let is_full = self.open.size_bytes + size_bytes > UNIT_BYTES_MAX;
        let follows = self.open.runs.last().is_some_and(|run| run.first + run.count == index);
        if is_full || !follows && self.open.runs.len() >= EXTENTS_MAX {
            self.done.push(std::mem::take(&mut self.open));
        }
        self.open.size_bytes += size_bytes;
        match self.open.runs.last_mut() {
            Some(run) if run.first + run.count == index => {
                run.count += 1;
                run.size_bytes += size_bytes;
            }
            _ => self.open.runs.push(Run { first: index, count: 1, offset: piece.offset, size_bytes }),
        }
    }

    fn finish(mut self) -> Vec<Unit> {
        if !self.open.runs.is_empty() {
            self.done.push(self.open);
        }
        self.done
    }
}

/// Chunks of objects that are here: where a chunk of a given hash may be found.
#[derive(Debug, Default)]
pub(super) struct Known {
    files: Vec<Arc<File>>,
    /// By the beginning of its hash: file, place. What is found is hashed before it is used.
    places: HashMap<u64, (u32, u64)>,
}

fn key(hash: &ChunkHash) -> u64 {
    hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Known {
    /// Adds the chunks of an object, as far as there is room.
    pub(super) fn add(&mut self, data: Arc<File>, list: File) -> io::Result<()> {
        let mut header = [0; HEADER_BYTES];
        list.read_exact_at(&mut header, 0)?;
        let (header, _) = ListHeader::decode(&header).map_err(io::Error::other)?;
        let at = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(data);
        let room = KNOWN_CHUNKS_MAX.saturating_sub(self.places.len());
        let count = header.chunks.min(u32::try_from(room).unwrap_or(u32::MAX));
        let pieces = Pieces::Listed { file: Arc::new(list), chunks: header.chunks };
        pieces.each(0, count, 0, &mut |_, piece| {
            if let Some(chunk) = piece.chunk {
                self.places.entry(key(&chunk.hash)).or_insert((at, piece.offset));
            }
            Ok(())
        })
    }

    /// Reads a chunk out of what is here into `buffer`, if it is there and still itself.
    fn find(&self, piece: &Piece, buffer: &mut Vec<u8>) -> bool {
        let Some(chunk) = piece.chunk else { return false };
        let Some((file, offset)) = self.places.get(&key(&chunk.hash)) else { return false };
        let Some(file) = usize::try_from(*file).ok().and_then(|at| self.files.get(at)) else { return false };
        buffer.resize(usize::try_from(chunk.size_bytes).unwrap_or_default().min(CHUNK_BYTES_MAX), 0);
        file.read_exact_at(buffer, *offset).is_ok() && ChunkHash::of(buffer) == chunk.hash
    }
}

/// Whether a piece is in its place already, though nobody wrote down that it came.
fn has_come(piece: &Piece, shared: &Shared, buffer: &mut Vec<u8>) -> bool {
    let Some(chunk) = piece.chunk else { return false };
    buffer.resize(usize::try_from(chunk.size_bytes).unwrap_or_default().min(CHUNK_BYTES_MAX), 0);
    shared.data.read_exact_at(buffer, piece.offset).is_ok() && ChunkHash::of(buffer) == chunk.hash
}

/// Copies what is here, and says what is left to be asked for, in order. Of what an earlier process may have left
/// in its place, `unsaved_bytes` are looked at. Blocking.
pub(super) fn plan(
    pieces: &Pieces,
    shared: &Shared,
    known: &Known,
    mut unsaved_bytes: u64,
) -> io::Result<Vec<Unit>> {
    let (mut units, mut buffer) = (Units::default(), Vec::new());
    pieces.each(0, pieces.count(), 0, &mut |index, piece| {
        if shared.is_good(piece.offset, piece.end()) {
            return Ok(());
        }
        if unsaved_bytes > 0 {
            unsaved_bytes = unsaved_bytes.saturating_sub(piece.size_bytes.into());
            if has_come(&piece, shared, &mut buffer) {
                shared.mark_good(piece.offset, piece.end());
                return Ok(());
            }
        }
        if known.find(&piece, &mut buffer) {
            shared.count_reused(u64::from(piece.size_bytes));
            return shared.put(piece.offset, &buffer);
        }
        units.push(index, piece);
        Ok(())
    })?;
    Ok(units.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, size_bytes: u32) -> Piece {
        Piece { offset, size_bytes, chunk: None }
    }

    #[test]
    fn what_is_missing_is_asked_for_in_few_large_requests() {
        let mut units = Units::default();
        for index in 0..1000_u32 {
            units.push(index, piece(u64::from(index) * 100_000, 100_000));
        }
        let units = units.finish();
        assert!(units.iter().all(|unit| unit.runs.len() == 1 && unit.size_bytes <= UNIT_BYTES_MAX));
        assert_eq!(units.len(), 1000_usize.div_ceil(83));
        assert!(units[1].has(8_300_000) && !units[1].has(8_299_999));
    }

    #[test]
    fn scattered_pieces_share_requests_within_their_bounds() {
        let mut units = Units::default();
        for index in 0..2500_u32 {
            units.push(index * 2, piece(u64::from(index) * 20_000, 1_000));
        }
        let runs: Vec<usize> = units.finish().iter().map(|unit| unit.runs.len()).collect();
        assert_eq!(runs, [1024, 1024, 452]);
    }
}
