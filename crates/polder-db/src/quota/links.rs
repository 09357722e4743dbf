//! What a repository links, as its namespace counts it.

use polder_types::{AccountId, RepoId, ReservationId, Sha256};

use super::reservations::take;
use super::{Change, charge, namespace_of};
use crate::row::Row;
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Result, contributed};

statements! {
    LINKED_BESIDE = "SELECT 1 FROM repo_blob l JOIN repo r ON r.id = l.repo \
        WHERE l.sha256 = $1 AND l.repo <> $2 AND r.ns = $3 UNION ALL \
        SELECT 1 FROM attachment t WHERE t.sha256 = $1 AND t.account = $3 LIMIT 1";
    OWN_BLOB_BYTES = "SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' WHERE l.repo = $1 AND NOT EXISTS \
        (SELECT 1 FROM repo_blob o JOIN repo r ON r.id = o.repo \
        WHERE o.sha256 = l.sha256 AND o.repo <> $1 AND r.ns = $2) AND NOT EXISTS \
        (SELECT 1 FROM attachment t WHERE t.sha256 = l.sha256 AND t.account = $2)";
    PACK_BYTES = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM pack WHERE repo = $1 AND state = 'live'";
}

/// Begins a change of what `repo` links: holds its namespace's row, and frees what was promised to this
/// write ([`crate::Db::spending`]).
pub(crate) async fn begin(tx: &mut Tx, repo: RepoId) -> Result<AccountId> {
    let reservation = tx.reservation();
    begin_spending(tx, repo, reservation).await
}

/// The same, freeing what `reservation` promised.
pub(crate) async fn begin_spending(
    tx: &mut Tx,
    repo: RepoId,
    reservation: Option<ReservationId>,
) -> Result<AccountId> {
    let namespace = namespace_of(tx, repo).await?;
    let promised = match reservation {
        Some(id) => take(tx, id).await?,
        None => None,
    };
    match promised {
        Some((of, bytes)) => {
            charge(tx, of, Change { reserved: -bytes, ..Change::default() }).await?;
            if of != namespace {
                charge(tx, namespace, Change::default()).await?;
            }
        }
        None => charge(tx, namespace, Change::default()).await?,
    }
    Ok(namespace)
}

/// Counts an object that `repo` has just linked, unless its namespace had it.
pub(crate) async fn count_link(
    tx: &mut Tx,
    namespace: AccountId,
    repo: RepoId,
    sha256: Sha256,
    size_bytes: i64,
) -> Result<()> {
    if tx.row(LINKED_BESIDE, args![sha256, repo, namespace]).await?.is_some() {
        return Ok(());
    }
    charge(tx, namespace, Change { blobs: size_bytes, ..Change::default() }).await?;
    contributed::add(tx, namespace, repo, size_bytes).await
}

/// No longer counts an object that `repo` has just let go, unless its namespace has it elsewhere.
pub(crate) async fn uncount_link(
    tx: &mut Tx,
    namespace: AccountId,
    repo: RepoId,
    sha256: Sha256,
    size_bytes: i64,
) -> Result<()> {
    if tx.row(LINKED_BESIDE, args![sha256, repo, namespace]).await?.is_some() {
        return Ok(());
    }
    charge(tx, namespace, Change { blobs: -size_bytes, ..Change::default() }).await
}

/// What the namespace would have less without this repository: what it alone links, and its packs.
pub(crate) async fn weight(tx: &mut Tx, repo: RepoId, namespace: AccountId) -> Result<Change> {
    let number = |row: Option<Row>| row.map_or(Ok(0), |row| row.read(0));
    Ok(Change {
        blobs: number(tx.row(OWN_BLOB_BYTES, args![repo, namespace]).await?)?,
        packs: number(tx.row(PACK_BYTES, args![repo]).await?)?,
        reserved: 0,
    })
}
