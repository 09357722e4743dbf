//! What can go wrong, as far as a caller acts on it.

use std::error::Error as StdError;

/// A failed read or write.
///
/// `Display` never prints the source; walk [`StdError::source`] for the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The row that the write is about does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// The missing thing, for a message.
        what: String,
    },
    /// The write would break a uniqueness or life-cycle rule; `what` says which.
    #[error("{what}")]
    Conflict {
        /// The rule and the name, for a message.
        what: String,
    },
    /// The name belonged to something that was deleted, and is given to nothing else.
    #[error("`{name}` was the name of a deleted repository and is not given out again")]
    Retired {
        /// The name.
        name: String,
    },
    /// The namespace may not store as much; nothing was written.
    #[error("`{namespace}` may store {bytes_max} bytes, of which {bytes_left} are left")]
    OverQuota {
        /// The namespace.
        namespace: String,
        /// Its limit, in bytes.
        bytes_max: i64,
        /// What could still be added, in bytes.
        bytes_left: i64,
    },
    /// Who may not write to the repository brought too much to its namespace; nothing was written.
    #[error("one who may not write may bring {bytes_max} bytes to `{namespace}`")]
    OverContribution {
        /// The namespace.
        namespace: String,
        /// What one may bring, in bytes.
        bytes_max: i64,
    },
    /// The operator will not have it here; nothing was written.
    #[error("the operator of this hub blocked the {what}")]
    Blocked {
        /// The thing, for a message.
        what: String,
    },
    /// The write queue is full, or the database is locked or cannot be reached: try again later. Nothing
    /// was written.
    #[error("the database is busy")]
    Busy,
    /// The disk or the quota is full; nothing was written.
    #[error("the disk of the database is full")]
    Full,
    /// Committing failed in a way that leaves durability unknown (fsync). No write is taken after it;
    /// the process must say so and exit.
    #[error("the database could not make a write durable")]
    StorageFailed {
        /// The first failure, as text: every waiting write gets its own copy.
        reason: String,
    },
    /// The connection broke while the write was being committed: it may have been written or not. Other
    /// writes go on.
    #[error("the connection to the database broke during a commit")]
    Undecided {
        /// What broke, as text: every waiting write gets its own copy.
        reason: String,
    },
    /// The database was made by a newer version; nothing was touched.
    #[error("the database has schema {found}, this version knows up to {known}")]
    Newer {
        /// Version found in the database.
        found: i64,
        /// Newest version this build knows.
        known: i64,
    },
    /// Stored bytes make no sense, or anything else.
    #[error("{doing} {subject}")]
    Other {
        /// What was being done, as a participle.
        doing: &'static str,
        /// To what.
        subject: String,
        /// Why it failed.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

/// Logs a failure that nobody is told, with its causes.
pub(crate) fn warn(doing: &'static str, error: &(dyn StdError + 'static)) {
    tracing::warn!(error, doing, "continuing");
}

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
