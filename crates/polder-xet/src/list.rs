//! The chunk list: what an object's chunks are, as stored beside it and sent to mirrors.
//!
//! Version 1, all numbers big-endian: `"PLCK" | version 1 | algorithm 1 | size u64 | sha256[32] |
//! file hash[32] | chunks u32`, then for each chunk `hash[32] | size u32`. A page is the header and
//! some of the chunks in turn. No list is trusted: [`ListCheck`] holds it to what was known before.

use crate::hash::{Chunk, ChunkHash, FileHash};
use crate::merkle::FileHasher;
use crate::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};

const MAGIC: &[u8; 4] = b"PLCK";
const VERSION: u8 = 1;
/// Chunks as `polder_xet::Cutter` cuts or would take them, hashes as in this crate.
const ALGORITHM: u8 = 1;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 82;
/// Bytes of each chunk's entry.
pub const ENTRY_BYTES: usize = 36;

/// Most chunks of an object of `size_bytes`: other cutters made shorter ones, none that many.
///
/// ```
/// assert_eq!(polder_xet::chunks_max(0), 2);
/// assert_eq!(polder_xet::chunks_max(5 << 30), 1_310_722);
/// ```
pub fn chunks_max(size_bytes: u64) -> u64 {
    const LEAST: u64 = 4096;
    const { assert!(CHUNK_BYTES_MIN == 2 * 4096) };
    size_bytes / LEAST + 2
}

/// What is wrong with a chunk list, or with a request for parts of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a list for this object: {0}")]
pub struct ListError(&'static str);

impl ListError {
    pub(crate) fn new(what: &'static str) -> Self {
        Self(what)
    }
}

/// What a chunk list says of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListHeader {
    /// The object's length in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// The hash of the tree over its chunks.
    pub file_hash: FileHash,
    /// How many chunks it has.
    pub chunks: u32,
}

impl ListHeader {
    /// The header of the list whose chunks `file` has seen.
    ///
    /// # Errors
    /// [`ListError`] for more chunks than a list can count.
    pub fn of(file: FileHasher, sha256: [u8; 32]) -> Result<Self, ListError> {
        let chunks = u32::try_from(file.chunks());
        let chunks = chunks.map_err(|_error| ListError("it has more chunks than a list can count"))?;
        Ok(Self { size_bytes: file.size_bytes(), sha256, file_hash: file.finish(), chunks })
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let parts: [&[u8]; 6] = [
            MAGIC,
            &[VERSION, ALGORITHM],
            &self.size_bytes.to_be_bytes(),
            &self.sha256,
            self.file_hash.as_bytes(),
            &self.chunks.to_be_bytes(),
        ];
        out.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        out
    }

    /// Reads a header and what follows it.
    ///
    /// # Errors
    /// [`ListError`] when it is too short, of another version, or names more chunks than its size allows.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), ListError> {
        let short = ListError("it is cut short");
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(short.clone())?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
        let (size, rest) = rest.split_first_chunk::<8>().ok_or(short.clone())?;
        let (sha256, rest) = rest.split_first_chunk::<32>().ok_or(short.clone())?;
        let (file_hash, rest) = rest.split_first_chunk::<32>().ok_or(short.clone())?;
        let (chunks, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        if magic != MAGIC || *version != [VERSION, ALGORITHM] {
            return Err(ListError("it has another format"));
        }
        let header = Self {
            size_bytes: u64::from_be_bytes(*size),
            sha256: *sha256,
            file_hash: FileHash::new(*file_hash),
            chunks: u32::from_be_bytes(*chunks),
        };
        if u64::from(header.chunks) > chunks_max(header.size_bytes) {
            return Err(ListError("it has more chunks than the object can have"));
        }
        Ok((header, rest))
    }

    /// Bytes of the whole list.
    pub fn list_bytes(&self) -> u64 {
        list_offset(self.chunks)
    }
}

