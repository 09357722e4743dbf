//! What the own log has said of the repositories of this hub, and saying more: state read, events built
//! and leaves appended in one write.

use bytes::Bytes;
use polder_types::{AccountId, RepoId, Sha256, UnixMillis};

use super::append::{Appended, LogAppend, LogEntry, append};
use super::files::{self, FileKind, LogFile};
use super::pending::{self, PendingBatch};
use super::{LOG_BY_ID, Lease, Log};
use crate::blobs::Blob;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Repo, Result};

statements! {
    PUBLISHED = "SELECT rid, rseq, prev, gen, state, path, refs_sha256, open_since FROM published WHERE repo = $1";
    PUT_PUBLISHED = "INSERT INTO published (repo, rid, rseq, prev, gen, state, path, refs_sha256, open_since) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (repo) DO UPDATE SET rseq = excluded.rseq, \
        prev = excluded.prev, gen = excluded.gen, state = excluded.state, path = excluded.path, \
        refs_sha256 = excluded.refs_sha256, open_since = excluded.open_since";
    SET_RID = "UPDATE repo SET rid = $2 WHERE id = $1";
    NAMESPACE = "SELECT nsid, seq, head FROM published_ns WHERE account = $1";
    PUT_NAMESPACE = "INSERT INTO published_ns (account, nsid, seq, head) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, head = excluded.head";
    REPO_OF_RID = "SELECT id FROM repo WHERE rid = $1 AND state = 'live'";
    HAS_FACTS = "SELECT 1 FROM event WHERE seq > $1 LIMIT 1";
    // Also of refs that are gone, but not of hidden ones.
    LOGGED_TIPS = "SELECT old_oid FROM ref_log WHERE repo = $1 AND time > $2 AND old_oid IS NOT NULL \
        AND time >= COALESCE((SELECT p.open_since FROM published p WHERE p.repo = $1), 0) AND name NOT LIKE 'refs/polder/%' ORDER BY gen DESC LIMIT $3";
}

/// Most former tips that are told of.
const LOGGED_TIPS_MAX: i64 = 10_000;

/// What anyone may know of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedState {
    /// Everything.
    Open,
    /// Nothing: it is private, or withheld.
    Private,
    /// That it is gone.
    Deleted,
    /// That the operator took it down.
    Takedown,
}

impl PublishedState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Private => "private",
            Self::Deleted => "deleted",
            Self::Takedown => "takedown",
        }
    }

    fn from_row(row: &Row, index: usize) -> Result<Self> {
        let word: String = row.read(index)?;
        Ok(match word.as_str() {
            "open" => Self::Open,
            "deleted" => Self::Deleted,
            "takedown" => Self::Takedown,
            _ => Self::Private,
        })
    }
}

/// What the log has said last of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The repository's name between hubs.
    pub rid: Sha256,
    /// How many events of it there are.
    pub rseq: u64,
    /// The body of the newest.
    pub prev: Sha256,
    /// The generation that it tells of.
    pub generation: i64,
    /// What anyone may know.
    pub state: PublishedState,
    /// `namespace/name`, as it was told.
    pub path: String,
    /// Its ref map.
    pub refs_sha256: Sha256,
    /// Since when it has been open without interruption.
    pub open_since: UnixMillis,
}

impl Published {
    /// Whether this is the first that is said of it: by that it has its name between hubs.
    fn is_first(&self) -> bool {
        self.rseq == 1
    }
}

/// What the log has said last of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedNamespace {
    /// The namespace's name between hubs.
    pub nsid: Sha256,
    /// How many operations of it there are.
    pub seq: u64,
    /// The body of the newest.
    pub head: Sha256,
}

/// An event to append, and what it makes of the repository or namespace it is about.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The leaf and the body.
    pub entry: LogEntry,
    /// What is said of a repository with it.
    pub repo: Option<(RepoId, Published)>,
    /// What is said of a namespace with it.
    pub namespace: Option<(AccountId, PublishedNamespace)>,
    /// Files that the body names: hash, kind, bytes.
    pub files: Vec<(Sha256, FileKind, Bytes)>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sequenced {
    /// There was nothing to tell.
    Idle,
    /// The log tells of it.
    Done {
        /// Whether repositories were given their names between hubs: their rows are others now.
        named: bool,
    },
    /// These objects must get chunk lists first; nothing was written.
    Unlisted(Vec<Blob>),
    /// Another process has appended, or holds the lease. Nothing was written.
    Raced,
}

impl PublishedNamespace {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { nsid: row.sha256(0)?, seq: super::unsigned(row, 1)?, head: row.sha256(2)? })
    }
}

