//! How much those who may not write to a repository bring to it with their pull requests.
//!
//! What they brought to all repositories of a namespace counts together, with what is promised to their uploads.
//! It is compared with their limit in the write that adds to it, after that took the namespace's row
//! ([`crate::quota`]), so that no race gets past it.

use polder_types::{AccountId, RepoId};

use crate::db::missing;
use crate::row::Row;
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Db, Error, Result};

/// The query whose columns are read by [`sum`].
macro_rules! select_sum {
    ($namespace:literal) => {
        concat!(
            "SELECT a.name, CAST(COALESCE((SELECT SUM(c.bytes) FROM contributed c JOIN repo r ON r.id = c.repo \
            WHERE c.account = $2 AND r.ns = a.id), 0) + COALESCE((SELECT SUM(v.bytes) FROM reservation v \
            WHERE v.contributor = $2 AND v.ns = a.id), 0) AS BIGINT) FROM account a WHERE a.id = ",
            $namespace
        )
    };
}

statements! {
    ADD = "INSERT INTO contributed (repo, account, bytes) VALUES ($1, $2, $3) \
        ON CONFLICT (repo, account) DO UPDATE SET bytes = contributed.bytes + excluded.bytes";
    SUM = select_sum!("$1");
    SUM_BESIDE = select_sum!("(SELECT ns FROM repo WHERE id = $1)");
    FORGET = "DELETE FROM contributed WHERE repo = $1";
    FORGIVE = "DELETE FROM contributed WHERE repo = $1 \
        AND account = (SELECT author FROM discussion WHERE repo = $1 AND num = $2)";
}

/// Somebody who brings something to a repository to which they may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contributor {
    /// Who.
    pub account: AccountId,
    /// What they may have brought to a namespace that is not merged, in bytes.
    pub bytes_max: i64,
}

/// What a contributor may still bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributed {
    /// To which namespace.
    pub namespace: String,
    /// What they brought, or were promised.
    pub bytes: i64,
}

impl Contributed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { namespace: row.read(0)?, bytes: row.read(1)? })
    }

    /// How many bytes of so many are left.
    pub fn bytes_left(&self, bytes_max: i64) -> i64 {
        bytes_max.saturating_sub(self.bytes).max(0)
    }
}

impl Db {
    /// A handle whose writes count what they add as brought by `contributor`.
    #[must_use]
    pub fn brought_by(&self, contributor: Option<Contributor>) -> Self {
        self.with(|goes_along| goes_along.contributor = contributor)
    }

    /// What an account brought to the namespace of a repository.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such repository.
    pub async fn contributed(&self, repo: RepoId, account: AccountId) -> Result<Contributed> {
        let row = self.row(SUM_BESIDE, args![repo, account]).await?;
        Contributed::from_row(&row.ok_or_else(|| missing(format!("repository {repo}")))?)
    }
}

/// Counts what a write has just added to a repository, if a contributor brought it. The write holds the row of the
/// namespace.
///
/// # Errors
/// [`Error::OverContribution`].
pub(crate) async fn add(tx: &mut Tx, namespace: AccountId, repo: RepoId, bytes: i64) -> Result<()> {
    let Some(contributor) = tx.contributor().filter(|_| bytes > 0) else { return Ok(()) };
    tx.execute(ADD, args![repo, contributor.account, bytes]).await?;
    check(tx, namespace, contributor).await
}

/// Refuses a write after which a contributor would have brought too much.
///
/// # Errors
/// [`Error::OverContribution`].
pub(crate) async fn check(tx: &mut Tx, namespace: AccountId, contributor: Contributor) -> Result<()> {
    let Contributor { account, bytes_max } = contributor;
    let row = tx.row(SUM, args![namespace, account]).await?;
    let sum = Contributed::from_row(&row.ok_or_else(|| missing(format!("account {namespace}")))?)?;
    if sum.bytes <= bytes_max {
        return Ok(());
    }
    Err(Error::OverContribution { namespace: sum.namespace, bytes_max })
}

/// No longer counts what was brought to a repository that has nothing any more.
pub(crate) async fn forget(tx: &mut Tx, repo: RepoId) -> Result<()> {
    tx.execute(FORGET, args![repo]).await.map(drop)
}

/// No longer counts what the author of a pull request brought to its repository: it is merged. The write holds the
/// row of the namespace.
pub(crate) async fn forgive(tx: &mut Tx, repo: RepoId, num: i64) -> Result<()> {
    tx.execute(FORGIVE, args![repo, num]).await.map(drop)
}
