//! Cuts the chunks of an object into the xorbs under which it is served.

use super::{XORB_BYTES_MAX, XORB_CHUNKS_MAX};
use crate::hash::{Chunk, XorbHash};
use crate::merkle::FileHasher;

/// Most chunks of a run: 64 MiB of chunks of the usual length.
pub const RUN_CHUNKS_MAX: u64 = 1024;
const _: () = assert!(XORB_CHUNKS_MAX >= 1024);

/// Chunks of an object that are one xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The hash of the xorb.
    pub hash: XorbHash,
    /// Its first chunk, counted from the beginning of the object.
    pub first: u64,
    /// How many chunks it has.
    pub chunks: u64,
    /// Where in the object it begins.
    pub offset: u64,
    /// How many bytes of the object it has.
    pub size_bytes: u64,
}

/// Cuts an object into runs, as its chunks come. The same chunks make the same runs.
///
/// ```
/// use polder_xet::{Chunk, ChunkHash, Runs};
/// let (mut runs, chunk) = (Runs::default(), Chunk { hash: ChunkHash::of(b"a"), size_bytes: 1 });
/// assert_eq!(runs.push(chunk), None);
/// assert_eq!(runs.finish().map(|run| (run.chunks, run.size_bytes)), Some((1, 1)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Runs {
    tree: FileHasher,
    first: u64,
    offset: u64,
}

impl Runs {
    /// Appends a chunk; the run before it, if that has no room for it.
    pub fn push(&mut self, chunk: Chunk) -> Option<Run> {
        let size_bytes = self.tree.size_bytes().saturating_add(u64::from(chunk.size_bytes));
        let is_full = self.tree.chunks() == RUN_CHUNKS_MAX || size_bytes > u64::from(XORB_BYTES_MAX);
        let run = if is_full { self.cut() } else { None };
        self.tree.push(chunk);
        run
    }

    /// The last run, if chunks are left for one.
    pub fn finish(mut self) -> Option<Run> {
        self.cut()
    }

    fn cut(&mut self) -> Option<Run> {
        let tree = std::mem::take(&mut self.tree);
        let (first, offset, chunks, size_bytes) = (self.first, self.offset, tree.chunks(), tree.size_bytes());
        self.first += chunks;
        self.offset = self.offset.saturating_add(size_bytes);
        (chunks > 0).then(|| Run { hash: tree.finish_xorb(), first, chunks, offset, size_bytes })
    }
}
