//! Shards: which chunks make a file, and which chunks an xorb has.
//!
//! A client ends an upload with a shard ([`Shard`]), which is believed only as far as [`accept`] proves it. A
//! hub answers one ([`DedupShard`]) to tell a client which xorbs have chunks that it need not send; the
//! chunks' hashes are keyed there, so that it tells nothing to who does not have them. The bytes: `FORMATS.md`.

mod accept;
mod dedup;
mod file_info;
mod footer;
mod record;
mod refused;
mod sections;
#[cfg(test)]
mod tests;
mod xorb_info;

pub use accept::{AcceptLimits, ProvenFile, Xorbs, accept};
pub use dedup::{DedupShard, DedupWriter};
pub use file_info::{FileInfo, Term};
pub use footer::{ShardFooter, ShardKey};
pub use refused::{AcceptError, Refused};
pub use sections::Shard;
pub use xorb_info::{ShardChunk, XorbInfo};

/// Most bytes of a shard: what the published client makes at most.
pub const SHARD_BYTES_MAX: usize = 64 << 20;

/// Why bytes are not a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It has more than [`SHARD_BYTES_MAX`].
    #[error("the shard has more than 64 MiB")]
    TooLarge,
    /// It ends before its sections do.
    #[error("the shard is cut short")]
    CutShort,
    /// It begins otherwise, or has another version.
    #[error("the shard has another format")]
    OtherFormat,
    /// A file has parts that are not known.
    #[error("a file of the shard has parts of another version")]
    UnknownFlags,
    /// Its footer does not fit what is before it.
    #[error("the footer of the shard is not its own")]
    Footer,
    /// Something follows its end.
    #[error("something follows the shard")]
    Trailing,
    /// The hashes of its chunks are keyed, or are not, and the other was wanted.
    #[error("the chunk hashes of the shard are keyed where they must not be, or are not where they must")]
    Keyed,
}
