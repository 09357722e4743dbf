//! The body of an xorb whose chunks lie one after the other in a raw object: made on the way out.

use std::ops::Range;

use super::frame::{FRAME_HEADER_BYTES, FrameHeader};
use super::{XORB_BYTES_MAX, XORB_CHUNKS_MAX, XorbError};
use crate::hash::Chunk;

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes, of the header of a chunk.
    Header(Vec<u8>),
    /// Those bytes of the object.
    Object(Range<u64>),
}

/// A run of chunks of an object, as an xorb without compression.
///
/// ```
/// use polder_xet::{Chunk, ChunkHash, Piece, RawXorb};
/// let chunks = [Chunk { hash: ChunkHash::of(b"hello"), size_bytes: 5 }];
/// let xorb = RawXorb::new(&chunks, 1000)?;
/// let all: Vec<Piece> = xorb.pieces(0..xorb.body_bytes()).collect();
/// assert_eq!(all, [Piece::Header(vec![0, 5, 0, 0, 0, 5, 0, 0]), Piece::Object(1000..1005)]);
/// # Ok::<(), polder_xet::XorbError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RawXorb<'a> {
    chunks: &'a [Chunk],
    offset: u64,
}

const HEADER_BYTES: u64 = 8;
const _: () = assert!(FRAME_HEADER_BYTES == 8);

impl<'a> RawXorb<'a> {
    /// The xorb of `chunks`, the first of which begins at `offset` in the object.
    ///
    /// # Errors
    /// [`XorbError`] when they are none, or more than an xorb may have.
    pub fn new(chunks: &'a [Chunk], offset: u64) -> Result<Self, XorbError> {
        if chunks.is_empty() {
            return Err(XorbError::Empty);
        }
        if chunks.len() > XORB_CHUNKS_MAX {
            return Err(XorbError::TooManyChunks);
        }
        let size_bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.size_bytes)).sum();
        if size_bytes > u64::from(XORB_BYTES_MAX) || offset.checked_add(size_bytes).is_none() {
            return Err(XorbError::TooManyBytes);
        }
        Ok(Self { chunks, offset })
    }

    /// Bytes of the body.
    pub fn body_bytes(&self) -> u64 {
        body_bytes(self.chunks)
    }

    /// Where in the body the chunks of `range` are, if it has them.
    pub fn body_range(&self, range: Range<usize>) -> Option<Range<u64>> {
        let start = body_bytes(self.chunks.get(..range.start)?);
        Some(start..start + body_bytes(self.chunks.get(range)?))
    }

    /// What to send for a range of the body. What the body has not is left out.
    pub fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = Piece> + use<'a> {
        let (mut body_at, mut object_at) = (0, self.offset);
        self.chunks.iter().flat_map(move |chunk| {
            let size_bytes = u64::from(chunk.size_bytes);
            let header_at = body_at;
            let data_at = header_at + HEADER_BYTES;
            let begins_at = object_at;
            body_at = data_at + size_bytes;
            object_at += size_bytes;
            let header = part(&range, header_at, HEADER_BYTES).map(|part| header_part(chunk, part));
            let data = part(&range, data_at, size_bytes)
                .map(|part| Piece::Object(begins_at + part.start..begins_at + part.end));
            [header, data].into_iter().flatten()
        })
    }
}

fn body_bytes(chunks: &[Chunk]) -> u64 {
    chunks.iter().map(|chunk| HEADER_BYTES + u64::from(chunk.size_bytes)).sum()
}

/// Which part is asked for of `len` bytes that begin at `at`.
fn part(range: &Range<u64>, at: u64, len: u64) -> Option<Range<u64>> {
    let (start, end) = (range.start.max(at), range.end.min(at + len));
    (start < end).then(|| start - at..end - at)
}

fn header_part(chunk: &Chunk, part: Range<u64>) -> Piece {
    let size_bytes = usize::try_from(chunk.size_bytes).unwrap_or(usize::MAX);
    let at = |bytes: u64| usize::try_from(bytes).unwrap_or(FRAME_HEADER_BYTES);
    let header = FrameHeader::raw(size_bytes).encode();
    Piece::Header(header.get(at(part.start)..at(part.end)).unwrap_or_default().to_vec())
}
