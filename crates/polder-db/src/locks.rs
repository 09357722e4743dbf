//! Locks on files: one path of a repository is one account's to change.

use polder_types::limits::LOCKS_PER_REPO_MAX;
use polder_types::{AccountId, LockId, RepoId, UnixMillis};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

/// The columns that [`Lock::from_row`] reads.
macro_rules! select_lock {
    ($rest:literal) => {
        concat!(
            "SELECT l.id, l.path, l.ref_name, l.owner, a.name, l.locked_at FROM lock l ",
            "JOIN account a ON a.id = l.owner ",
            $rest
        )
    };
}

statements! {
    COUNT_LOCK = "UPDATE repo SET lock_gen = lock_gen + 1 WHERE id = $1 AND state = 'live'";
    LOCKS_HELD = "SELECT COUNT(*) FROM lock WHERE repo = $1";
    INSERT_LOCK = "INSERT INTO lock (id, repo, path, ref_name, owner, locked_at) VALUES ($1, $2, $3, $4, $5, $6)";
    LOCK_AT = select_lock!("WHERE l.repo = $1 AND l.path = $2");
    LOCK_BY_ID = select_lock!("WHERE l.repo = $1 AND l.id = $2");
    LOCKS_AFTER = select_lock!("WHERE l.repo = $1 AND l.id > $2 ORDER BY l.id LIMIT $3");
    LOCKS_OF_REF_AFTER = select_lock!("WHERE l.repo = $1 AND l.id > $2 \
        AND (l.ref_name = $4 OR l.ref_name IS NULL) ORDER BY l.id LIMIT $3");
    DELETE_LOCK = "DELETE FROM lock WHERE repo = $1 AND id = $2";
    LOCKS_AGAINST = "SELECT r.lock_gen, l.path, a.name FROM repo r \
        LEFT JOIN lock l ON l.repo = r.id AND l.owner <> $2 LEFT JOIN account a ON a.id = l.owner \
        WHERE r.id = $1 AND r.state = 'live' ORDER BY l.path";
}

/// A lock on one path of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Local id; means nothing in another repository.
    pub id: LockId,
    /// What is locked, from the root, parts joined by `/`.
    pub path: String,
    /// The ref that its owner named when locking; the lock holds on every ref.
    pub ref_name: Option<String>,
    /// Whose it is.
    pub owner: AccountId,
    /// The owner's name.
    pub owner_name: String,
    /// Since when.
    pub locked_at: UnixMillis,
}

impl Lock {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: LockId(row.read(0)?),
            path: row.read(1)?,
            ref_name: row.read(2)?,
            owner: AccountId(row.read(3)?),
            owner_name: row.read(4)?,
            locked_at: UnixMillis(row.read(5)?),
        })
    }
}

/// A lock about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLock {
    /// Where.
    pub repo: RepoId,
    /// What; the caller has checked it.
    pub path: String,
    /// The ref that the owner works on, if they said.
    pub ref_name: Option<String>,
    /// Whose it will be.
    pub owner: AccountId,
}

/// What became of a request for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locking {
    /// It is theirs.
    Made(Lock),
    /// The path is locked already, by whomever.
    Taken(Lock),
    /// The repository has as many locks as it may have.
    TooMany,
}

/// What became of a request to end a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlocking {
    /// It is gone; this is what it was.
    Ended(Lock),
    /// It is another's; it stays.
    Anothers(Lock),
    /// This repository has no such lock.
    Unknown,
}

/// What a push of someone must leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocksAgainst {
    /// Grows with every lock made in the repository.
    pub generation: i64,
    /// Path and owner's name of every lock of others, by path.
    pub locks: Vec<(String, String)>,
}

impl Db {
    /// Locks a path, unless it is locked.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the repository does not exist (any more).
    pub async fn add_lock(&self, new: NewLock) -> Result<Locking> {
        self.write(move |tx| Box::pin(add(tx, new))).await
    }

    /// Ends a lock; with `owner`, only if it is theirs.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn remove_lock(&self, repo: RepoId, id: LockId, owner: Option<AccountId>) -> Result<Unlocking> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(LOCK_BY_ID, args![repo, id]).await? else {
                    return Ok(Verdict::Discard(Unlocking::Unknown));
                };
                let lock = Lock::from_row(&row)?;
                if owner.is_some_and(|owner| owner != lock.owner) {
                    return Ok(Verdict::Discard(Unlocking::Anothers(lock)));
                }
                tx.execute(DELETE_LOCK, args![repo, id]).await?;
                Ok(Verdict::Keep(Unlocking::Ended(lock)))
            })
        })
        .await
    }

    /// The lock of that id in this repository.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn lock(&self, repo: RepoId, id: LockId) -> Result<Option<Lock>> {
        self.row(LOCK_BY_ID, args![repo, id]).await?.map(|row| Lock::from_row(&row)).transpose()
    }

    /// The lock on a path.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn lock_at(&self, repo: RepoId, path: &str) -> Result<Option<Lock>> {
        self.row(LOCK_AT, args![repo, path]).await?.map(|row| Lock::from_row(&row)).transpose()
    }

    /// Locks of a repository by id, at most `limit` after `after`; with `ref_name`, those made for that
    /// ref or for none.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_locks(
        &self,
        repo: RepoId,
        ref_name: Option<&str>,
        after: Option<LockId>,
        limit: i64,
    ) -> Result<Vec<Lock>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        let rows = match ref_name {
            None => self.rows(LOCKS_AFTER, args![repo, after, limit]).await?,
            Some(name) => self.rows(LOCKS_OF_REF_AFTER, args![repo, after, limit, name]).await?,
        };
        each(&rows, Lock::from_row)
    }

    /// All locks of others than `actor` as of one moment; `None` if there is no such repository.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn locks_against(&self, repo: RepoId, actor: AccountId) -> Result<Option<LocksAgainst>> {
        let rows = self.rows(LOCKS_AGAINST, args![repo, actor]).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let generation = first.read(0)?;
        let path_and_owner = |row: &Row| Ok(row.read::<Option<String>>(1)?.zip(row.read(2)?));
        let locks = each(&rows, path_and_owner)?.into_iter().flatten().collect();
        Ok(Some(LocksAgainst { generation, locks }))
    }
}

async fn add(tx: &mut Tx, new: NewLock) -> Result<Verdict<Locking>> {
    // The repository's row first, as a push does: the two take turns.
    if tx.execute(COUNT_LOCK, args![new.repo]).await? == 0 {
        return Err(missing(format!("repository {}", new.repo)));
    }
    if let Some(row) = tx.row(LOCK_AT, args![new.repo, new.path.as_str()]).await? {
        return Ok(Verdict::Discard(Locking::Taken(Lock::from_row(&row)?)));
    }
    let held: i64 = match tx.row(LOCKS_HELD, args![new.repo]).await? {
        Some(row) => row.read(0)?,
        None => 0,
    };
    if usize::try_from(held).unwrap_or(usize::MAX) >= LOCKS_PER_REPO_MAX {
        return Ok(Verdict::Discard(Locking::TooMany));
    }
    let (id, now) = (LockId(tx.next_id()), tx.now());
    tx.execute(INSERT_LOCK, args![id, new.repo, new.path, new.ref_name, new.owner, now]).await?;
    let row = tx.row(LOCK_BY_ID, args![new.repo, id]).await?.ok_or_else(|| missing(format!("lock {id}")))?;
    Ok(Verdict::Keep(Locking::Made(Lock::from_row(&row)?)))
}
