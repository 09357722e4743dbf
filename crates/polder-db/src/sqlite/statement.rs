//! Running one statement.

use sqlx::sqlite::SqliteConnection;

use super::error_of;
use crate::row::Row;
use crate::sql::{Statement, bound, shown};
use crate::value::Value;
use crate::{Error, Result};

/// Runs a statement; says how many rows it changed.
pub(crate) async fn execute(
    connection: &mut SqliteConnection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<u64> {
    let failed = failing(&statement);
    let done = bound(statement, args).execute(connection).await.map_err(failed)?;
    Ok(done.rows_affected())
}

/// Runs a statement and gathers its rows.
pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<Vec<Row>> {
    let failed = failing(&statement);
    let rows = bound(statement, args).fetch_all(connection).await.map_err(failed)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

fn failing(statement: &Statement) -> impl FnOnce(sqlx::Error) -> Error + use<> {
    let text = statement.text.clone();
    move |error| error_of("running", &shown(&text), error)
}
