//! What went wrong with a certificate, in the operator's words.

use std::error::Error as StdError;
use std::path::Path;

/// Something about a certificate did not work: which file or authority, and why.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {problem}")]
pub struct Error {
    subject: String,
    problem: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(subject: &str, problem: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), problem: problem.into(), source: None }
    }

    pub(crate) fn of_file(path: &Path, problem: impl Into<String>) -> Self {
        Self::new(&format!("`{}`", path.display()), problem)
    }

    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The whole story in one line, causes included.
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(self.source(), |error: &&dyn StdError| (*error).source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}
