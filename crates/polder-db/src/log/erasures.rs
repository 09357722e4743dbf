//! Erasing what the own log has said of a repository: the log says so of every body, and the body goes.

use polder_log::{Body, TILE_WIDTH};
use polder_types::{RepoId, Sha256};

use super::append::{Appended, LogAppend, append};
use super::{LOG_BY_ID, Log, bodies, heads, place, tiles, unsigned};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    BEGIN = "INSERT INTO erasure (repo, next_index) VALUES ($1, 0) ON CONFLICT (repo) DO NOTHING";
    // What the log never told of has no name there, and nothing to erase. Not before the log tells that it is
    // down: that event stays.
    NEXT = "SELECT e.repo, p.rid, e.next_index, h.idx FROM erasure e LEFT JOIN published p ON p.repo = e.repo \
        LEFT JOIN log_head h ON h.log = $1 AND h.rid = p.rid WHERE p.state IS NULL OR p.state = 'takedown' \
        ORDER BY e.repo LIMIT 1";
    ADVANCE = "UPDATE erasure SET next_index = $2 WHERE repo = $1";
    // What a snapshot told of has no leaf of its own here.
    HEAD_AT = "SELECT leaf FROM log_head WHERE log = $1 AND idx = $2";
    END = "DELETE FROM erasure WHERE repo = $1";
}

/// What is still to be erased of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Which.
    pub repo: RepoId,
    /// Its name in the log; `None` if the log never told of it.
    pub rid: Option<Sha256>,
    /// The first leaf to look at.
    pub from: u64,
    /// Its newest event, which stays.
    pub end: u64,
}

/// A step of an erasure.
#[derive(Debug, Clone)]
pub struct Erased {
    /// The events that tell of it.
    pub append: LogAppend,
    /// Whose bodies.
    pub repo: RepoId,
    /// Which.
    pub bodies: Vec<Sha256>,
    /// Where to go on; `None` when that was all.
    pub next: Option<u64>,
}

pub(crate) async fn begin_erasure(tx: &mut Tx, repo: RepoId) -> Result<()> {
    tx.execute(BEGIN, args![repo]).await.map(drop)
}

impl Db {
    /// The next erasure that the own log can go on with.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next_erasure(&self, log: i64) -> Result<Option<Erasure>> {
        let Some(row) = self.row(NEXT, args![log]).await? else { return Ok(None) };
        let end: Option<i64> = row.read(3)?;
        let rid = if end.is_some() { Some(row.sha256(1)?) } else { None };
        Ok(Some(Erasure {
            repo: RepoId(row.read(0)?),
            rid,
            from: unsigned(&row, 2)?,
            end: end.map_or(0, |end| u64::try_from(end).unwrap_or(0)),
        }))
    }

    /// Appends what tells of erased bodies, and erases them.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn erase(&self, erased: Erased) -> Result<Appended> {
        self.write(move |tx| Box::pin(erase(tx, erased))).await
    }
}

async fn erase(tx: &mut Tx, erased: Erased) -> Result<Verdict<Appended>> {
    let appended = append(tx, erased.append).await?;
    if appended == Appended::Raced {
        return Ok(Verdict::Discard(appended));
    }
    for body in erased.bodies {
        bodies::erase(tx, body).await?;
    }
    match erased.next {
        Some(next) => tx.execute(ADVANCE, args![erased.repo, place(next)]).await?,
        None => tx.execute(END, args![erased.repo]).await?,
    };
    Ok(Verdict::Keep(appended))
}

/// Erases the body of an event as its log says, in a write. Only what that log itself has said of repositories
/// can be erased by it: a leaf may name the body of another log.
pub(crate) async fn erase_at(tx: &mut Tx, log: i64, index: u64) -> Result<()> {
    let within = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
    let bundle = tiles::bundle(tx, log, place(index / TILE_WIDTH)).await?;
    let leaf = match bundle.get(within) {
        Some(leaf) => Some(*leaf),
        None => {
            tx.row(HEAD_AT, args![log, place(index)]).await?.map(|row| heads::leaf(&row, 0)).transpose()?
        }
    };
    let Some(leaf) = leaf.filter(|leaf| leaf.kind.is_repo()) else { return Ok(()) };
    let Some(row) = tx.row(LOG_BY_ID, args![log]).await? else { return Ok(()) };
    let name = Log::from_row(&row)?.name;
    let held = bodies::held(tx, leaf.body_sha256).await?;
    let is_own = |body: &Body| body.log == name && body.leaf() == leaf;
    if held.and_then(|bytes| Body::decode(&bytes).ok()).is_some_and(|body| is_own(&body)) {
        bodies::erase(tx, leaf.body_sha256).await?;
    }
    Ok(())
}
