//! The handle.

use std::path::Path;
use std::sync::Arc;

use crate::postgres::{self, Postgres};
use crate::row::Row;
use crate::sql::Statement;
use crate::sqlite::{self, Sqlite};
use crate::tx::{GoesAlong, Left, Tx, Verdict};
use crate::value::Value;
use crate::view::View;
use crate::write_queue::{TxFuture, WriteQueue};
use crate::{Error, Result, audit, pull_mirrors};
use polder_types::{Clock, IdSource};
use tokio::sync::watch;

/// The open database; clones share it.
#[derive(Debug, Clone)]
pub struct Db {
    inner: Arc<Inner>,
    goes_along: GoesAlong,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    ids: Arc<IdSource>,
    /// Rung by every write that left a fact.
    facts: watch::Sender<()>,
    /// Rung by those, and by every write that left something to tell of a discussion.
    to_tell: watch::Sender<()>,
}

impl Inner {
    fn new(engine: Engine, ids: Arc<IdSource>) -> Self {
        Self { engine, ids, facts: watch::Sender::default(), to_tell: watch::Sender::default() }
    }

    fn ring(&self, left: Left) {
        if left.fact {
            self.facts.send_replace(());
        }
        if left.fact || left.talk {
            self.to_tell.send_replace(());
        }
    }
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
        Self::going_on(Inner::new(Engine::Sqlite(sqlite), ids)).await
    }

    /// No id is made twice, even if the clock was set back since the last process made one.
    async fn going_on(inner: Inner) -> Result<Self> {
        let db = Self { inner: Arc::new(inner), goes_along: GoesAlong::default() };
        db.inner.ids.go_on_after(db.newest_id().await?);
        Ok(db)
    }

    /// A handle on the same database whose writes take along what `set` says.
    pub(crate) fn with(&self, set: impl FnOnce(&mut GoesAlong)) -> Self {
        let mut db = self.clone();
        set(&mut db.goes_along);
        db
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
        Self::going_on(Inner::new(Engine::Postgres(postgres), ids)).await
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

    /// Changes with every write of this process that left a fact. Those of other processes, and one whose commit
    /// was in doubt, are found only by looking.
    pub fn facts(&self) -> watch::Receiver<()> {
        self.inner.facts.subscribe()
    }

    /// Changes with those writes, and with every write of this process that left something to tell webhooks of a
    /// discussion.
    pub fn to_tell(&self) -> watch::Receiver<()> {
        self.inner.to_tell.subscribe()
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
        let goes_along = self.goes_along.clone();
        let (value, left) = self.writes().run(move |tx| Box::pin(accompanied(tx, goes_along, work))).await?;
        self.inner.ring(left);
        Ok(value)
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

    /// Runs statements with their arguments, all as of one moment.
    pub(crate) async fn rows_at_once<const N: usize>(
        &self,
        reads: [(&'static str, Vec<Value>); N],
    ) -> Result<[Vec<Row>; N]> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.rows_at_once(reads).await,
            Engine::Postgres(postgres) => postgres.rows_at_once(reads).await,
        }
    }

    /// Looks at one moment for as long as the view is held.
    pub(crate) async fn view(&self) -> Result<View> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => sqlite.view().await.map(View::Sqlite),
            Engine::Postgres(postgres) => postgres.view().await.map(View::Postgres),
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

/// Runs `work` while the claim that it is for holds, and records it in the audit log if its changes stay; says what they leave.
async fn accompanied<T, F>(tx: &mut Tx, goes_along: GoesAlong, work: F) -> Result<Verdict<(T, Left)>>
where
    F: for<'t> FnOnce(&'t mut Tx) -> TxFuture<'t, T>,
{
    tx.take_along(goes_along);
    if let Some(claim) = tx.pull() {
        pull_mirrors::require_claim(tx, claim).await?;
    }
    match work(tx).await? {
        Verdict::Keep(value) => {
            if let Some(entry) = tx.take_audit() {
                audit::insert(tx, entry).await?;
            }
            Ok(Verdict::Keep((value, tx.left())))
        }
        Verdict::Discard(value) => Ok(Verdict::Discard((value, Left::default()))),
    }
}

/// The error of a write about something that is not there.
pub(crate) fn missing(what: impl Into<String>) -> Error {
    Error::NotFound { what: what.into() }
}
