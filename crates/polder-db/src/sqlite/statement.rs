//! Running one statement with neutral arguments.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{SqlStr, Sqlite};

use super::error_of;
use crate::row::Row;
use crate::sql::Statement;
use crate::value::Value;
use crate::{Error, Result};

/// Runs a statement; says how many rows it changed.
pub(crate) async fn execute(
    connection: &mut SqliteConnection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<u64> {
    let text = statement.text.clone();
    let done = bound(statement, args).execute(connection).await.map_err(|error| failed(&text, error))?;
    Ok(done.rows_affected())
}

/// Runs a statement and gathers its rows.
pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<Vec<Row>> {
    let text = statement.text.clone();
    let rows = bound(statement, args).fetch_all(connection).await.map_err(|error| failed(&text, error))?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

fn bound<'q>(statement: Statement, args: Vec<Value>) -> Query<'q, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(statement.text).persistent(statement.kept);
    for value in args {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Bool(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        };
    }
    query
}

/// Names a statement by its beginning; arguments are never shown.
fn failed(text: &SqlStr, error: sqlx::Error) -> Error {
    const SHOWN_CHARS_MAX: usize = 120;
    let shown: String = text.as_str().chars().take(SHOWN_CHARS_MAX).collect();
    error_of("running", &shown, error)
}