/// Where in a list the entry of chunk `index` begins.
///
/// ```
/// assert_eq!(polder_xet::list_offset(0), 82);
/// ```
pub fn list_offset(index: u32) -> u64 {
    const HEADER: u64 = 82;
    const ENTRY: u64 = 36;
    const { assert!(HEADER_BYTES == 82 && ENTRY_BYTES == 36) };
    HEADER + u64::from(index) * ENTRY
}

impl Chunk {
    /// The bytes of its entry in a list.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        if let Some((hash, size)) = out.split_first_chunk_mut::<32>() {
            *hash = *self.hash.as_bytes();
            size.copy_from_slice(&self.size_bytes.to_be_bytes());
        }
        out
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`ListError`] for a chunk of no bytes, or of more than a chunk may have.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Result<Self, ListError> {
        let (hash, size) = bytes.split_first_chunk::<32>().ok_or(ListError("it is cut short"))?;
        let size = size.first_chunk::<4>().ok_or(ListError("it is cut short"))?;
        let chunk = Self { hash: ChunkHash::new(*hash), size_bytes: u32::from_be_bytes(*size) };
        let is_possible =
            usize::try_from(chunk.size_bytes).is_ok_and(|size| (1..=CHUNK_BYTES_MAX).contains(&size));
        if is_possible { Ok(chunk) } else { Err(ListError("a chunk has an impossible length")) }
    }
}

/// Holds the chunks of a list, in turn, to its header.
///
/// Passing proves that the list hashes to its file hash, not yet that its chunks are chunks.
#[derive(Debug, Clone)]
pub struct ListCheck {
    header: ListHeader,
    file: FileHasher,
}

impl ListCheck {
    /// Begins to check the list of `header`.
    pub fn new(header: ListHeader) -> Self {
        Self { header, file: FileHasher::default() }
    }

    /// Takes the entries of a page, handing each chunk to `take`.
    ///
    /// # Errors
    /// [`ListError`] where an entry is not possible, or there are more than the header says.
    pub fn page(&mut self, entries: &[u8], take: &mut impl FnMut(Chunk)) -> Result<(), ListError> {
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(ListError("it is cut short"));
        }
        for entry in entries {
            let chunk = Chunk::decode(entry)?;
            self.file.push(chunk);
            let is_over = self.file.chunks() > u64::from(self.header.chunks);
            if is_over || self.file.size_bytes() > self.header.size_bytes {
                return Err(ListError("its chunks are more than the object"));
            }
            take(chunk);
        }
        Ok(())
    }

    /// Chunks taken so far.
    pub fn chunks(&self) -> u64 {
        self.file.chunks()
    }

    /// Ends the check.
    ///
    /// # Errors
    /// [`ListError`] when chunks are missing or the tree over them has another hash.
    pub fn finish(self) -> Result<(), ListError> {
        let is_whole = self.file.chunks() == u64::from(self.header.chunks);
        if !is_whole || self.file.size_bytes() != self.header.size_bytes {
            return Err(ListError("its chunks are less than the object"));
        }
        if self.file.finish() == self.header.file_hash {
            Ok(())
        } else {
            Err(ListError("its chunks have another hash"))
        }
    }
}

/// A whole chunk list in memory: 40 bytes for each chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkList {
    /// What it says of the object.
    pub header: ListHeader,
    /// The chunks in turn.
    pub chunks: Vec<Chunk>,
}

impl ChunkList {
    /// The list's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.header.encode().to_vec();
        self.chunks.iter().for_each(|chunk| out.extend_from_slice(&chunk.encode()));
        out
    }

    /// Reads and checks a list. Allocates no more than the bytes that are there need.
    ///
    /// # Errors
    /// [`ListError`] when it is not whole, not its own header's, or something follows it.
    pub fn decode(bytes: &[u8]) -> Result<Self, ListError> {
        let (header, entries) = ListHeader::decode(bytes)?;
        let (mut check, mut chunks) =
            (ListCheck::new(header), Vec::with_capacity(entries.len() / ENTRY_BYTES));
        check.page(entries, &mut |chunk| chunks.push(chunk))?;
        check.finish()?;
        Ok(Self { header, chunks })
    }
}
