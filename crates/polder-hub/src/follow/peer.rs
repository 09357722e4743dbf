//! What a follower asks of another hub.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_git::client::Exchange;
use polder_log::{LogName, TileId, VerifierKey};
use polder_types::Sha256;
use polder_xet::Extent;

use crate::body::BodyStream;
use crate::error::{Error, Result};
use crate::{ObjectSource, SourceError, SourceFuture};

/// Why a hub did not answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It does not have it.
    #[error("it does not have it")]
    Missing,
    /// It no longer has it: erased, or below what it keeps.
    #[error("it no longer has it")]
    Gone,
    /// What it said cannot be read.
    #[error("what it said cannot be read: {0}")]
    Malformed(String),
    /// It did not answer well; perhaps it does later.
    #[error("it did not answer: {0}")]
    Failed(#[from] Error),
}

impl PeerError {
    /// What to say of the hub called `name`.
    pub(crate) fn of(self, name: &str) -> Error {
        match self {
            Self::Failed(error) => error,
            error => Error::unavailable(format!("`{name}`: {error}")).caused_by(error),
        }
    }
}

/// The answer of a hub, on its way.
pub type PeerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PeerError>> + Send + 'a>>;

/// Who a hub says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its log.
    pub log: LogName,
    /// The key that signs it.
    pub key: VerifierKey,
}

/// Where the newest snapshot of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct NewestSnapshot {
    /// Of its event.
    pub index: u64,
    /// Events in the log now.
    pub size: u64,
}

/// Another hub, which may be dead, slow, or a liar: every answer is checked by who asked. What a kind of peer
/// does not answer it does not have.
pub trait Peer: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> &str;

    /// Who it says it is.
    fn about(&self) -> PeerFuture<'_, About> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// A page of at most `limit` events from index `from` on, encoded; `None` when nothing came for as long as
    /// `wait`.
    fn events(&self, from: u64, limit: u64, wait: Duration) -> PeerFuture<'_, Option<Bytes>>;

    /// A body.
    fn body(&self, _sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// The operations of a namespace, its creation first, or, of zeros, the keys of the hub: a list of bodies.
    fn namespace(&self, _nsid: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// The newest snapshot of the log.
    fn newest_snapshot(&self) -> PeerFuture<'_, NewestSnapshot> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// A part of the snapshot at `index`.
    fn snapshot_part(&self, _index: u64, _sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// A tile of hashes.
    fn tile(&self, _tile: TileId) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// As many of some bodies as it has and fit into a list, in any order.
    fn bodies<'a>(&'a self, _hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// A ref map of a repository.
    fn ref_map(&self, _rid: Sha256, _sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// A manifest of the large objects of a repository.
    fn manifest(&self, _rid: Sha256, _sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Err(PeerError::Missing) })
    }

    /// Git's requests to a repository, to be made where blocking is allowed.
    ///
    /// # Errors
    /// When it cannot be asked at all.
    fn git(&self, _rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        Err(Error::unavailable(format!("`{}` has no repositories", self.name())))
    }

    /// Where it gives out large objects.
    fn objects(&self) -> Arc<dyn ObjectSource> {
        Arc::new(NoObjects(self.name().to_owned()))
    }
}

/// The large objects of a peer that has none.
struct NoObjects(String);

impl ObjectSource for NoObjects {
    fn name(&self) -> &str {
        &self.0
    }

    fn chunks(&self, _oid: Sha256, _from: u32) -> SourceFuture<'_, Bytes> {
        Box::pin(async { Err(SourceError::Missing) })
    }

    fn range(&self, _oid: Sha256, _place: Extent) -> SourceFuture<'_, BodyStream> {
        Box::pin(async { Err(SourceError::Missing) })
    }

    fn extents(&self, _oid: Sha256, _places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        Box::pin(async { Err(SourceError::Missing) })
    }
}
