//! Where the bytes of an object can come from.

use std::pin::Pin;

use bytes::Bytes;
use polder_types::Sha256;
use polder_xet::Extent;

use crate::body::BodyStream;

/// Why a source did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It does not have the object, or its chunk list.
    #[error("it does not have it")]
    Missing,
    /// It cannot answer this kind of question, now or later.
    #[error("it does not do that")]
    Unsupported,
    /// It did not answer well; perhaps it does later.
    #[error("{0}")]
    Failed(String),
}

impl SourceError {
    pub(super) fn late() -> Self {
        Self::Failed("it did not answer in time".to_owned())
    }
}

/// The answer of a source, on its way.
pub type SourceFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// A place that may have an object: another hub, or any server of plain files. It is not trusted: whatever
/// it says is checked, and it may say it slowly, never, or without end.
pub trait ObjectSource: Send + Sync {
    /// What it is called in reports.
    fn name(&self) -> &str;

    /// A page of the object's chunk list, as `Hub::public_chunks` makes it: the header, and some chunks from
    /// number `from` on. A source that is no hub has none.
    fn chunks(&self, _oid: Sha256, _from: u32) -> SourceFuture<'_, Bytes> {
        Box::pin(async { Err(SourceError::Unsupported) })
    }

    /// The bytes of one place.
    fn range(&self, oid: Sha256, place: Extent) -> SourceFuture<'_, BodyStream>;

    /// The bytes of several places, joined, within the bounds of [`Extent::decode_all`]. Without it, each is asked
    /// for alone.
    fn extents(&self, _oid: Sha256, _places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        Box::pin(async { Err(SourceError::Unsupported) })
    }
}
