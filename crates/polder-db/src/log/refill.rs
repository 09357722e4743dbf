//! Taking back what the own log has said before the database was restored.

use polder_log::Leaf;
use polder_types::{RepoId, RepoKind, Sha256};
use serde_json::json;

use super::append::{Appended, LogAppend, append};
use super::heads::{self, LogHeadRow};
use super::published::{self, Published, PublishedNamespace};
use super::unsigned;
use crate::events::{Fact, record};
use crate::row::each;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    REPO_TOLD = "SELECT repo FROM published WHERE rid = $1";
    // Made before the backup and told of after it.
    REPO_UNTOLD = "SELECT n.repo FROM repo_name n JOIN repo r ON r.id = n.repo LEFT JOIN published p ON p.repo = n.repo \
        WHERE n.kind = $1 AND n.fold = $2 AND n.state = 'live' AND r.upstream IS NULL AND p.repo IS NULL";
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
    /// The newest of each namespace, by its folded handle.
    pub namespaces: Vec<(String, PublishedNamespace)>,
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
    let appended = append(tx, refill.append).await?;
    if appended == Appended::Raced {
        return Ok(Verdict::Discard(appended));
    }
    for (handle, said) in refill.namespaces {
        if let Some(account) = crate::accounts::by_fold(tx, handle).await? {
            published::put_namespace(tx, account.id, said).await?;
        }
    }
    for told in refill.repos {
        retell(tx, told).await?;
    }
    Ok(Verdict::Keep(appended))
}

async fn retell(tx: &mut Tx, told: Retold) -> Result<()> {
    let mut row = tx.row(REPO_TOLD, args![told.published.rid]).await?;
    let is_new = row.is_none();
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
