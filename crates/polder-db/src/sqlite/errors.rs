//! What SQLite's result codes mean for a caller.
//!
//! Source: <https://www.sqlite.org/rescode.html>.

use crate::Error;

const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const IO: i32 = 10;
const FULL: i32 = 13;
const IO_WRITE: i32 = IO + 3 * 256;
const IO_FSYNC: i32 = IO + 4 * 256;
const IO_DIR_FSYNC: i32 = IO + 5 * 256;
/// The shared-memory file cannot grow: in practice, a full disk.
const IO_SHM_SIZE: i32 = IO + 19 * 256;

/// Turns a driver's error into ours.
pub(crate) fn error_of(doing: &'static str, subject: &str, error: sqlx::Error) -> Error {
    let code = code_of(&error);
    match code {
        Some(IO_FSYNC | IO_DIR_FSYNC) => Error::StorageFailed { reason: error.to_string() },
        Some(FULL | IO_SHM_SIZE) => Error::Full,
        Some(code) if matches!(code & 255, BUSY | LOCKED) => Error::Busy,
        _ if matches!(error, sqlx::Error::PoolTimedOut) => Error::Busy,
        _ if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) => {
            Error::Conflict { what: error.to_string() }
        }
        _ => Error::Other { doing, subject: subject.to_owned(), source: Some(error.into()) },
    }
}

/// Turns the error of a COMMIT into ours: an I/O error there leaves durability unknown, except a
/// plain failed write, which comes before any sync (a quota, for one).
pub(crate) fn commit_error(error: sqlx::Error) -> Error {
    match code_of(&error) {
        Some(code) if code & 255 == IO && code != IO_WRITE && code != IO_SHM_SIZE => {
            Error::StorageFailed { reason: error.to_string() }
        }
        _ => error_of("committing", "a batch of writes", error),
    }
}

fn code_of(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}
