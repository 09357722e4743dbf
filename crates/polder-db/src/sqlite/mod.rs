//! SQLite behind the neutral words of this crate: one connection that writes, many that read.

mod checkpoint;
mod errors;
mod open;
mod statement;
#[cfg(test)]
mod tests;

pub(crate) use errors::{commit_error, error_of};
pub(crate) use open::{Sqlite, open, prepare_cache};
pub(crate) use statement::{execute, rows};
