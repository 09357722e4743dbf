//! Bodies by their hashes: erased ones are remembered as such.

use bytes::Bytes;
use polder_log::Body;
use polder_types::Sha256;

use super::{LOG_BY_ID, Log, place, tiles};
use crate::row::each;
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Db, Result};

statements! {
    BODY = "SELECT body FROM log_body WHERE sha256 = $1";
    ERASE = "INSERT INTO log_body (sha256, body) VALUES ($1, NULL) ON CONFLICT (sha256) DO UPDATE SET body = NULL";
    SET_MIN = "UPDATE log SET min_index = $2 WHERE id = $1 AND min_index < $2";
    DROP_BUNDLE = "DELETE FROM log_tile WHERE log = $1 AND level = -1 AND idx = $2";
    IS_TARGET = "SELECT 1 FROM mirror WHERE log = $1 AND rid = $2 AND body = $3";
    IS_HEAD = "SELECT 1 FROM log_head WHERE log = $1 AND rid = $2 AND idx = $3";
}

templates! {
    INSERT_BODIES(0) = "INSERT INTO log_body (sha256, body) VALUES ", "(?, ?)", " ON CONFLICT (sha256) DO NOTHING";
    BODIES(0) = "SELECT sha256, body FROM log_body WHERE body IS NOT NULL AND sha256 IN (", "?", ")";
    DROP_BODIES(0) = "DELETE FROM log_body WHERE body IS NOT NULL AND sha256 IN (", "?", ")";
}

/// A body, as far as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogBody {
    /// Here it is.
    Held(Bytes),
    /// It was erased, which the log says.
    Erased,
    /// It never was here, or is no longer kept.
    Missing,
}

/// Writes bodies; those that are there, or erased, stay as they are.
pub(super) async fn insert(tx: &mut Tx, bodies: impl Iterator<Item = (Sha256, Bytes)>) -> Result<()> {
    let mut bodies: Vec<(Sha256, Bytes)> = bodies.collect();
    // Neighbours in the index are written together.
    bodies.sort_unstable_by_key(|(hash, _)| *hash);
    bodies.dedup_by_key(|(hash, _)| *hash);
    for some in bodies.chunks(ROWS_PER_STATEMENT_MAX) {
        let args = some.iter().flat_map(|(hash, body)| args![*hash, body.clone()]).collect();
        tx.execute(INSERT_BODIES.statement(some.len()), args).await?;
    }
    Ok(())
}

/// A body that is here, in a write.
pub(super) async fn held(tx: &mut Tx, sha256: Sha256) -> Result<Option<Bytes>> {
    let row = tx.row(BODY, args![sha256]).await?;
    Ok(row.map(|row| row.maybe_bytes(0)).transpose()?.flatten())
}

/// As [`Db::put_log_bodies`], in a write.
pub(crate) async fn put_bodies(tx: &mut Tx, bodies: Vec<(Sha256, Bytes)>) -> Result<()> {
    insert(tx, bodies.into_iter()).await
}

/// Erases a body for good, in a write; it can never come back.
pub(crate) async fn erase(tx: &mut Tx, sha256: Sha256) -> Result<()> {
    tx.execute(ERASE, args![sha256]).await.map(drop)
}

impl Db {
    /// A body.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_body(&self, sha256: Sha256) -> Result<LogBody> {
        let Some(row) = self.row(BODY, args![sha256]).await? else { return Ok(LogBody::Missing) };
        Ok(row.maybe_bytes(0)?.map_or(LogBody::Erased, LogBody::Held))
    }

    /// Those of some bodies that are here, in any order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_bodies(&self, hashes: &[Sha256]) -> Result<Vec<(Sha256, Bytes)>> {
        let mut found = Vec::with_capacity(hashes.len());
        for some in hashes.chunks(ROWS_PER_STATEMENT_MAX) {
            let args = some.iter().copied().map(Value::from).collect();
            let rows = self.rows(BODIES.statement(some.len()), args).await?;
            let read = |row: &crate::row::Row| Ok((row.sha256(0)?, row.maybe_bytes(1)?.unwrap_or_default()));
            found.extend(each(&rows, read)?);
        }
        Ok(found)
    }

    /// Keeps bodies that came after their leaves; the caller has checked that they are theirs.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn put_log_bodies(&self, bodies: Vec<(Sha256, Bytes)>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                insert(tx, bodies.into_iter()).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Erases a body for good: the log says so in an event of its own.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn erase_log_body(&self, sha256: Sha256) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                erase(tx, sha256).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Stops keeping leaves before `index`, a bundle at a time, with the bodies that are not the newest of a
    /// repository; hashes stay, and so does everything about hubs and namespaces. Says from where on leaves
    /// are kept now.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn prune_log(&self, log: i64, index: u64) -> Result<u64> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(LOG_BY_ID, args![log]).await? else { return Ok(Verdict::Discard(0)) };
                let min = prune_bundle(tx, &Log::from_row(&row)?, index).await?;
                Ok(Verdict::Keep(min))
            })
        })
        .await
    }
}

/// Drops the first kept bundle, if all of it lies before `index`.
async fn prune_bundle(tx: &mut Tx, log: &Log, index: u64) -> Result<u64> {
    use polder_log::TILE_WIDTH;
    let end = log.min_index + TILE_WIDTH;
    if end > index.min(log.checkpoint_size) {
        return Ok(log.min_index);
    }
    let bundle = place(log.min_index / TILE_WIDTH);
    let mut old = Vec::new();
    for (leaf, at) in tiles::bundle(tx, log.id, bundle).await?.into_iter().zip(log.min_index..) {
        if !leaf.kind.is_repo() {
            continue;
        }
        // The one before it was kept if it was the newest when its bundle went.
        let body = held(tx, leaf.body_sha256).await?;
        let before = body.and_then(|bytes| Body::decode(&bytes).ok()).and_then(|body| body.prev);
        let is_head = tx.row(IS_HEAD, args![log.id, leaf.rid, place(at)]).await?.is_some();
        for sha256 in before.into_iter().chain((!is_head).then_some(leaf.body_sha256)) {
            // A mirror that waits for a newer body still says of itself what this one says.
            if tx.row(IS_TARGET, args![log.id, leaf.rid, sha256]).await?.is_none() {
                old.push(Value::from(sha256));
            }
        }
    }
    for some in old.chunks(ROWS_PER_STATEMENT_MAX) {
        tx.execute(DROP_BODIES.statement(some.len()), some.to_vec()).await?;
    }
    tx.execute(DROP_BUNDLE, args![log.id, bundle]).await?;
    tx.execute(SET_MIN, args![log.id, place(end)]).await?;
    Ok(end)
}
