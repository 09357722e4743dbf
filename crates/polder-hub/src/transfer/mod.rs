//! Fetching a large object from any number of sources at once, none of which is trusted.
//!
//! The chunk list comes first, held to the signed hash of the tree over it; what other objects here share
//! with it is copied, the rest asked for in units of at most 8 MiB, each chunk checked on arrival and written to
//! its place. What is good is remembered across restarts. The SHA-256 of the whole, computed while it comes,
//! decides in the end; only then is the object published and linked.

mod arrival;
mod beginning;
mod fetch;
mod list;
mod plan;
mod race;
mod ranges;
mod rate;
mod run;
mod running;
mod source;
mod state;

use std::sync::Arc;
use std::time::Duration;

use crate::follow::Admitted;
use polder_types::{BlobId, RepoId, Sha256};
use polder_xet::FileHash;
use tokio::time::Instant;

pub use arrival::{Arrival, Arriving};
pub use rate::Rate;
pub use source::{ObjectSource, SourceError, SourceFuture};
pub use state::TransferProgress;

pub(crate) use beginning::WholeOf;
pub(crate) use running::Transfers;

/// An object that is wanted for a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The repository that links it when it is here.
    pub repo: RepoId,
    /// SHA-256 of its bytes.
    pub oid: Sha256,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The signed hash of the tree over its chunks, if there is one.
    pub xet: Option<FileHash>,
    /// Whose word all this is, or 0 for the operator's: what is not whole yet serves nobody else's repositories.
    pub upstream: i64,
}

/// How to fetch.
#[derive(Clone)]
pub struct TransferOptions {
    /// A limit that all with the same one share.
    pub rate: Option<Arc<Rate>>,
    /// How long a source may say nothing before it counts as failed.
    pub patience: Duration,
    /// When it ends, whole or not; what is good by then is kept.
    pub until: Option<Instant>,
    /// Why it may come, held until it has ended.
    pub(crate) admitted: Option<Arc<Admitted>>,
    /// Told now and then how far it is.
    pub progress: Option<Arc<dyn Fn(TransferProgress) + Send + Sync>>,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self { rate: None, patience: Duration::from_secs(30), until: None, admitted: None, progress: None }
    }
}

/// A source that lied about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liar {
    /// Its name.
    pub source: String,
    /// What it said that is not so.
    pub lie: String,
}

/// What fetching came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The object, published and linked.
    pub blob: BlobId,
    /// Bytes that were received, chunk lists included.
    pub fetched_bytes: u64,
    /// Bytes that were copied from other objects here.
    pub reused_bytes: u64,
    /// Sources that lied, whether or not it made a difference.
    pub liars: Vec<Liar>,
}
