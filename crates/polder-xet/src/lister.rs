//! From the bytes of an object to its chunk list, in one pass and in little memory.

use crate::chunker::Cutter;
use crate::hash::{Chunk, ChunkHash, FileHash};
use crate::list::{ListError, ListHeader};
use crate::merkle::FileHasher;

/// Sampled chunks that an object may have beyond those to be expected; more would be made on purpose.
const KEY_CHUNKS_SPARE: u64 = 16;
/// One sampled chunk in so many is more than chance makes.
const CHUNKS_PER_KEY_CHUNK: u64 = 256;

/// What is remembered of an object's chunks beside the list itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The hash of the tree over them.
    pub file_hash: FileHash,
    /// The first, and one in 1,024 of the others: for finding objects that share chunks.
    pub key_chunks: Vec<ChunkHash>,
}

/// Picks the chunks by which an object is found.
#[derive(Debug, Clone, Default)]
pub struct KeyChunks {
    seen: u64,
    picked: Vec<ChunkHash>,
}

impl KeyChunks {
    /// Looks at the next chunk.
    pub fn push(&mut self, chunk: Chunk) {
        let picked_max = self.seen / CHUNKS_PER_KEY_CHUNK + KEY_CHUNKS_SPARE;
        let has_room = u64::try_from(self.picked.len()).is_ok_and(|picked| picked < picked_max);
        if self.seen == 0 || chunk.hash.is_sampled() && has_room {
            self.picked.push(chunk.hash);
        }
        self.seen += 1;
    }

    /// Those that were picked.
    pub fn finish(self) -> Vec<ChunkHash> {
        self.picked
    }
}

/// Makes the chunk list of an object as its bytes come, or as its chunks do where they are known.
///
/// The entries are handed over now and then, so that a list of any length can go to a file.
///
/// ```
/// use polder_xet::{ChunkList, Lister};
/// let mut lister = Lister::default();
/// lister.push(&[7; 300_000]);
/// let (header, entries, cut) = lister.finish([0; 32])?;
/// let list = ChunkList::decode(&[&header.encode()[..], &entries].concat())?;
/// assert_eq!((list.chunks.len(), list.header.file_hash), (3, cut.file_hash));
/// # Ok::<(), polder_xet::ListError>(())
/// ```
#[derive(Debug)]
pub struct Lister {
    /// None where the chunks are given.
    cutter: Option<Cutter>,
    chunks: Chunks,
}

impl Default for Lister {
    fn default() -> Self {
        Self { cutter: Some(Cutter::default()), chunks: Chunks::default() }
    }
}

/// What is kept of the chunks that were cut.
#[derive(Debug, Default)]
struct Chunks {
    file: FileHasher,
    keys: KeyChunks,
    entries: Vec<u8>,
}

impl Chunks {
    fn push(&mut self, chunk: Chunk) {
        self.file.push(chunk);
        self.keys.push(chunk);
        self.entries.extend_from_slice(&chunk.encode());
    }
}

impl Lister {
    /// One that cuts nothing: who gives it the chunks has proven them, and may have cut them otherwise.
    pub fn of_given() -> Self {
        Self { cutter: None, chunks: Chunks::default() }
    }

    /// Appends `bytes`; where chunks are given, they are not looked at.
    pub fn push(&mut self, bytes: &[u8]) {
        let chunks = &mut self.chunks;
        if let Some(cutter) = &mut self.cutter {
            cutter.push(bytes, &mut |chunk| chunks.push(chunk));
        }
    }

    /// Appends chunks that are given.
    pub fn give(&mut self, chunks: &[Chunk]) {
        for chunk in chunks {
            self.chunks.push(*chunk);
        }
    }

    /// Bytes of entries that wait to be taken.
    pub fn waiting_bytes(&self) -> usize {
        self.chunks.entries.len()
    }

    /// The entries made since the last time.
    pub fn take_entries(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.chunks.entries)
    }

    /// Ends the list of the object with the given SHA-256: its header, the last entries, and what to
    /// remember.
    ///
    /// # Errors
    /// [`ListError`] for an object of more chunks than a list can count, which has 32 TiB or more.
    pub fn finish(self, sha256: [u8; 32]) -> Result<(ListHeader, Vec<u8>, Cut), ListError> {
        let Self { cutter, mut chunks } = self;
        if let Some(last) = cutter.and_then(Cutter::finish) {
            chunks.push(last);
        }
        let Chunks { file, keys, entries } = chunks;
        let header = ListHeader::of(file, sha256)?;
        Ok((header, entries, Cut { file_hash: header.file_hash, key_chunks: keys.finish() }))
    }
}
