//! Where chunks end: content decides, so that an edit changes only the chunks around it.
//!
//! Source: `xet-data` 1.8.0 `deduplication::Chunker`, and the chunks it made (`fixtures/xet/vectors.txt`).

use std::fmt;

use crate::hash::{Chunk, ChunkHasher};

/// Fewest bytes of a chunk that is not the last.
pub const CHUNK_BYTES_MIN: usize = 8 << 10;
/// Most bytes of a chunk.
pub const CHUNK_BYTES_MAX: usize = 128 << 10;
/// A chunk ends where these bits of the rolling hash are zero: once in 65,536 bytes.
const MASK: u64 = 0xffff << 48;
/// Bytes that the rolling hash depends on, and one: before the least length only these are looked at.
const WINDOW_BYTES: usize = 65;

/// Cuts an object into chunks as its bytes come, in pieces of any size, and hashes them.
///
/// ```
/// use polder_xet::Cutter;
/// let (mut cutter, mut chunks) = (Cutter::default(), Vec::new());
/// cutter.push(&[7; 100_000], &mut |chunk| chunks.push(chunk));
/// cutter.push(&[7; 100_000], &mut |chunk| chunks.push(chunk));
/// chunks.extend(cutter.finish());
/// let sizes: Vec<u32> = chunks.iter().map(|chunk| chunk.size_bytes).collect();
/// assert_eq!(sizes, [131_072, 68_928]);
/// ```
#[derive(Default)]
pub struct Cutter {
    gear: gearhash::Hasher<'static>,
    hash: ChunkHasher,
    /// Bytes of the chunk under way.
    len: usize,
}

impl fmt::Debug for Cutter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Cutter").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Cutter {
    /// Appends `bytes`, handing every chunk that ends in them to `take`.
    pub fn push(&mut self, mut bytes: &[u8], take: &mut impl FnMut(Chunk)) {
        while !bytes.is_empty() {
            let (used, ends) = self.scan(bytes);
            let (ours, rest) = bytes.split_at_checked(used).unwrap_or((bytes, &[]));
            self.hash.update(ours);
            self.len += ours.len();
            bytes = rest;
            if ends {
                take(self.cut());
            }
        }
    }

    /// The last chunk, if bytes are left for one.
    pub fn finish(mut self) -> Option<Chunk> {
        (self.len > 0).then(|| self.cut())
    }

    fn cut(&mut self) -> Chunk {
        self.gear.set_hash(0);
        let size_bytes = u32::try_from(std::mem::take(&mut self.len)).unwrap_or(u32::MAX);
        Chunk { hash: self.hash.take(), size_bytes }
    }

    /// How many of `bytes` belong to the chunk under way, and whether it ends there.
    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let end = bytes.len().min(CHUNK_BYTES_MAX - self.len);
        let mut at = end.min((CHUNK_BYTES_MIN - WINDOW_BYTES).saturating_sub(self.len));
        while let Some(found) = self.gear.next_match(bytes.get(at..end).unwrap_or_default(), MASK) {
            at += found;
            // Where fewer bytes than the window were seen, the hash says nothing yet.
            if self.len + at >= CHUNK_BYTES_MIN {
                return (at, true);
            }
        }
        (end, self.len + end == CHUNK_BYTES_MAX)
    }
}
