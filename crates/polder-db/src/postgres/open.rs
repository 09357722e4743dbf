//! Opening a database, and reading from it.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions, PgTransaction};
use sqlx::raw_sql;

use super::connect::{check, check_durable, connect, options};
use super::errors::error_of;
use super::statement::{self, Failure, failure, in_time};
use super::writer::PgWriter;
use crate::Result;
use crate::migrations::{MAIN, migrate};
use crate::row::Row;
use crate::sql::Statement;
use crate::sqlite::prepare_cache;
use crate::tx::{Tx, Writer};
use crate::value::Value;
use crate::write_queue::{Failed, WriteQueue};

/// Readers at the same time, in each process; a read more waits. The writer has one more connection.
const READERS_MAX: u32 = 16;
/// How long a read waits for a free reader, in seconds.
const READER_WAIT_SECONDS: u64 = 10;
/// How often a read is tried on another connection: once more than all of them can be broken.
const READ_TRIES_MAX: u32 = READERS_MAX + 1;

/// Makes several reads see one moment.
const BEGIN_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The open database.
#[derive(Debug)]
pub(crate) struct Postgres {
    readers: PgPool,
    pub(crate) writes: WriteQueue,
}

/// Opens the database at `url`, and `cache.db` in `dir`; `make_tx` dresses the writer's connection.
pub(crate) async fn open(url: &str, dir: &Path, make_tx: impl FnOnce(Writer) -> Tx) -> Result<Postgres> {
    let options = options(url)?;
    let mut connection = connect(&options).await?;
    check(&mut connection).await?;
    check_durable(&mut connection).await?;
    // A migration of large tables takes the time it takes.
    let failed = |error| error_of("preparing", "the database", error);
    raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    migrate(&mut connection, MAIN).await?;
    raw_sql("RESET statement_timeout; RESET lock_timeout").execute(&mut connection).await.map_err(failed)?;
    prepare_cache(dir).await?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS_MAX)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(READER_WAIT_SECONDS))
        .connect_lazy_with(options.clone());
    let tx = make_tx(Writer::Postgres(Box::new(PgWriter::new(options, connection))));
    Ok(Postgres { readers, writes: WriteQueue::start(tx, None, Failed::default()) })
}

impl Postgres {
    /// Finishes queued writes and closes every connection.
    pub(crate) async fn close(&self) {
        self.writes.close().await;
        self.readers.close().await;
    }

    /// Runs a statement outside any transaction and gathers its rows.
    pub(crate) async fn rows(&self, statement: Statement, args: Vec<Value>) -> Result<Vec<Row>> {
        let mut tries = 1;
        loop {
            match self.try_rows(statement.clone(), args.clone()).await {
                Err(failure) if failure.is_lost && tries < READ_TRIES_MAX => tries += 1,
                done => return Ok(done?),
            }
        }
    }

    async fn try_rows(&self, statement: Statement, args: Vec<Value>) -> Result<Vec<Row>, Failure> {
        let mut reader = self.readers.acquire().await.map_err(unreachable)?;
        let read = statement::rows(&mut reader, statement, args).await;
        if read.as_ref().is_err_and(|failure| failure.is_lost) {
            drop(reader.detach());
        }
        read
    }

    /// A read transaction of its own, which sees what is there now.
    pub(crate) async fn view(&self) -> Result<PgTransaction<'static>> {
        let view = self.readers.begin_with(BEGIN_VIEW).await;
        let mut view = view.map_err(|error| error_of("reading from", "the database", error))?;
        // PostgreSQL takes its look with the first read, not with BEGIN.
        statement::rows(&mut view, "SELECT 1".into(), Vec::new()).await?;
        Ok(view)
    }

    /// Runs statements with their arguments, all as of one moment.
    pub(crate) async fn rows_at_once<const N: usize>(
        &self,
        reads: [(&'static str, Vec<Value>); N],
    ) -> Result<[Vec<Row>; N]> {
        let mut tries = 1;
        loop {
            match self.try_rows_at_once(reads.clone()).await {
                Err(failure) if failure.is_lost && tries < READ_TRIES_MAX => tries += 1,
                done => return Ok(done?),
            }
        }
    }

    async fn try_rows_at_once<const N: usize>(
        &self,
        reads: [(&'static str, Vec<Value>); N],
    ) -> Result<[Vec<Row>; N], Failure> {
        let failed = |error| failure("reading from", "the database", error);
        let mut reader = self.readers.acquire().await.map_err(unreachable)?;
        let mut view: PgTransaction<'_> =
            in_time(sqlx::Connection::begin_with(&mut *reader, BEGIN_VIEW)).await.map_err(failed)?;
        let mut answers = [const { Vec::new() }; N];
        for (answer, (statement, args)) in answers.iter_mut().zip(reads) {
            *answer = statement::rows(&mut view, statement.into(), args).await?;
        }
        in_time(view.rollback()).await.map_err(failed)?;
        Ok(answers)
    }

    /// Whether the engine understands a statement.
    #[cfg(test)]
    pub(crate) async fn prepare(&self, statement: Statement) -> Result<()> {
        let prepared = sqlx::Executor::prepare(&self.readers, statement.text).await;
        prepared.map(drop).map_err(|error| error_of("preparing", "a statement", error))
    }
}

/// No connection can be had at this moment: trying again at once would only wait as long again.
fn unreachable(error: sqlx::Error) -> Failure {
    Failure { is_lost: false, error: error_of("reading from", "the database", error) }
}
