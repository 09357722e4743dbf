//! One result row, the same for every engine.

use bytes::Bytes;
use polder_types::{ObjectId, Sha256};
use polder_xet::{FileHash, XorbHash};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::{Error, Result};

/// A row of whichever engine answered. Columns go by position.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as, on every engine.
pub(crate) trait Column: OfEngine<Sqlite> + OfEngine<Postgres> {}
impl<T: OfEngine<Sqlite> + OfEngine<Postgres>> Column for T {}

/// What a column can be read as, on one engine.
pub(crate) trait OfEngine<DB: sqlx::Database>: for<'r> Decode<'r, DB> + Type<DB> {}
impl<DB: sqlx::Database, T: for<'r> Decode<'r, DB> + Type<DB>> OfEngine<DB> for T {}

impl Row {
    /// Reads column `index`, from 0.
    pub(crate) fn read<T: Column>(&self, index: usize) -> Result<T> {
        let read = match self {
            Self::Sqlite(row) => row.try_get(index),
            Self::Postgres(row) => row.try_get(index),
        };
        read.map_err(|source| unreadable(index, Some(source.into())))
    }

    /// Reads a word that `T` is written as.
    pub(crate) fn word<T: std::str::FromStr<Err: std::fmt::Display>>(&self, index: usize) -> Result<T> {
        let text: String = self.read(index)?;
        text.parse().map_err(|error: T::Err| unreadable(index, Some(error.to_string().into())))
    }

    /// Reads a word that may be absent.
    pub(crate) fn maybe_word<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        index: usize,
    ) -> Result<Option<T>> {
        let text: Option<String> = self.read(index)?;
        let word = text.map(|text| text.parse()).transpose();
        word.map_err(|error: T::Err| unreadable(index, Some(error.to_string().into())))
    }

    /// Reads a hash that may be absent.
    pub(crate) fn maybe_oid(&self, index: usize) -> Result<Option<ObjectId>> {
        let bytes: Option<Vec<u8>> = self.read(index)?;
        bytes.map(|bytes| ObjectId::from_slice(&bytes).ok_or_else(|| unreadable(index, None))).transpose()
    }

    /// Reads a git object id.
    pub(crate) fn oid(&self, index: usize) -> Result<ObjectId> {
        self.maybe_oid(index)?.ok_or_else(|| unreadable(index, None))
    }

    /// Reads a SHA-256.
    pub(crate) fn sha256(&self, index: usize) -> Result<Sha256> {
        let bytes: Vec<u8> = self.read(index)?;
        Sha256::from_slice(&bytes).ok_or_else(|| unreadable(index, None))
    }

    /// Reads the hash of a tree over chunks, which may be absent.
    pub(crate) fn maybe_file_hash(&self, index: usize) -> Result<Option<FileHash>> {
        let bytes: Option<Vec<u8>> = self.read(index)?;
        bytes.map(|bytes| FileHash::from_slice(&bytes).ok_or_else(|| unreadable(index, None))).transpose()
    }

    /// Reads the hash of an xorb.
    pub(crate) fn xorb_hash(&self, index: usize) -> Result<XorbHash> {
        let bytes: Vec<u8> = self.read(index)?;
        XorbHash::from_slice(&bytes).ok_or_else(|| unreadable(index, None))
    }

    /// Reads bytes that may be absent.
    pub(crate) fn maybe_bytes(&self, index: usize) -> Result<Option<Bytes>> {
        Ok(self.read::<Option<Vec<u8>>>(index)?.map(Bytes::from))
    }
}

fn unreadable(index: usize, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Other { doing: "reading column", subject: index.to_string(), source }
}

/// Maps every row.
pub(crate) fn each<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(read).collect()
}