impl Db {
    /// What the own log has said last of an account's namespace, if anything.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn published_namespace(&self, account: AccountId) -> Result<Option<PublishedNamespace>> {
        let row = self.row(NAMESPACE, args![account]).await?;
        row.map(|row| PublishedNamespace::from_row(&row)).transpose()
    }

    /// Appends operations of an account's namespace, of which `said` is what the last one makes of it, if the
    /// log still is as the caller knows it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn append_ops(
        &self,
        append: LogAppend,
        account: AccountId,
        said: PublishedNamespace,
    ) -> Result<Appended> {
        self.write(move |tx| {
            Box::pin(async move {
                let appended = super::append(tx, append).await?;
                if appended == Appended::Raced {
                    return Ok(Verdict::Discard(appended));
                }
                put_namespace(tx, account, said).await?;
                Ok(Verdict::Keep(appended))
            })
        })
        .await
    }

    /// Whether there are facts after `seq`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn has_facts_after(&self, seq: i64) -> Result<bool> {
        Ok(self.row(HAS_FACTS, args![seq]).await?.is_some())
    }

    /// Lets the own log tell of the next facts: `build` makes events of the repositories as they are in
    /// this very write, in order. A repository that it makes none of is left as it is.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn sequence<F>(&self, log: i64, lease: Lease, build: F) -> Result<Sequenced>
    where
        F: FnOnce(&PendingBatch, u64) -> Vec<Outgoing> + Send + 'static,
    {
        self.write(move |tx| {
            Box::pin(async move {
                let done = sequence(tx, log, lease, build).await?;
                Ok(if matches!(done, Sequenced::Done { .. }) {
                    Verdict::Keep(done)
                } else {
                    Verdict::Discard(done)
                })
            })
        })
        .await
    }

    /// The live repository that has this name between hubs.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn repo_of_rid(&self, rid: Sha256) -> Result<Option<Repo>> {
        let Some(row) = self.row(REPO_OF_RID, args![rid]).await? else { return Ok(None) };
        self.repo(RepoId(row.read(0)?)).await
    }

    /// What refs were moved away from after `since` and since the repository was last opened to all, deleted
    /// refs too, the latest first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn logged_tips(&self, repo: RepoId, since: UnixMillis) -> Result<Vec<polder_types::ObjectId>> {
        each(&self.rows(LOGGED_TIPS, args![repo, since, LOGGED_TIPS_MAX]).await?, |row| row.oid(0))
    }
}

async fn sequence<F>(tx: &mut Tx, id: i64, lease: Lease, build: F) -> Result<Sequenced>
where
    F: FnOnce(&PendingBatch, u64) -> Vec<Outgoing> + Send,
{
    let Some(row) = tx.row(LOG_BY_ID, args![id]).await? else { return Ok(Sequenced::Raced) };
    let log = Log::from_row(&row)?;
    let batch = pending::read(tx, log.fact_seq).await?;
    if batch.fact_seq == log.fact_seq {
        return Ok(Sequenced::Idle);
    }
    if !batch.unlisted.is_empty() {
        return Ok(Sequenced::Unlisted(batch.unlisted));
    }
    let size = log.tree.size();
    let outgoing = build(&batch, size);
    let entries = outgoing.iter().map(|outgoing| outgoing.entry.clone()).collect();
    let sequenced = Some((lease, batch.fact_seq));
    let Appended::Done(_tree) = append(tx, LogAppend { sequenced, ..log.append(entries) }).await? else {
        return Ok(Sequenced::Raced);
    };
    let named = outgoing.iter().any(Outgoing::names_a_repo);
    for (said, index) in outgoing.into_iter().zip(size..) {
        said.record(tx, id, index).await?;
    }
    Ok(Sequenced::Done { named })
}

impl Outgoing {
    fn names_a_repo(&self) -> bool {
        self.repo.as_ref().is_some_and(|(_, said)| said.is_first())
    }

    async fn record(self, tx: &mut Tx, log: i64, index: u64) -> Result<()> {
        if let Some((account, said)) = self.namespace {
            put_namespace(tx, account, said).await?;
        }
        let Some((repo, said)) = self.repo else { return Ok(()) };
        if said.state != PublishedState::Open {
            files::drop_all(tx, log, said.rid).await?;
        }
        for (sha256, kind, data) in self.files {
            files::put(tx, log, LogFile { owner: said.rid, sha256, kind, index, data }).await?;
        }
        let is_new = said.is_first();
        put(tx, repo, said, is_new).await
    }
}

/// Remembers what was said of a namespace, in a write.
pub(crate) async fn put_namespace(tx: &mut Tx, account: AccountId, said: PublishedNamespace) -> Result<()> {
    let args = args![account, said.nsid, super::place(said.seq), said.head];
    tx.execute(PUT_NAMESPACE, args).await.map(drop)
}

/// Remembers what was said of a repository, which only now has its name between hubs if that `is_new`; in a write.
pub(crate) async fn put(tx: &mut Tx, repo: RepoId, said: Published, is_new: bool) -> Result<()> {
    if is_new {
        tx.execute(SET_RID, args![repo, said.rid]).await?;
    }
    let args = args![
        repo,
        said.rid,
        super::place(said.rseq),
        said.prev,
        said.generation,
        said.state.as_str(),
        said.path,
        said.refs_sha256,
        said.open_since
    ];
    tx.execute(PUT_PUBLISHED, args).await.map(drop)
}

/// What was said of a repository, in a write.
pub(super) async fn of_repo(tx: &mut Tx, repo: RepoId) -> Result<Option<Published>> {
    let Some(row) = tx.row(PUBLISHED, args![repo]).await? else { return Ok(None) };
    Ok(Some(Published {
        rid: row.sha256(0)?,
        rseq: super::unsigned(&row, 1)?,
        prev: row.sha256(2)?,
        generation: row.read(3)?,
        state: PublishedState::from_row(&row, 4)?,
        path: row.read(5)?,
        refs_sha256: row.sha256(6)?,
        open_since: UnixMillis(row.read(7)?),
    }))
}

/// What was said of a namespace, in a write.
pub(super) async fn of_namespace(tx: &mut Tx, account: AccountId) -> Result<Option<PublishedNamespace>> {
    let row = tx.row(NAMESPACE, args![account]).await?;
    row.map(|row| PublishedNamespace::from_row(&row)).transpose()
}
