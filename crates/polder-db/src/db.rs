//! The handle.

use std::path::Path;
use std::sync::Arc;

use polder_types::{Clock, IdSource};
use sqlx::Connection;

use crate::row::Row;
use crate::sql::Statement;
use crate::sqlite::{self, Sqlite, TxFuture, error_of};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Error, Result};

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
        let sqlite = sqlite::open(dir, |connection| Tx::new(connection, clock, tx_ids)).await?;
        Ok(Self { inner: Arc::new(Inner { engine: Engine::Sqlite(sqlite), ids }) })
    }

    /// Finishes queued writes, moves the log into the file, closes. Later calls fail.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
        }
    }

    /// A fresh local id, greater than every one before.
    pub fn next_id(&self) -> i64 {
        self.inner.ids.next()
    }

    /// Why no write is taken any more, if so. The process should say it and exit.
    pub fn storage_failed(&self) -> Option<&str> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.writes.failed().reason(),
        }
    }

    /// Runs `work` in a write transaction of its own, as far as it can tell; returns when it is
    /// durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> TxFuture<'t, T> + Send + 'static,
    {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.writes.run(work).await,
        }
    }

    /// Runs a statement outside any transaction and gathers its rows.
    pub(crate) async fn rows(&self, statement: impl Into<Statement>, args: Vec<Value>) -> Result<Vec<Row>> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => {
                let acquired = sqlite.readers.acquire().await;
                let mut reader = acquired.map_err(|error| error_of("reading from", "the database", error))?;
                sqlite::rows(&mut reader, statement.into(), args).await
            }
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
            Engine::Sqlite(sqlite) => {
                let failed = |error| error_of("reading from", "the database", error);
                let mut reader = sqlite.readers.acquire().await.map_err(failed)?;
                let mut view = reader.begin().await.map_err(failed)?;
                let mut answers = Vec::with_capacity(statements.len());
                for statement in statements {
                    answers.push(sqlite::rows(&mut view, (*statement).into(), args.to_vec()).await?);
                }
                view.rollback().await.map_err(failed)?;
                Ok(answers)
            }
        }
    }

    /// Makes the engine believe that a sync failed.
    #[cfg(test)]
    pub(crate) fn fail_storage(&self, reason: &str) {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.writes.failed().set(reason.to_owned()),
        }
    }

    /// Whether the engine understands a statement.
    #[cfg(test)]
    pub(crate) async fn prepare(&self, statement: Statement) -> Result<()> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => {
                let prepared = sqlx::Executor::prepare(&sqlite.readers, statement.text).await;
                prepared.map(drop).map_err(|error| error_of("preparing", "a statement", error))
            }
        }
    }
}

/// The error of a write about something that is not there.
pub(crate) fn missing(what: impl Into<String>) -> Error {
    Error::NotFound { what: what.into() }
}
