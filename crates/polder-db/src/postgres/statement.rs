//! Running one statement, for a bounded time.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::errors::{error_of, is_lost};
use crate::row::Row;
use crate::sql::{Statement, bound, shown};
use crate::value::Value;
use crate::{Error, Result};

/// How long an answer is waited for. The server gives up earlier by itself; this is for one that is gone
/// without a word.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(90);

/// Waits for an answer; one that does not come is a lost connection.
pub(super) async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(ANSWER_TIME_MAX, answer)
        .await
        .unwrap_or_else(|_elapsed| Err(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))))
}

/// A statement that failed, and whether its connection is of no use any more.
pub(crate) struct Failure {
    pub(super) error: Error,
    pub(super) is_lost: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Runs a statement; says how many rows it changed.
pub(super) async fn execute(
    connection: &mut PgConnection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<u64, Failure> {
    let failed = failing(&statement);
    let done = in_time(bound(statement, args).execute(connection)).await.map_err(failed)?;
    Ok(done.rows_affected())
}

/// Runs a statement and gathers its rows.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<Vec<Row>, Failure> {
    let failed = failing(&statement);
    let rows = in_time(bound(statement, args).fetch_all(connection)).await.map_err(failed)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

fn failing(statement: &Statement) -> impl FnOnce(sqlx::Error) -> Failure + use<> {
    let text = statement.text.clone();
    move |error| failure("running", &shown(&text), error)
}

pub(super) fn failure(doing: &'static str, subject: &str, error: sqlx::Error) -> Failure {
    Failure { is_lost: is_lost(&error), error: error_of(doing, subject, error) }
}
