//! Chunks of large objects: boundaries, hashes, Merkle file hash, chunk list, xorbs, shards.
//!
//! One cut of an object serves three purposes: Xet clients upload and download by it, a mirror checks what
//! arrives chunk by chunk, and both find what they have already. Boundaries and hashes are exactly those
//! of the published Xet client (`fixtures/xet/vectors.txt`). Pure: no files, no clock, no async; memory
//! does not grow with the object, but for a [`ChunkList`] that is asked for whole.
//!
//! [`Cutter`] turns bytes into [`Chunk`]s, [`FileHasher`] chunks into the [`FileHash`], and [`Lister`] does
//! both to make a chunk list, which is stored and sent; [`ListHeader`], [`Chunk`] and [`ListCheck`] read it.
//!
//! [`XorbReader`] and [`RawXorb`] read and make the form in which clients of Xet send and fetch chunks,
//! [`Shard`] says which chunks make a file, and [`accept`] proves it. All byte formats: `FORMATS.md`.
//!
//! A list with the right file hash may still be wrong: nodes of the tree can pass for chunks. It is
//! proven by the chunks alone, whose hashes have another key than the nodes'.

mod chunker;
mod extents;
mod hash;
mod list;
mod lister;
mod merkle;
mod shard;
#[cfg(test)]
mod tests;
mod xorb;

pub use chunker::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Cutter};
pub use extents::{EXTENT_BYTES, EXTENTS_BYTES_MAX, EXTENTS_MAX, Extent};
pub use hash::{Chunk, ChunkHash, ChunkHasher, FileHash, HashParseError, KeyedHash, RangeHash, XorbHash};
pub use list::{
    ChunkList, ENTRY_BYTES, HEADER_BYTES, ListCheck, ListError, ListHeader, chunks_max, list_offset,
};
pub use lister::{Cut, KeyChunks, Lister};
pub use merkle::{FileHasher, xorb_hash};
pub use shard::{
    AcceptError, AcceptLimits, DedupShard, DedupWriter, FileInfo, ProvenFile, Refused, SHARD_BYTES_MAX,
    Shard, ShardChunk, ShardError, ShardFooter, ShardKey, Term, XorbInfo, Xorbs, accept,
};
pub use xorb::{
    FRAME_HEADER_BYTES, Frame, FrameHeader, Piece, RUN_CHUNKS_MAX, RawXorb, Run, Runs, Scheme,
    XORB_BODY_BYTES_MAX, XORB_BYTES_MAX, XORB_CHUNKS_MAX, Xorb, XorbError, XorbReader, xorb_footer,
};
