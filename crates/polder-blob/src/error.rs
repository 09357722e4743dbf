//! What can go wrong with stored bytes, as far as a caller acts on it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is stored under this id.
    #[error("{what} is not in the store")]
    NotFound {
        /// The object, with its id.
        what: String,
    },
    /// The id is taken; what is stored under it is untouched.
    #[error("{what} is in the store already")]
    Exists {
        /// The object, with its id.
        what: String,
    },
    /// The disk or the quota is full. Nothing of the object is kept.
    #[error("the disk is full")]
    Full {
        /// Where the space ran out.
        path: PathBuf,
    },
    /// More or fewer bytes came than were declared.
    #[error("{declared_bytes} bytes were declared, {received_bytes} came")]
    SizeMismatch {
        /// Bytes declared.
        declared_bytes: u64,
        /// Bytes received; of a body that is too long, at least this many.
        received_bytes: u64,
    },
    /// The disk did not confirm a sync. What it holds is unknown, so the store takes no more writes
    /// until the process is started again.
    #[error("the disk did not confirm that data is stored")]
    SyncFailed {
        /// The file or directory whose sync failed.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store was last used with another database, perhaps a newer one: nothing was swept.
    #[error("the store belongs to another state of the database")]
    EpochMismatch {
        /// The epoch in the store, if it has one.
        stored: Option<String>,
    },
    /// What came is not the xorb that it was said to be. Nothing of it is kept.
    #[error(transparent)]
    Xorb(#[from] polder_xet::XorbError),
    /// Any other failure of the file system.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the store must not be written any more.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::SyncFailed { .. })
    }
}

/// Turns a system error into ours; a full disk or quota becomes [`Error::Full`].
pub(crate) fn failed<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Error {
    move |source| {
        let source = source.into();
        let path = path.to_owned();
        if is_full(&source) { Error::Full { path } } else { Error::Io { doing, path, source } }
    }
}

/// Whether the system says that there is no space or quota left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
}
