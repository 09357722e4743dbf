//! Xorbs: runs of chunks in the packed form that clients send and fetch.
//!
//! A client uploads an xorb whole ([`XorbReader`]) and fetches ranges of it. Where the chunks lie raw in an
//! object, those ranges are made on the way out ([`RawXorb`]): frames without compression, 8 bytes more
//! for every chunk. The bytes: `FORMATS.md`.

mod byte_groups;
mod footer;
mod frame;
mod lz4;
mod raw;
mod reader;
mod runs;
#[cfg(test)]
mod tests;
mod xxh32;

pub use footer::xorb_footer;
pub use frame::{FRAME_HEADER_BYTES, FrameHeader, Scheme};
pub use raw::{Piece, RawXorb};
pub use reader::{Frame, Xorb, XorbReader};
pub use runs::{RUN_CHUNKS_MAX, Run, Runs};

/// Most bytes of an xorb's chunks, unpacked.
pub const XORB_BYTES_MAX: u32 = 64 << 20;
/// Most chunks of an xorb.
pub const XORB_CHUNKS_MAX: usize = 8 << 10;
/// Most bytes of an xorb as it is sent. Headers, and chunks that packing makes longer, go beyond 64 MiB.
pub const XORB_BODY_BYTES_MAX: u32 = 68 << 20;

/// Why bytes are not an xorb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XorbError {
    /// It has no chunk.
    #[error("the xorb has no chunks")]
    Empty,
    /// It ends within a chunk or a footer.
    #[error("the xorb is cut short")]
    CutShort,
    /// A header of a chunk is not possible.
    #[error("the header of a chunk of the xorb {0}")]
    Header(&'static str),
    /// The data of a chunk does not unpack to what its header says.
    #[error("a chunk of the xorb {0}")]
    Packed(&'static str),
    /// More chunks than [`XORB_CHUNKS_MAX`].
    #[error("the xorb has more than 8,192 chunks")]
    TooManyChunks,
    /// More bytes than [`XORB_BYTES_MAX`], or as it is sent than [`XORB_BODY_BYTES_MAX`].
    #[error("the xorb has more than 64 MiB")]
    TooManyBytes,
    /// What follows the chunks is not their footer.
    #[error("the footer of the xorb is not that of its chunks")]
    Footer,
    /// Something follows the footer.
    #[error("something follows the footer of the xorb")]
    Trailing,
    /// Its chunks have another hash than it was said to have.
    #[error("the chunks of the xorb have another hash")]
    OtherHash,
}
