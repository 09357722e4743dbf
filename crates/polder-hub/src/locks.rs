//! Locks on files: a path that one person works on and nobody else may change meanwhile.
//!
//! A lock holds for its path on every branch, whichever ref its owner named: git-lfs has "single branch
//! locking" only (`docs/api/locking.md`), and a path has one lock per repository.

use polder_db::{Lock, Locking, NewLock, Unlocking};
use polder_types::limits::{LOCKS_PER_REPO_MAX, REF_NAME_BYTES_MAX};
use polder_types::{LockId, Role};

use crate::Hub;
use crate::access::{Grant, Read, Write};
use crate::error::{Error, Kind, Result};

/// Locks on a page when the client names no number.
const PAGE_LOCKS: usize = 100;
/// Most locks on a page.
const PAGE_LOCKS_MAX: usize = 1_000;

/// Which locks to list. Every filter that is given must match.
#[derive(Debug, Clone, Default)]
pub struct LockQuery {
    /// The lock on this path.
    pub path: Option<String>,
    /// The lock of this id; a text that is no id matches none.
    pub id: Option<String>,
    /// Locks made for this ref or for none.
    pub ref_name: Option<String>,
    /// Where to go on: [`LockPage::next`] of the page before.
    pub cursor: Option<String>,
    /// How many at most; the hub has a bound of its own.
    pub limit: Option<usize>,
}

/// Some locks of a repository, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPage {
    /// The locks.
    pub locks: Vec<Lock>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// What became of a request for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// It is the caller's now.
    New(Lock),
    /// Someone (perhaps the caller) has it already.
    Taken(Lock),
}

impl<L> Grant<L> {
    /// Whether the lock is the caller's own.
    pub fn owns(&self, lock: &Lock) -> bool {
        self.actor() == Some(lock.owner)
    }
}

impl Hub {
    /// Locks a path for the caller, whether or not a file is there yet.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a path that no file can have; [`Kind::TooLarge`] when the repository has
    /// [`LOCKS_PER_REPO_MAX`] locks.
    pub async fn lock_file(
        &self,
        grant: &Grant<Write>,
        path: String,
        ref_name: Option<String>,
    ) -> Result<Locked> {
        polder_git::check_path(&path)?;
        if ref_name.as_ref().is_some_and(|name| name.len() > REF_NAME_BYTES_MAX || name.contains('\0')) {
            return Err(Error::invalid("the ref's name is not one"));
        }
        let Some(owner) = grant.actor() else { return Err(Error::hidden(true, "")) };
        let entry = grant.entry("lock.add").with("path", path.as_str());
        let new = NewLock { repo: grant.repo_id(), path, ref_name, owner };
        match self.audited(entry).add_lock(new).await? {
            Locking::Made(lock) => Ok(Locked::New(lock)),
            Locking::Taken(lock) => Ok(Locked::Taken(lock)),
            Locking::TooMany => {
                let message = format!("this repository has {LOCKS_PER_REPO_MAX} locks, which is the most");
                Err(Error::new(Kind::TooLarge, message))
            }
        }
    }

    /// Lists locks.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a cursor that is not ours.
    pub async fn locks(&self, grant: &Grant<Read>, query: LockQuery) -> Result<LockPage> {
        let repo = grant.repo_id();
        let after = query
            .cursor
            .map(|cursor| cursor.parse().map(LockId))
            .transpose()
            .map_err(|error| Error::invalid("`cursor` is not one that this hub gave").caused_by(error))?;
        if query.id.is_some() || query.path.is_some() {
            let found = match (&query.id, &query.path) {
                (Some(id), _) => match id.parse() {
                    Ok(id) => self.db.lock(repo, LockId(id)).await?,
                    Err(_) => None,
                },
                (None, Some(path)) => self.db.lock_at(repo, path).await?,
                (None, None) => None,
            };
            let is_meant = |lock: &Lock| {
                query.path.as_ref().is_none_or(|path| *path == lock.path)
                    && query.ref_name.as_ref().is_none_or(|name| is_for(lock, name))
                    && after.is_none_or(|after| lock.id > after)
            };
            return Ok(LockPage { locks: found.into_iter().filter(is_meant).collect(), next: None });
        }
        let limit = query.limit.unwrap_or(PAGE_LOCKS).clamp(1, PAGE_LOCKS_MAX);
        let one_more = i64::try_from(limit).map_err(Error::internal)?.saturating_add(1);
        let mut locks = self.db.list_locks(repo, query.ref_name.as_deref(), after, one_more).await?;
        let has_more = locks.len() > limit;
        locks.truncate(limit);
        let next = locks.last().filter(|_| has_more).map(|last| last.id.to_string());
        Ok(LockPage { locks, next })
    }

    /// Ends a lock. Another's can be ended by an administrator of the repository, and only with `force`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when this repository has no such lock, whatever others have;
    /// [`Kind::Forbidden`] for another's lock without the right to end it.
    pub async fn unlock_file(&self, grant: &Grant<Write>, id: &str, force: bool) -> Result<Lock> {
        let unknown = || Error::not_found(format!("this repository has no lock `{}`", shown(id)));
        let lock_id = id.parse().map(LockId).map_err(|_error| unknown())?;
        let may_force = force && self.administers(grant).await?;
        let owner = if may_force { None } else { grant.actor() };
        let entry = grant.entry("lock.remove").with("lock", lock_id.to_string()).with("force", force);
        match self.audited(entry).remove_lock(grant.repo_id(), lock_id, owner).await? {
            Unlocking::Ended(lock) => Ok(lock),
            Unlocking::Unknown => Err(unknown()),
            Unlocking::Anothers(lock) => {
                let whose = format!("`{}` is locked by {}", lock.path, lock.owner_name);
                let how = if force {
                    "ending another's lock takes an administrator of the repository, with a token of scope `admin`"
                } else {
                    "an administrator of the repository can end it with `--force`"
                };
                Err(Error::new(Kind::Forbidden, format!("{whose}; {how}")))
            }
        }
    }

    async fn administers(&self, grant: &Grant<Write>) -> Result<bool> {
        let repo = self.db.repo(grant.repo_id()).await?;
        match repo {
            Some(repo) => Ok(self.role(grant.principal(), &repo).await? >= Some(Role::Admin)),
            None => Ok(false),
        }
    }
}

fn is_for(lock: &Lock, ref_name: &str) -> bool {
    lock.ref_name.as_ref().is_none_or(|name| name == ref_name)
}

/// What a client wrote, short and harmless enough to be repeated to it.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
