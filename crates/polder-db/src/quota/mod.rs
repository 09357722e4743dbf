//! How much each namespace may store, how much it stores, and what is promised to uploads under way.
//!
//! Large objects count once for a namespace, whichever of its repositories and attachments have them; packs count as
//! they are. Whatever adds bytes first updates the namespace's row, and only if the sum stays within the
//! limit: that update is both the check and the lock, on every engine, so that no race gets past it.

mod links;
mod reservations;
mod usage;

use polder_types::{AccountId, RepoId};

use crate::db::missing;
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Error, Result};

pub(crate) use links::{begin, begin_spending, count_link, uncount_link, weight};
pub(crate) use reservations::{promise, take_back};
pub use usage::{Limit, Usage};

statements! {
    INSERT_QUOTA = "INSERT INTO quota (ns, blob_bytes, pack_bytes, reserved_bytes) VALUES ($1, 0, 0, 0)";
    // What adds nothing is never refused, however full it is.
    CHARGE = "UPDATE quota SET blob_bytes = blob_bytes + $2, pack_bytes = pack_bytes + $3, \
        reserved_bytes = reserved_bytes + $4 WHERE ns = $1 AND (blob_bytes + pack_bytes + reserved_bytes + $5 \
        <= COALESCE(bytes_max, (SELECT bytes_max FROM quota_default)) OR $5 <= 0)";
    NAMESPACE_OF = "SELECT ns FROM repo WHERE id = $1 AND state = 'live'";
}

#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[ALL, links::ALL, reservations::ALL, usage::ALL];

/// What stands for "no limit".
const UNLIMITED: i64 = i64::MAX;

/// What a change adds to a namespace, or takes from it, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) blobs: i64,
    pub(crate) packs: i64,
    pub(crate) reserved: i64,
}

impl std::ops::Neg for Change {
    type Output = Self;
    fn neg(self) -> Self {
        Self { blobs: -self.blobs, packs: -self.packs, reserved: -self.reserved }
    }
}

/// Makes the row of a new account.
pub(crate) async fn open(tx: &mut Tx, namespace: AccountId) -> Result<()> {
    tx.execute(INSERT_QUOTA, args![namespace]).await.map(drop)
}

/// The namespace of a live repository.
pub(crate) async fn namespace_of(tx: &mut Tx, repo: RepoId) -> Result<AccountId> {
    let row = tx.row(NAMESPACE_OF, args![repo]).await?;
    Ok(AccountId(row.ok_or_else(|| missing(format!("repository {repo}")))?.read(0)?))
}

/// Applies a change, or refuses it; holds the namespace's row until the transaction ends.
///
/// # Errors
/// [`Error::OverQuota`].
pub(crate) async fn charge(tx: &mut Tx, namespace: AccountId, change: Change) -> Result<()> {
    let Change { blobs, packs, reserved } = change;
    let sum = blobs + packs + reserved;
    if tx.execute(CHARGE, args![namespace, blobs, packs, reserved, sum]).await? > 0 {
        return Ok(());
    }
    let usage = usage::of(tx, namespace).await?;
    Err(Error::OverQuota {
        bytes_max: usage.bytes_max.unwrap_or(UNLIMITED),
        bytes_left: usage.bytes_left().unwrap_or(UNLIMITED),
        namespace: usage.namespace,
    })
}
