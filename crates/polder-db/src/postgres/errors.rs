//! What PostgreSQL's errors mean for a caller.
//!
//! Source: PostgreSQL 15, appendix A "PostgreSQL Error Codes".

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::Error;
use crate::error::warn;

const UNIQUE_VIOLATION: &str = "23505";
const DISK_FULL: &str = "53100";

/// Codes after which the same call may work in a moment: by class, then one by one.
const PASSING_CLASSES: &[&str] = &[
    "08", // connection exception
    "53", // insufficient resources
    "57", // operator intervention: shutdown, crash of another session, cancelled
];
const PASSING: &[&str] = &[
    "25006", // read-only transaction: a standby, until it is promoted
    "25P03", // idle in transaction for too long
    "40001", // serialization failure
    "40P01", // deadlock, with a session that is not ours
    "55P03", // lock not available in time
];

/// Whether the connection is of no use any more: broken, or left in the middle of an answer.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => is_fatal(error.as_ref()),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => {
            true
        }
        _ => false,
    }
}

fn is_fatal(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Turns a driver's error into ours.
pub(super) fn error_of(doing: &'static str, subject: &str, error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default().into_owned();
    let is_passing = PASSING_CLASSES.iter().any(|class| code.starts_with(class)) || PASSING.contains(&&*code);
    match code.as_str() {
        DISK_FULL => Error::Full,
        UNIQUE_VIOLATION => Error::Conflict { what: error.to_string() },
        _ if is_passing || is_lost(&error) => {
            warn(doing, &error);
            Error::Busy
        }
        _ => Error::Other { doing, subject: subject.to_owned(), source: Some(error.into()) },
    }
}

/// Turns the error of a COMMIT into ours: unless the server itself refused, nobody knows.
pub(super) fn commit_error(error: sqlx::Error) -> Error {
    if is_lost(&error) {
        return Error::Undecided { reason: error.to_string() };
    }
    match error_of("committing", "a batch of writes", error) {
        // A constraint that is checked at the end: no single write of the batch is to be blamed.
        Error::Conflict { what } => Error::Other {
            doing: "committing",
            subject: "a batch of writes".to_owned(),
            source: Some(what.into()),
        },
        error => error,
    }
}
