//! What a write sees while its turn lasts.

use std::sync::Arc;

use polder_types::{Clock, IdSource, UnixMillis};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::row::Row;
use crate::sql::Statement;
use crate::sqlite;
use crate::value::Value;
use crate::{Error, Result};

/// What a write wants done with its changes.
pub(crate) enum Verdict<T> {
    /// Commit them, then answer.
    Keep(T),
    /// Undo them; answer all the same.
    Discard(T),
}

/// The writer's connection, in a transaction.
pub(crate) struct Tx {
    connection: Option<SqliteConnection>,
    clock: Clock,
    ids: Arc<IdSource>,
    written_bytes: usize,
}

impl Tx {
    pub(crate) fn new(connection: SqliteConnection, clock: Clock, ids: Arc<IdSource>) -> Self {
        Self { connection: Some(connection), clock, ids, written_bytes: 0 }
    }

    /// The time now.
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// A fresh local id.
    pub(crate) fn next_id(&self) -> i64 {
        self.ids.next()
    }

    /// Runs a statement; says how many rows it changed.
    pub(crate) async fn execute(&mut self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<u64> {
        self.written_bytes += args.iter().map(Value::size_bytes).sum::<usize>();
        sqlite::execute(self.connection()?, statement.into(), args).await
    }

    /// Runs a statement and gathers its rows.
    pub(crate) async fn rows(
        &mut self,
        statement: impl Into<Statement>,
        args: Vec<Value>,
    ) -> Result<Vec<Row>> {
        sqlite::rows(self.connection()?, statement.into(), args).await
    }

    /// Runs a statement that has at most one row.
    pub(crate) async fn row(
        &mut self,
        statement: impl Into<Statement>,
        args: Vec<Value>,
    ) -> Result<Option<Row>> {
        Ok(self.rows(statement, args).await?.into_iter().next())
    }

    /// Roughly how many bytes were written since the last time this was asked.
    pub(crate) fn take_written_bytes(&mut self) -> usize {
        std::mem::take(&mut self.written_bytes)
    }

    /// Runs transaction control.
    pub(crate) async fn control(&mut self, sql: &'static str) -> Result<()> {
        self.execute(sql, Vec::new()).await.map(drop)
    }

    /// Commits; the driver's own error, because a failed commit is judged by itself.
    pub(crate) async fn commit(&mut self) -> std::result::Result<(), sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        sqlx::query("COMMIT").execute(connection).await.map(drop)
    }

    /// Closes the connection.
    pub(crate) async fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::error!(%error, "closing the writer");
        }
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        self.connection.as_mut().ok_or_else(|| Error::Other {
            doing: "writing to",
            subject: "a closed database".to_owned(),
            source: None,
        })
    }
}
