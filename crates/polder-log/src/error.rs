//! What is wrong with bytes or text that somebody sent.

/// Why something is not what it should be. Nothing is taken from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its form is wrong.
    #[error("{what} is malformed: {problem}")]
    Malformed {
        /// The thing.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It passes a bound.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// The thing.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// It is of a version, kind or algorithm that this program does not know.
    #[error("{what} {value} is not known to this version of Polder")]
    Unknown {
        /// What has the value.
        what: &'static str,
        /// The value.
        value: u64,
    },
    /// No key that may sign it has signed it.
    #[error("{what} has no signature of a key that may sign it")]
    Unsigned {
        /// The thing.
        what: &'static str,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) const fn malformed(what: &'static str, problem: &'static str) -> Error {
    Error::Malformed { what, problem }
}
