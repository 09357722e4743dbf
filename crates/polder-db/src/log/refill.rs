//! Taking back what the own log has said before the database was restored.

use bytes::Bytes;
use polder_log::Leaf;
use polder_types::{AccountId, AccountName, RepoId, RepoKind, Sha256};
use serde_json::json;

use super::append::{Appended, LogAppend, LogOp, append, put_ops};
use super::bodies::put_bodies;
use super::heads::{self, LogHeadRow};
use super::published::{self, Published, PublishedNamespace};
use super::unsigned;
use crate::events::{Fact, record};
use crate::follow::{Move, put_move};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, accounts, remote_namespaces};

statements! {
    REPO_TOLD = "SELECT repo FROM published WHERE rid = $1";
    // Made before the backup and told of after it.
    REPO_UNTOLD = "SELECT n.repo FROM repo_name n JOIN repo r ON r.id = n.repo LEFT JOIN published p ON p.repo = n.repo \
        WHERE n.kind = $1 AND n.fold = $2 AND n.state = 'live' AND r.upstream IS NULL AND p.repo IS NULL";
    // Of a namespace that is told to be at home here.
    REPO_MIRRORED = "SELECT r.id FROM repo r JOIN published_ns p ON p.account = r.ns WHERE r.rid = $1 \
        AND r.state = 'live' AND r.upstream IS NOT NULL AND r.withheld IS NULL";
    TAKE_REPO = "UPDATE repo SET upstream = NULL, cache_epoch = cache_epoch + 1 WHERE id = $1";
    DROP_MIRRORS = "DELETE FROM mirror WHERE repo = $1";
    ACCOUNT_OF = "SELECT a.id, a.name FROM account a WHERE a.id IN (SELECT p.account FROM published_ns p \
        WHERE p.nsid = $1) OR a.id IN (SELECT n.account FROM remote_namespace n WHERE n.nsid = $1) \
        ORDER BY a.id LIMIT 1";
    COUNT_UP = "UPDATE repo SET rseq = rseq + 1 WHERE id = $1 RETURNING rseq, gen";
    LOST = "SELECT h.rid, h.idx, h.leaf FROM log_head h LEFT JOIN published p ON p.rid = h.rid \
        WHERE h.log = $1 AND h.rid > $2 AND p.repo IS NULL ORDER BY h.rid LIMIT $3";
}

/// The newest event of a repository, among some that are taken back.
#[derive(Debug, Clone)]
pub struct Retold {
    /// Kind and folded name, by which a repository is found that the log first told of later than the backup was
    /// made.
    pub name: Option<(RepoKind, String)>,
    /// What was said; the generation is not read.
    pub published: Published,
}

/// Events that are taken back, and what they make of what this hub knows to have said.
#[derive(Debug, Clone)]
pub struct Refill {
    /// The events.
    pub append: LogAppend,
    /// The newest of each repository.
    pub repos: Vec<Retold>,
    /// The newest of each namespace.
    pub namespaces: Vec<RetoldNamespace>,
}

/// The newest operation of a namespace of this hub, among some that are taken back.
#[derive(Debug, Clone)]
pub struct RetoldNamespace {
    /// Its folded handle, by which an account is found that the log first told of later than the backup was made.
    pub handle: String,
    /// What was said.
    pub said: PublishedNamespace,
    /// How it came here, if it moved here then.
    pub came: Option<Came>,
}

/// How a namespace came to this hub.
#[derive(Debug, Clone)]
pub struct Came {
    /// The move, followed.
    pub which: Move,
    /// Its short name here.
    pub alias: AccountName,
    /// The operations before the move, and their bodies.
    pub older: Vec<(LogOp, Bytes)>,
}

impl Db {
    /// Appends events that the own log has had before. Every repository that they are about is told of again,
    /// if it is not what they say.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn refill_log(&self, refill: Refill) -> Result<Appended> {
        self.write(move |tx| Box::pin(apply(tx, refill))).await
    }

    /// Newest events of the own log that are about nothing in this database, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_lost(&self, log: i64, after: Option<Sha256>, limit: i64) -> Result<Vec<LogHeadRow>> {
        let after = after.map_or(bytes::Bytes::new(), |rid| bytes::Bytes::copy_from_slice(rid.as_bytes()));
        each(&self.rows(LOST, args![log, after, limit]).await?, |row| {
            let leaf: Leaf = heads::leaf(row, 2)?;
            Ok(LogHeadRow { rid: row.sha256(0)?, index: unsigned(row, 1)?, leaf })
        })
    }
}

async fn apply(tx: &mut Tx, refill: Refill) -> Result<Verdict<Appended>> {
    let log = refill.append.log;
    let appended = append(tx, refill.append).await?;
    if appended == Appended::Raced {
        return Ok(Verdict::Discard(appended));
    }
    for told in refill.namespaces {
        retell_namespace(tx, log, told).await?;
    }
    for told in refill.repos {
        retell(tx, told).await?;
    }
    Ok(Verdict::Keep(appended))
}

/// Makes this hub the home of a namespace again that it had said to be.
async fn retell_namespace(tx: &mut Tx, log: i64, told: RetoldNamespace) -> Result<()> {
    let RetoldNamespace { handle, said, came } = told;
    let (account, name) = match (tx.row(ACCOUNT_OF, args![said.nsid]).await?, &came) {
        (Some(row), _) => (AccountId(row.read(0)?), row.word(1)?),
        // The backup has nothing of it.
        (None, Some(_)) => return Ok(()),
        (None, None) => match accounts::by_fold(tx, handle).await? {
            Some(account) => (account.id, account.name),
            None => return Ok(()),
        },
    };
    published::put_namespace(tx, account, said).await?;
    let Some(Came { which, alias, older }) = came else { return Ok(()) };
    put_move(tx, &which).await?;
    let (ops, bodies): (Vec<_>, Vec<_>) = older.into_iter().unzip();
    put_bodies(tx, ops.iter().map(|op: &LogOp| op.body_sha256).zip(bodies).collect()).await?;
    put_ops(tx, log, &ops).await?;
    match remote_namespaces::add_alias(tx, &alias, &name).await {
        // It is an account's of the backup: the name that it has everywhere is enough.
        Ok(()) | Err(Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A repository that is a mirror in this database, and had come here with its namespace.
async fn take_mirrored(tx: &mut Tx, rid: Sha256) -> Result<Option<Row>> {
    let Some(row) = tx.row(REPO_MIRRORED, args![rid]).await? else { return Ok(None) };
    let repo = row.read::<i64>(0)?;
    tx.execute(TAKE_REPO, args![repo]).await?;
    tx.execute(DROP_MIRRORS, args![repo]).await?;
    Ok(Some(row))
}

async fn retell(tx: &mut Tx, told: Retold) -> Result<()> {
    let mut row = tx.row(REPO_TOLD, args![told.published.rid]).await?;
    let is_new = row.is_none();
    if is_new {
        row = take_mirrored(tx, told.published.rid).await?;
    }
    if let (None, Some((kind, fold))) = (&row, told.name) {
        row = tx.row(REPO_UNTOLD, args![kind.as_str(), fold]).await?;
    }
    let Some(row) = row else { return Ok(()) };
    let repo = RepoId(row.read(0)?);
    let Some(row) = tx.row(COUNT_UP, args![repo]).await? else { return Ok(()) };
    let said = Published { generation: row.read(1)?, ..told.published };
    published::put(tx, repo, said, is_new).await?;
    let fact = Fact { repo, rseq: row.read(0)?, actor: None, kind: "repo.meta" };
    record(tx, fact, &json!({"v": 1, "restored": true})).await
}
