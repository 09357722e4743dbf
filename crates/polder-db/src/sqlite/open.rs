//! Opening the two files.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

use super::checkpoint::Checkpointer;
use super::writer::{self, WriteQueue};
use super::{checkpoint, error_of};
use crate::tx::Tx;
use crate::{Error, Result};

/// Readers at the same time; a read more waits.
const READERS_MAX: u32 = 8;
/// Prepared statements each connection keeps.
const STATEMENTS_KEPT_MAX: usize = 256;
/// How long a locked file is waited for, in seconds.
const LOCK_WAIT_SECONDS: u64 = 5;
/// How long a read waits for a free reader, in seconds.
const READER_WAIT_SECONDS: u64 = 10;

const MAIN: &[(i64, &str, &str)] = &[(1, "first", include_str!("../../migrations/0001_first.sql"))];
const CACHE: &[(i64, &str, &str)] = &[(1, "first", include_str!("../../migrations/cache_0001_first.sql"))];

/// The open files.
#[derive(Debug)]
pub(crate) struct Sqlite {
    pub(crate) readers: SqlitePool,
    pub(crate) writes: WriteQueue,
    checkpointer: Checkpointer,
}

/// Opens `polder.db` and `cache.db` in `dir`; `make_tx` dresses the writer's connection.
pub(crate) async fn open(dir: &Path, make_tx: impl FnOnce(SqliteConnection) -> Tx) -> Result<Sqlite> {
    let file = dir.join("polder.db");
    let options = options(&file).synchronous(SqliteSynchronous::Full).pragma("wal_autocheckpoint", "0");
    let mut connection = connect(&options, &file).await?;
    migrate(&mut connection, MAIN).await?;
    prepare_cache(&dir.join("cache.db")).await?;
    sync_directory(dir)?;

    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(READER_WAIT_SECONDS))
        .connect_with(options.clone().read_only(true).create_if_missing(false))
        .await
        .map_err(|error| error_of("opening", &file.display().to_string(), error))?;
    let checkpoints = connect(&options, &file).await?;
    let failed = writer::Failed::default();
    let checkpointer = checkpoint::start(checkpoints, failed.clone());
    let writes = writer::start(make_tx(connection), checkpointer.bell(), failed);
    Ok(Sqlite { readers, writes, checkpointer })
}

impl Sqlite {
    /// Finishes queued writes, then moves the log into the file and closes it.
    pub(crate) async fn close(&self) {
        self.writes.close().await;
        self.readers.close().await;
        self.checkpointer.close().await;
    }
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

/// Makes and migrates `cache.db`; it is opened again by whoever counts something.
async fn prepare_cache(file: &Path) -> Result<()> {
    let mut connection = connect(&options(file).synchronous(SqliteSynchronous::Normal), file).await?;
    migrate(&mut connection, CACHE).await?;
    connection.close().await.map_err(|error| error_of("closing", &file.display().to_string(), error))
}

async fn migrate(
    connection: &mut SqliteConnection,
    texts: &[(i64, &'static str, &'static str)],
) -> Result<()> {
    let known = texts.iter().map(|(version, ..)| *version).max().unwrap_or_default();
    let migrations = texts.iter().map(|(version, name, text)| {
        Migration::new(*version, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let failed = |source: MigrateError| match source {
        MigrateError::VersionMissing(found) => Error::Newer { found, known },
        source => Error::Other {
            doing: "migrating",
            subject: "the database".to_owned(),
            source: Some(source.into()),
        },
    };
    let table = migrator.table_name.clone();
    connection.ensure_migrations_table(&table).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(&table).await.map_err(failed)?;
    if let Some(found) = applied.iter().map(|one| one.version).max().filter(|found| *found > known) {
        return Err(Error::Newer { found, known });
    }
    migrator.run_direct(None, connection, false).await.map_err(failed)
}

/// Makes the new files' names durable.
fn sync_directory(dir: &Path) -> Result<()> {
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| Error::Other {
        doing: "syncing",
        subject: dir.display().to_string(),
        source: Some(source.into()),
    })
}
