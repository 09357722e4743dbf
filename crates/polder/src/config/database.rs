//! Where the database is, when it is not in the data directory.

use std::fmt;

use crate::Error;

/// The URL of a PostgreSQL database. Never printed: it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes a URL that begins as one of PostgreSQL.
    ///
    /// # Errors
    /// When it begins otherwise.
    pub(super) fn parse(text: String) -> Result<Self, Error> {
        if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self(text));
        }
        Err(Error::plain(
            "database.url: must begin with postgres:// (without it the hub keeps SQLite in its data directory)",
        ))
    }

    /// The text, for whoever connects.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DatabaseUrl(…)")
    }
}
