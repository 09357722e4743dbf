//! The one error of this crate.

use std::fmt::Display;

use polder_types::without_secrets;

/// What every fallible function here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why git work could not be done; each variant is something a caller acts on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stored data is not what it must be. Never the client's fault; nothing may be served from it.
    #[error("{doing}: {subject} is damaged")]
    Corrupt {
        /// What was being done.
        doing: &'static str,
        /// The object, pack or ref concerned.
        subject: String,
        /// What found the damage.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The operating system failed a read or write.
    #[error("{doing}: {subject}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or stream concerned.
        subject: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The thing asked for is not there.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for, named for the client.
        what: String,
    },
    /// The client asked for something that is refused; the message is fit for the client.
    #[error("{message}")]
    Refused {
        /// What is wrong, in git's own words where git has them.
        message: String,
    },
    /// The client sent or asked for more than a named limit; the message is fit for the client.
    #[error("{message}")]
    TooLarge {
        /// Which limit, and what exceeds it.
        message: String,
    },
    /// The client went away; nobody is left to be told.
    #[error("the client closed the connection")]
    Closed,
}

impl Error {
    /// Damage found without an underlying error.
    pub fn corrupt(doing: &'static str, subject: impl Display) -> Self {
        Self::Corrupt { doing, subject: subject.to_string(), source: None }
    }

    /// Damage that `source` reports.
    pub fn corrupt_by(
        doing: &'static str,
        subject: impl Display,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt { doing, subject: subject.to_string(), source: Some(source.into()) }
    }

    /// A failed system call.
    pub fn io(doing: &'static str, subject: impl Display, source: std::io::Error) -> Self {
        Self::Io { doing, subject: subject.to_string(), source }
    }

    /// A request body that could not be read: the sender's fault where its decoder says so.
    pub(crate) fn body(doing: &'static str, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::InvalidData => Self::refused(source.to_string()),
            std::io::ErrorKind::FileTooLarge => Self::too_large(source.to_string()),
            _ => Self::io(doing, "request body", source),
        }
    }

    /// A refusal with its words for the client.
    pub fn refused(message: impl Into<String>) -> Self {
        // Git repeats what was sent, and that may be a token.
        Self::Refused { message: without_secrets(&message.into()).into_owned() }
    }

    /// A named limit exceeded, with the words for the client.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::TooLarge { message: message.into() }
    }
}
