//! What the operator will not have here: repositories, namespaces and hubs that are mirrored, and objects.

use polder_types::{RepoId, Sha256, UnixMillis};

use crate::db::missing;
use crate::repos::{self, BLOCKED};
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Db, Error, Result, known_chunks};

/// Whether something forbids mirror `m` of the hub of log `o`.
macro_rules! is_blocked {
    () => {
        "EXISTS (SELECT 1 FROM block k WHERE k.origin = o.origin \
            AND (LOWER('/' || m.path) LIKE k.pattern ESCAPE '!' OR k.sha256 = m.rid))"
    };
}

pub(crate) use is_blocked;

/// The repositories that mirrors are, of those that something forbids or nothing does.
macro_rules! blocked_repos {
    ($not:literal) => {
        concat!(
            "SELECT r.id FROM mirror m JOIN log o ON o.id = m.log JOIN repo r ON r.id = m.repo AND r.state = 'live' ",
            "WHERE ", $not, is_blocked!()
        )
    };
}

statements! {
    INSERT = "INSERT INTO block (kind, what, origin, pattern, sha256, reason, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, what) DO NOTHING";
    DELETE = "DELETE FROM block WHERE kind = $1 AND what = $2";
    BLOCKS = "SELECT kind, what, reason, created_at FROM block ORDER BY kind, what LIMIT $1";
    CONCERNS = "SELECT 1 FROM block k JOIN log o ON o.origin = k.origin WHERE o.id = $1 LIMIT 1";
    LOGS = "SELECT o.id FROM log o JOIN block k ON k.kind = 'origin' AND k.origin = o.origin";
    ORIGIN = "SELECT reason FROM block WHERE kind = 'origin' AND origin = $1";
    // The repository that a block names, if it is known already.
    FIND_RID = "UPDATE block SET sha256 = (SELECT m.rid FROM mirror m JOIN log o ON o.id = m.log \
        WHERE o.origin = block.origin AND LOWER('/' || m.path) LIKE block.pattern ESCAPE '!' ORDER BY m.rid LIMIT 1) \
        WHERE kind = 'repo' AND what = $1";
    SET_RID = "UPDATE block SET sha256 = $2 WHERE kind = 'repo' AND sha256 IS NULL \
        AND origin = (SELECT o.origin FROM log o WHERE o.id = $1) AND $3 LIKE pattern ESCAPE '!'";
    // What its home took away stays hidden for that reason.
    STOP = concat!("UPDATE mirror SET state = 'blocked', due = NULL, running = FALSE, attempt = attempt + 1, \
        last_error = $1, changed_at = $2 WHERE state NOT IN ('hidden', 'kept', 'blocked') AND (log, rid) IN \
        (SELECT m.log, m.rid FROM mirror m JOIN log o ON o.id = m.log WHERE ", is_blocked!(), ")");
    STOP_ONE = concat!("UPDATE mirror SET state = 'blocked', due = NULL, running = FALSE, attempt = attempt + 1, \
        last_error = $3, changed_at = $4 WHERE log = $1 AND rid = $2 AND state NOT IN ('hidden', 'kept') AND EXISTS \
        (SELECT 1 FROM mirror m JOIN log o ON o.id = m.log WHERE m.log = $1 AND m.rid = $2 AND ", is_blocked!(), ")");
    GO_ON = concat!("UPDATE mirror SET state = CASE WHEN mode = 'metadata' THEN 'known' ELSE 'waiting' END, \
        due = CASE WHEN mode = 'metadata' THEN NULL ELSE CAST($1 AS BIGINT) END, last_error = NULL, failures = 0, \
        changed_at = $1 WHERE state = 'blocked' AND (log, rid) IN \
        (SELECT m.log, m.rid FROM mirror m JOIN log o ON o.id = m.log WHERE NOT ", is_blocked!(), ")");
    TO_HIDE = concat!(blocked_repos!(""), " AND r.withheld IS NULL");
    TO_SHOW = concat!(blocked_repos!("NOT "), " AND r.withheld = 'blocked'");
}

templates! {
    OBJECTS(0) = "SELECT sha256 FROM block WHERE kind = 'object' AND sha256 IN (", "?", ")";
}

/// What `polder mirrors` says of a mirror that something forbids.
const WHY: &str = "the operator of this hub blocked it";
/// Most blocks that are listed.
const BLOCKS_MAX: i64 = 100_000;

/// What is not to be had here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// A mirrored repository: the hub, its folded id there with the kind, and its folded name here.
    Repo {
        /// The origin of its hub.
        origin: String,
        /// Its id at home, with the kind, folded.
        path: String,
        /// Its id here.
        id: String,
    },
    /// All of a namespace of another hub.
    Namespace {
        /// The origin of its hub.
        origin: String,
        /// What it is called there, folded.
        handle: String,
    },
    /// All that a hub says.
    Origin(String),
    /// A large object, wherever it comes from.
    Object(Sha256),
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `repo`, `namespace`, `origin` or `object`.
    pub kind: String,
    /// Which.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: UnixMillis,
}

impl Block {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            kind: row.read(0)?,
            what: row.read(1)?,
            reason: row.read(2)?,
            created_at: UnixMillis(row.read(3)?),
        })
    }
}

