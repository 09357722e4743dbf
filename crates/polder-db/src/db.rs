//! The handle.

use std::path::Path;
use std::sync::Arc;

use crate::postgres::{self, Postgres};
use crate::row::Row;
use crate::sql::Statement;
use crate::sqlite::{self, Sqlite};
use crate::tx::Tx;
use crate::value::Value;
use crate::write_queue::{TxFuture, WriteQueue};
use crate::{Error, Result};
use polder_types::{Clock, IdSource};

/// The open database; clones share it.
#[derive(Debug, Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    ids: Arc<IdSource>,
}

/// Which engine holds the rows.
#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Db {
    /// Opens `polder.db` and `cache.db` in `dir`, creating and migrating them as needed.
    ///
    /// One process at a time may do so: the caller holds the lock of the data directory. Must be
    /// called in a tokio runtime, which runs the writer and the checkpoints.
    ///
    /// # Errors
    /// [`Error::Newer`] if a newer version made the file; [`Error::Other`] if it is no database or
    /// cannot be opened; [`Error::Full`].
    pub async fn open(dir: &Path, clock: Clock, ids: Arc<IdSource>) -> Result<Self> {
        let tx_ids = Arc::clone(&ids);
        let sqlite = sqlite::open(dir, |writer| Tx::new(writer, clock, tx_ids)).await?;
        Ok(Self { inner: Arc::new(Inner { engine: Engine::Sqlite(sqlite), ids }) })
    }

    /// Opens the PostgreSQL database at `url`, migrating it as needed, and `cache.db` in `dir`.
    ///
    /// Other processes may have the database open too, each with a `dir` and a node of its own in `ids`.
    /// Must be called in a tokio runtime, which runs the writer.
    ///
    /// # Errors
    /// [`Error::Busy`] if it cannot be reached; [`Error::Newer`] if a newer version made it;
    /// [`Error::Other`] if its version, encoding, collation or `synchronous_commit` will not do.
    pub async fn connect(url: &str, dir: &Path, clock: Clock, ids: Arc<IdSource>) -> Result<Self> {
        let tx_ids = Arc::clone(&ids);
        let postgres = postgres::open(url, dir, |writer| Tx::new(writer, clock, tx_ids)).await?;
        Ok(Self { inner: Arc::new(Inner { engine: Engine::Postgres(postgres), ids }) })
    }

    /// Whether other processes may write at any moment, so that nothing read before is certain.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.engine, Engine::Postgres(_))
    }

    /// Finishes queued writes and closes; SQLite's log is moved into its file. Later calls fail.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    fn writes(&self) -> &WriteQueue {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => &sqlite.writes,
            Engine::Postgres(postgres) => &postgres.writes,
        }
    }

    /// A fresh local id, greater than every one before.
    pub fn next_id(&self) -> i64 {
        self.inner.ids.next()
    }

    /// Why no write is taken any more, if so. The process should say it and exit.
    pub fn storage_failed(&self) -> Option<&str> {
        self.writes().failed().reason()
    }

    /// Runs `work` in a write transaction of its own, as far as it can tell; returns when it is
    /// durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> TxFuture<'t, T> + Send + 'static,
    {
        self.writes().run(work).await
    }

    /// Runs a statement outside any transaction and gathers its rows.
    pub(crate) async fn rows(&self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Vec<Row>> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.rows(statement.into(), args).await,
            Engine::Postgres(postgres) => postgres.rows(statement.into(), args).await,
        }
    }

    /// Runs a statement that has at most one row.
    pub(crate) async fn row(&self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.rows(statement, args).await?.into_iter().next())
    }

    /// Runs statements that take the same arguments, all as of one moment.
    pub(crate) async fn rows_at_once(
        &self,
        statements: &[&'static str],
        args: &[Value],
    ) -> Result<Vec<Vec<Row>>> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.rows_at_once(statements, args).await,
            Engine::Postgres(postgres) => postgres.rows_at_once(statements, args).await,
        }
    }

    /// Makes the engine believe that a sync failed.
    #[cfg(test)]
    pub(crate) fn fail_storage(&self, reason: &str) {
        self.writes().failed().set(reason.to_owned());
    }

    /// Whether the engine understands a statement.
    #[cfg(test)]
    pub(crate) async fn prepare(&self, statement: Statement) -> Result<()> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.prepare(statement).await,
            Engine::Postgres(postgres) => postgres.prepare(statement).await,
        }
    }
}

/// The error of a write about something that is not there.
pub(crate) fn missing(what: impl Into<String>) -> Error {
    Error::NotFound { what: what.into() }
}
