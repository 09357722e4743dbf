//! Opening the two files.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::checkpoint::Checkpointer;
use super::{checkpoint, error_of};
use crate::migrations::{CACHE, MAIN, migrate};
use crate::row::Row;
use crate::sql::Statement;
use crate::tx::{Tx, Writer};
use crate::value::Value;
use crate::write_queue::{Failed, WriteQueue};
use crate::{Error, Result};

/// Readers at the same time; a read more waits.
const READERS_MAX: u32 = 8;
/// Prepared statements each connection keeps.
const STATEMENTS_KEPT_MAX: usize = 256;
/// How long a locked file is waited for, in seconds.
const LOCK_WAIT_SECONDS: u64 = 5;
/// How long a read waits for a free reader, in seconds.
const READER_WAIT_SECONDS: u64 = 10;

/// The open files.
#[derive(Debug)]
pub(crate) struct Sqlite {
    readers: SqlitePool,
    pub(crate) writes: WriteQueue,
    checkpointer: Checkpointer,
}

/// Opens `polder.db` and `cache.db` in `dir`; `make_tx` dresses the writer's connection.
pub(crate) async fn open(dir: &Path, make_tx: impl FnOnce(Writer) -> Tx) -> Result<Sqlite> {
    let file = dir.join("polder.db");
    let options = options(&file).synchronous(SqliteSynchronous::Full).pragma("wal_autocheckpoint", "0");
    let mut connection = connect(&options, &file).await?;
    migrate(&mut connection, MAIN).await?;
    prepare_cache(dir).await?;

    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(READER_WAIT_SECONDS))
        .connect_with(options.clone().read_only(true).create_if_missing(false))
        .await
        .map_err(|error| error_of("opening", &file.display().to_string(), error))?;
    let checkpoints = connect(&options, &file).await?;
    let failed = Failed::default();
    let checkpointer = checkpoint::start(checkpoints, failed.clone());
    let writes = WriteQueue::start(make_tx(Writer::Sqlite(connection)), Some(checkpointer.bell()), failed);
    Ok(Sqlite { readers, writes, checkpointer })
}

impl Sqlite {
    /// Runs a statement outside any transaction and gathers its rows.
    pub(crate) async fn rows(&self, statement: Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        let mut reader = self.readers.acquire().await.map_err(unreadable)?;
        super::rows(&mut reader, statement, args).await
    }

    /// A read transaction of its own, which sees what is there now.
    pub(crate) async fn view(&self) -> Result<sqlx::sqlite::SqliteTransaction<'static>> {
        let mut view = self.readers.begin().await.map_err(unreadable)?;
        // SQLite takes its look with the first read, not with BEGIN.
        super::rows(&mut view, "SELECT 1 FROM meta LIMIT 1".into(), Vec::new()).await?;
        Ok(view)
    }

    /// Runs statements with their arguments, all as of one moment.
    pub(crate) async fn rows_at_once<const N: usize>(
        &self,
        reads: [(&'static str, Vec<Value>); N],
    ) -> Result<[Vec<Row>; N]> {
        let mut reader = self.readers.acquire().await.map_err(unreadable)?;
        let mut view = reader.begin().await.map_err(unreadable)?;
        let mut answers = [const { Vec::new() }; N];
        for (answer, (statement, args)) in answers.iter_mut().zip(reads) {
            *answer = super::rows(&mut view, statement.into(), args).await?;
        }
        view.rollback().await.map_err(unreadable)?;
        Ok(answers)
    }

    /// Whether the engine understands a statement.
    #[cfg(test)]
    pub(crate) async fn prepare(&self, statement: Statement) -> Result<()> {
        let prepared = sqlx::Executor::prepare(&self.readers, statement.text).await;
        prepared.map(drop).map_err(|error| error_of("preparing", "a statement", error))
    }

    /// Finishes queued writes, then moves the log into the file and closes it.
    pub(crate) async fn close(&self) {
        self.writes.close().await;
        self.readers.close().await;
        self.checkpointer.close().await;
    }
}

fn unreadable(error: sqlx::Error) -> Error {
    error_of("reading from", "the database", error)
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(LOCK_WAIT_SECONDS))
        .statement_cache_capacity(STATEMENTS_KEPT_MAX)
        .disable_statement_logging()
}

async fn connect(options: &SqliteConnectOptions, file: &Path) -> Result<SqliteConnection> {
    options.connect().await.map_err(|error| error_of("opening", &file.display().to_string(), error))
}

/// Makes and migrates `cache.db` in `dir`; it is opened again by whoever counts something.
pub(crate) async fn prepare_cache(dir: &Path) -> Result<()> {
    let file = dir.join("cache.db");
    let mut connection = connect(&options(&file).synchronous(SqliteSynchronous::Normal), &file).await?;
    migrate(&mut connection, CACHE).await?;
    connection.close().await.map_err(|error| error_of("closing", &file.display().to_string(), error))?;
    sync_directory(dir)
}

/// Makes the new files' names durable.
fn sync_directory(dir: &Path) -> Result<()> {
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| Error::Other {
        doing: "syncing",
        subject: dir.display().to_string(),
        source: Some(source.into()),
    })
}