impl Blocked {
    /// The key of its row.
    fn key(&self) -> (&'static str, String) {
        match self {
            Self::Repo { id, .. } => ("repo", id.clone()),
            Self::Namespace { origin, handle } => ("namespace", format!("{handle}.{origin}")),
            Self::Origin(origin) => ("origin", format!("origin:{origin}")),
            Self::Object(oid) => ("object", format!("sha256:{oid}")),
        }
    }

    /// The hub, and a pattern for `/` and the id there.
    fn scope(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Repo { origin, path, .. } => (Some(origin.clone()), Some(format!("/{}", literal(path)))),
            Self::Namespace { origin, handle } => {
                (Some(origin.clone()), Some(format!("%/{}/%", literal(handle))))
            }
            Self::Origin(origin) => (Some(origin.clone()), Some("%".to_owned())),
            Self::Object(_) => (None, None),
        }
    }
}

/// A text as a pattern that only it is like.
fn literal(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

impl Db {
    /// Has nothing of it here from now on: mirrors are hidden and no longer worked on, an object is served to
    /// nobody and taken from nobody. False if that was so already.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn block(&self, what: Blocked, reason: String) -> Result<bool> {
        self.write(move |tx| Box::pin(block(tx, what, reason))).await
    }

    /// Takes a block back. What nothing else forbids is shown again as it was, and brought up to date.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not blocked.
    pub async fn unblock(&self, what: Blocked) -> Result<()> {
        self.write(move |tx| Box::pin(unblock(tx, what))).await
    }

    /// All that is blocked.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_blocks(&self) -> Result<Vec<Block>> {
        each(&self.rows(BLOCKS, args![BLOCKS_MAX]).await?, Block::from_row)
    }

    /// Why nothing of a hub is to be here, if so.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn origin_block(&self, origin: &str) -> Result<Option<String>> {
        self.row(ORIGIN, args![origin]).await?.map(|row| row.read(0)).transpose()
    }

    /// The logs of hubs of which nothing is to be here.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn blocked_logs(&self) -> Result<Vec<i64>> {
        each(&self.rows(LOGS, Vec::new()).await?, |row| row.read(0))
    }

    /// Those of some objects that are blocked, in any order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn blocked_objects(&self, oids: &[Sha256]) -> Result<Vec<Sha256>> {
        let mut found = Vec::new();
        for some in oids.chunks(ROWS_PER_STATEMENT_MAX) {
            let args = some.iter().copied().map(Value::from).collect();
            found.extend(each(&self.rows(OBJECTS.statement(some.len()), args).await?, |row| row.sha256(0))?);
        }
        Ok(found)
    }
}

async fn block(tx: &mut Tx, what: Blocked, reason: String) -> Result<Verdict<bool>> {
    let (now, (kind, name)) = (tx.now(), what.key());
    let (origin, pattern) = what.scope();
    let oid = if let Blocked::Object(oid) = what { Some(oid) } else { None };
    if tx.execute(INSERT, args![kind, name.clone(), origin, pattern, oid, reason, now]).await? == 0 {
        return Ok(Verdict::Discard(false));
    }
    if let Some(oid) = oid {
        known_chunks::void_of_object(tx, oid).await?;
    } else {
        tx.execute(FIND_RID, args![name]).await?;
        tx.execute(STOP, args![WHY, now]).await?;
        withhold(tx, TO_HIDE, Some(BLOCKED)).await?;
    }
    Ok(Verdict::Keep(true))
}

async fn unblock(tx: &mut Tx, what: Blocked) -> Result<Verdict<()>> {
    let (now, (kind, name)) = (tx.now(), what.key());
    if tx.execute(DELETE, args![kind, name.clone()]).await? == 0 {
        return Err(missing(format!("a block of `{name}`")));
    }
    tx.execute(GO_ON, args![now]).await?;
    withhold(tx, TO_SHOW, None).await?;
    Ok(Verdict::Keep(()))
}

async fn withhold(tx: &mut Tx, which: &'static str, why: Option<&str>) -> Result<()> {
    for row in tx.rows(which, Vec::new()).await? {
        repos::withhold(tx, RepoId(row.read(0)?), why.map(str::to_owned)).await?;
    }
    Ok(())
}

/// Whether anything that a log tells of is blocked, in a write.
pub(crate) async fn concern(tx: &mut Tx, log: i64) -> Result<bool> {
    Ok(tx.row(CONCERNS, args![log]).await?.is_some())
}

/// Stops the mirror of a repository that a page told of, if something forbids it.
pub(crate) async fn stop(tx: &mut Tx, log: i64, rid: Sha256, path: &str) -> Result<()> {
    let folded = format!("/{}", path.to_ascii_lowercase());
    tx.execute(SET_RID, args![log, rid, folded]).await?;
    let now = tx.now();
    tx.execute(STOP_ONE, args![log, rid, WHY, now]).await.map(drop)
}

/// Refuses an object that is blocked, in a write.
pub(crate) async fn refuse_object(tx: &mut Tx, oid: Sha256) -> Result<()> {
    if tx.rows(OBJECTS.statement(1), args![oid]).await?.is_empty() {
        return Ok(());
    }
    Err(Error::Blocked { what: format!("object `{oid}`") })
}
