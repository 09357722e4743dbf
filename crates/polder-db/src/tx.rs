//! What a write sees while its turn lasts.

use std::sync::Arc;

use polder_types::{Clock, IdSource, ReservationId, UnixMillis};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::contributed::Contributor;
use crate::postgres::PgWriter;
use crate::row::Row;
use crate::sql::Statement;
use crate::sqlite;
use crate::value::Value;
use crate::{NewAudit, PullClaim, Result};

/// What a write wants done with its changes.
pub(crate) enum Verdict<T> {
    /// Commit them, then answer.
    Keep(T),
    /// Undo them; answer all the same.
    Discard(T),
}

/// The connection that writes, of whichever engine.
pub(crate) enum Writer {
    Sqlite(SqliteConnection),
    Postgres(Box<PgWriter>),
}

/// What the writes of a handle take along.
#[derive(Debug, Clone, Default)]
pub(crate) struct GoesAlong {
    /// Recorded in the same transaction, if the write's changes stay.
    pub(crate) audit: Option<NewAudit>,
    /// What was promised of a quota to the bytes that the write brings.
    pub(crate) reservation: Option<ReservationId>,
    /// Who brings them, if that is somebody who may not write.
    pub(crate) contributor: Option<Contributor>,
    /// Whose pull it is for: without that claim nothing is written.
    pub(crate) pull: Option<PullClaim>,
}

/// What a write leaves for others of this process to go on with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// A fact for other hubs.
    pub(crate) fact: bool,
    /// Something to tell webhooks of a discussion.
    pub(crate) talk: bool,
}

/// The writer's connection, in a transaction.
pub(crate) struct Tx {
    writer: Writer,
    clock: Clock,
    ids: Arc<IdSource>,
    written_bytes: usize,
    goes_along: GoesAlong,
    left: Left,
}

impl Tx {
    pub(crate) fn new(writer: Writer, clock: Clock, ids: Arc<IdSource>) -> Self {
        Self { writer, clock, ids, written_bytes: 0, goes_along: GoesAlong::default(), left: Left::default() }
    }

    /// Begins a write: nothing of the one before it is left.
    pub(crate) fn take_along(&mut self, goes_along: GoesAlong) {
        (self.goes_along, self.left) = (goes_along, Left::default());
    }

    /// This write leaves a fact for other hubs.
    pub(crate) fn leaves_fact(&mut self) {
        self.left.fact = true;
    }

    /// This write leaves something to tell webhooks of a discussion.
    pub(crate) fn leaves_talk(&mut self) {
        self.left.talk = true;
    }

    /// What it leaves.
    pub(crate) fn left(&self) -> Left {
        self.left
    }

    /// For whose pull this write is.
    pub(crate) fn pull(&self) -> Option<PullClaim> {
        self.goes_along.pull
    }

    /// What was promised to this write.
    pub(crate) fn reservation(&self) -> Option<ReservationId> {
        self.goes_along.reservation
    }

    /// Who brings what this write adds, if that is somebody who may not write.
    pub(crate) fn contributor(&self) -> Option<Contributor> {
        self.goes_along.contributor
    }

    /// What to record of this write, once it has said all it knows.
    pub(crate) fn take_audit(&mut self) -> Option<NewAudit> {
        self.goes_along.audit.take()
    }

    /// Completes the record of this write, if there will be one, with what only the write can tell.
    pub(crate) fn audit(&mut self, complete: impl FnOnce(&mut NewAudit)) {
        if let Some(entry) = &mut self.goes_along.audit {
            complete(entry);
        }
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
        match &mut self.writer {
            Writer::Sqlite(connection) => sqlite::execute(connection, statement.into(), args).await,
            Writer::Postgres(writer) => writer.execute(statement.into(), args).await,
        }
    }

    /// Runs a statement and gathers its rows.
    pub(crate) async fn rows(
        &mut self,
        statement: impl Into<Statement>,
        args: Vec<Value>,
    ) -> Result<Vec<Row>> {
        match &mut self.writer {
            Writer::Sqlite(connection) => sqlite::rows(connection, statement.into(), args).await,
            Writer::Postgres(writer) => writer.rows(statement.into(), args).await,
        }
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
        match &mut self.writer {
            Writer::Sqlite(connection) => sqlite::execute(connection, sql.into(), Vec::new()).await.map(drop),
            Writer::Postgres(writer) => writer.control(sql).await,
        }
    }

    /// Begins a transaction that alone writes until its end.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        match &mut self.writer {
            Writer::Sqlite(_) => self.control("BEGIN IMMEDIATE").await,
            Writer::Postgres(writer) => writer.begin().await,
        }
    }

    /// Commits; a failed commit is judged otherwise than a failed statement.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        match &mut self.writer {
            Writer::Sqlite(connection) => {
                sqlx::query("COMMIT").execute(connection).await.map(drop).map_err(sqlite::commit_error)
            }
            Writer::Postgres(writer) => writer.commit().await,
        }
    }

    /// Undoes everything since the beginning.
    pub(crate) async fn rollback(&mut self) {
        match &mut self.writer {
            // After some errors SQLite has rolled back already, and says so.
            Writer::Sqlite(_) => {
                if let Err(error) = self.control("ROLLBACK").await {
                    tracing::debug!(%error, "rolling back a failed batch");
                }
            }
            Writer::Postgres(writer) => writer.rollback().await,
        }
    }

    /// Closes the connection.
    pub(crate) async fn close(self) {
        match self.writer {
            Writer::Sqlite(connection) => {
                if let Err(error) = connection.close().await {
                    tracing::error!(%error, "closing the writer");
                }
            }
            Writer::Postgres(writer) => writer.close().await,
        }
    }
}
