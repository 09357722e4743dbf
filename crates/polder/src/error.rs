//! Why a command failed, in the operator's words.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

/// A failed command. `Display` tells the whole story in one line, causes included: its reader is
/// the operator, from whom nothing is hidden.
#[derive(Debug)]
pub struct Error {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause behind it.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// An error with its cause.
    pub fn caused_by(message: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }

    /// The operating system refused something: what was being done, to which path.
    pub fn io(doing: &str, path: &Path, source: std::io::Error) -> Self {
        Self::caused_by(format!("{doing} `{}`", path.display()), source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        let mut next = self.source.as_deref().map(|source| -> &dyn StdError { source });
        while let Some(error) = next {
            write!(out, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

// Its sources are already in its text, so it names none.
impl StdError for Error {}

impl From<polder_hub::Error> for Error {
    fn from(error: polder_hub::Error) -> Self {
        Self::plain(error.chain())
    }
}
