//! The connection that writes: made again when it breaks, in a transaction only in its turn.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, raw_sql};

use super::connect::{check_durable, connect};
use super::errors::commit_error;
use super::statement::{self, Failure, failure, in_time};
use crate::row::Row;
use crate::sql::Statement;
use crate::value::Value;
use crate::{Error, Result};

/// Takes the turn among all processes that write to this database. The number is the word "polder".
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SELECT pg_advisory_xact_lock(123623862199666)";

/// The connection of one write queue.
pub(crate) struct PgWriter {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl PgWriter {
    pub(super) fn new(options: PgConnectOptions, connection: PgConnection) -> Self {
        Self { options, connection: Some(connection) }
    }

    /// Begins a transaction in its turn. A connection that broke since the last one is made again.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        if self.connection.is_some() {
            match self.control(BEGIN).await {
                Err(_) if self.connection.is_none() => {}
                done => return done,
            }
        }
        let mut connection = connect(&self.options).await?;
        check_durable(&mut connection).await?;
        self.connection = Some(connection);
        self.control(BEGIN).await
    }

    pub(crate) async fn execute(&mut self, statement: Statement, args: Vec<Value>) -> Result<u64> {
        let done = statement::execute(self.connection()?, statement, args).await;
        done.map_err(|failure| self.note(failure))
    }

    pub(crate) async fn rows(&mut self, statement: Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        let done = statement::rows(self.connection()?, statement, args).await;
        done.map_err(|failure| self.note(failure))
    }

    /// Runs transaction control, several statements at once.
    pub(crate) async fn control(&mut self, sql: &'static str) -> Result<()> {
        let done = in_time(raw_sql(sql).execute(self.connection()?)).await;
        done.map(drop).map_err(|error| self.note(failure("running", sql, error)))
    }

    /// Commits. A connection that breaks before the answer leaves it undecided.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        let done = in_time(raw_sql("COMMIT").execute(self.connection()?)).await;
        done.map(drop).map_err(|error| {
            let error = commit_error(error);
            if matches!(error, Error::Undecided { .. }) {
                self.connection = None;
            }
            error
        })
    }

    /// Undoes the transaction. What cannot be undone so is undone by the end of the session.
    pub(crate) async fn rollback(&mut self) {
        if self.connection.is_some() && self.control("ROLLBACK").await.is_err() {
            self.connection = None;
        }
    }

    pub(crate) async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the writer's connection");
        }
    }

    /// Lets go of a connection that is of no use any more; its session ends, and its transaction with it.
    fn note(&mut self, failure: Failure) -> Error {
        if failure.is_lost {
            self.connection = None;
        }
        failure.error
    }

    fn connection(&mut self) -> Result<&mut PgConnection> {
        self.connection.as_mut().ok_or(Error::Busy)
    }
}
