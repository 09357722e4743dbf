//! Statement arguments, the same for every engine.

use bytes::Bytes;
use polder_types::{
    AccessRequestId, AccountId, AuditId, BlobId, DiscussionEventId, JobId, LockId, ObjectId, PackId, PartId,
    PublisherId, RepoId, ReservationId, Sha256, StagedXorbId, TokenId, UnixMillis, UploadId,
};
use polder_xet::{ChunkHash, FileHash, XorbHash};

/// One argument. `None` is NULL of the variant's type, because PostgreSQL wants to know the type.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Bool(bool),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// Roughly how many bytes of a row it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Int(_) | Self::Bool(_) => 8,
            Self::Text(text) => text.as_ref().map_or(0, String::len),
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
        }
    }
}

macro_rules! values {
    ($($from:ty, $value:ident => $make:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $make
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                match (value, NullOf::<$from>::VALUE) {
                    (Some($value), _) => $make,
                    (None, null) => null,
                }
            }
        }
    )*};
}

/// The NULL that stands for an absent `T`.
struct NullOf<T>(std::marker::PhantomData<T>);

macro_rules! nulls {
    ($($kind:ident: $($from:ty),*;)*) => {$($(
        impl NullOf<$from> {
            const VALUE: Value = Value::$kind(None);
        }
    )*)*};
}

nulls! {
    Int: i64, AccessRequestId, AccountId, AuditId, BlobId, DiscussionEventId, JobId, LockId, PackId, PartId, PublisherId, RepoId, ReservationId, StagedXorbId, TokenId, UnixMillis,
        UploadId;
    Text: &str, String;
    Bytes: ObjectId, Sha256, ChunkHash, FileHash, XorbHash, Bytes;
}

values! {
    i64, value => Self::Int(Some(value));
    AccessRequestId, id => Self::Int(Some(id.0));
    AccountId, id => Self::Int(Some(id.0));
    AuditId, id => Self::Int(Some(id.0));
    BlobId, id => Self::Int(Some(id.0));
    JobId, id => Self::Int(Some(id.0));
    DiscussionEventId, id => Self::Int(Some(id.0));
    LockId, id => Self::Int(Some(id.0));
    PackId, id => Self::Int(Some(id.0));
    PartId, id => Self::Int(Some(id.0));
    PublisherId, id => Self::Int(Some(id.0));
    RepoId, id => Self::Int(Some(id.0));
    ReservationId, id => Self::Int(Some(id.0));
    StagedXorbId, id => Self::Int(Some(id.0));
    TokenId, id => Self::Int(Some(id.0));
    UploadId, id => Self::Int(Some(id.0));
    UnixMillis, time => Self::Int(Some(time.0));
    &str, text => Self::Text(Some(text.to_owned()));
    String, text => Self::Text(Some(text));
    ObjectId, oid => Self::Bytes(Some(oid.as_bytes().to_vec()));
    Sha256, oid => Self::Bytes(Some(oid.as_bytes().to_vec()));
    ChunkHash, hash => Self::Bytes(Some(hash.as_bytes().to_vec()));
    FileHash, hash => Self::Bytes(Some(hash.as_bytes().to_vec()));
    XorbHash, hash => Self::Bytes(Some(hash.as_bytes().to_vec()));
    Bytes, bytes => Self::Bytes(Some(bytes.into()));
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<[u8; 32]> for Value {
    fn from(value: [u8; 32]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

/// Makes the argument list of a statement: `$1` first.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::value::Value::from($value)),*] };
}
pub(crate) use args;
