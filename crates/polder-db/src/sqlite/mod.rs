//! SQLite behind the neutral words of this crate: one writer with group commit, many readers.

mod checkpoint;
mod errors;
mod open;
mod statement;
mod writer;

pub(crate) use errors::error_of;
pub(crate) use open::{Sqlite, open};
pub(crate) use statement::{execute, rows};
pub(crate) use writer::TxFuture;
