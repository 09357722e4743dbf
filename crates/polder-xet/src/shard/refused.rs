//! What a shard can be refused for.

use crate::hash::{FileHash, XorbHash};

/// Why a shard is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A file has more bytes than is allowed.
    #[error("file {0} is larger than is allowed")]
    FileTooLarge(FileHash),
    /// The files together have.
    #[error("the files are larger together than is allowed")]
    FilesTooLarge,
    /// A file is named twice.
    #[error("file {0} is in the shard twice")]
    SameFile(FileHash),
    /// A file has no proof that the uploader knows its chunks.
    #[error("file {0} comes without verification")]
    NotVerified(FileHash),
    /// An xorb was not uploaded, or the uploader may not use it.
    #[error("xorb {0} is not known")]
    UnknownXorb(XorbHash),
    /// An xorb has other chunks than the shard says.
    #[error("xorb {0} has other chunks")]
    OtherChunks(XorbHash),
    /// A file names chunks that an xorb does not have, or none.
    #[error("file {0} names chunks that an xorb does not have")]
    NoSuchChunks(FileHash),
    /// A run of a file has another length than the shard says.
    #[error("file {0} has a run of another length")]
    OtherLength(FileHash),
    /// The proof for a run of a file is another.
    #[error("file {0} has a run whose verification fails")]
    OtherRange(FileHash),
    /// A file has more chunks than one of its length can have.
    #[error("file {0} has too many chunks")]
    TooManyChunks(FileHash),
    /// The chunks of a file have another hash.
    #[error("the chunks of file {0} have another hash")]
    OtherHash(FileHash),
    /// The bytes of a file have another SHA-256 than the shard says.
    #[error("the bytes of file {0} have another SHA-256")]
    OtherSha256(FileHash),
}

/// Why a shard was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError<E> {
    /// It is not true, or not allowed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Looking up an xorb failed.
    #[error("an xorb could not be looked up")]
    Lookup(#[source] E),
}
