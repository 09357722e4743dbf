//! What was found to be damaged: known at once to every node, until it is repaired.

use polder_types::{BlobId, PackId, RepoId};

use crate::blobs::Blob;
use crate::jobs::{NewJob, enqueue};
use crate::push::store_pack;
use crate::quota::{self, Change};
use crate::row::each;
use crate::snapshots::RepoVersion;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, NewPack, Result, known_chunks};

statements! {
    MARK_BLOB = "UPDATE blob SET damaged_at = $2 WHERE id = $1 AND state = 'live' AND damaged_at IS NULL";
    MARK_PACK = "UPDATE pack SET damaged_at = $2 WHERE id = $1 AND state = 'live' AND damaged_at IS NULL";
    SOUND_BLOB = "UPDATE blob SET damaged_at = NULL WHERE id = $1 AND damaged_at <= $2";
    SOUND_PACK = "UPDATE pack SET damaged_at = NULL WHERE id = $1 AND damaged_at <= $2";
    DAMAGED_BLOBS = "SELECT id, sha256, size, xet, TRUE FROM blob \
        WHERE damaged_at IS NOT NULL AND state = 'live' ORDER BY id LIMIT $1";
    DAMAGED_PACK_REPOS = "SELECT DISTINCT repo FROM pack WHERE damaged_at IS NOT NULL AND state = 'live' AND repo > $1 \
        ORDER BY repo LIMIT $2";
    DROP_OBJECTS = "UPDATE repo SET gc_epoch = gc_epoch + 1 \
        WHERE id = $1 AND state = 'live' AND gen = $2 AND gc_epoch = $3";
    CONDEMN_DAMAGED_PACK = "UPDATE pack SET state = 'condemned', condemned_at = $3 \
        WHERE id = $1 AND repo = $2 AND state = 'live' AND damaged_at IS NOT NULL RETURNING bytes";
    COUNT_DAMAGED = "SELECT (SELECT COUNT(*) FROM blob WHERE damaged_at IS NOT NULL AND state = 'live'), \
        (SELECT COUNT(*) FROM pack WHERE damaged_at IS NOT NULL AND state = 'live')";
}

/// How much is known to be damaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Large objects.
    pub blobs: i64,
    /// Packs.
    pub packs: i64,
}

impl Db {
    /// Remembers that the bytes of an object are not what they should be; false if that is known, or it
    /// is gone.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mark_damaged_blob(&self, id: BlobId) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                if tx.execute(MARK_BLOB, args![id, now]).await? == 0 {
                    return Ok(Verdict::Discard(false));
                }
                known_chunks::void_of_blob(tx, id).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Remembers that a pack is damaged; false if that is known, or it is gone.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mark_damaged_pack(&self, id: PackId) -> Result<bool> {
        self.update(MARK_PACK, id.0).await
    }

    /// Forgets that an object is damaged: its bytes are right again.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mark_sound_blob(&self, id: BlobId) -> Result<bool> {
        self.update(SOUND_BLOB, id.0).await
    }

    /// Forgets that a pack is damaged: its bytes are right again.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mark_sound_pack(&self, id: PackId) -> Result<bool> {
        self.update(SOUND_PACK, id.0).await
    }

    /// Damaged objects that wait to be repaired, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn damaged_blobs(&self, limit: i64) -> Result<Vec<Blob>> {
        each(&self.rows(DAMAGED_BLOBS, args![limit]).await?, Blob::from_row)
    }

    /// Repositories that have a damaged pack, by id, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn damaged_pack_repos(&self, after: Option<RepoId>, limit: i64) -> Result<Vec<RepoId>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(DAMAGED_PACK_REPOS, args![after, limit]).await?, |row| Ok(RepoId(row.read(0)?)))
    }

    /// Puts packs in the place of damaged ones, whose files the `sweep` job removes. False, and nothing is
    /// done, if the repository has changed since `version`, or one of `damaged` is no damaged pack of it.
    ///
    /// # Errors
    /// [`crate::Error::OverQuota`] where the new ones are larger than there is room for.
    pub async fn replace_packs(
        &self,
        repo: RepoId,
        version: RepoVersion,
        damaged: Vec<PackId>,
        packs: Vec<NewPack>,
    ) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let done = replace_packs(tx, repo, version, damaged, packs).await?;
                Ok(if done { Verdict::Keep(true) } else { Verdict::Discard(false) })
            })
        })
        .await
    }

    /// How much is known to be damaged.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn damage(&self) -> Result<Damage> {
        let row = self.row(COUNT_DAMAGED, args![]).await?;
        row.map_or(Ok(Damage::default()), |row| Ok(Damage { blobs: row.read(0)?, packs: row.read(1)? }))
    }

    async fn update(&self, statement: &'static str, id: i64) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let changed = tx.execute(statement, args![id, now]).await? > 0;
                Ok(if changed { Verdict::Keep(true) } else { Verdict::Discard(false) })
            })
        })
        .await
    }
}

async fn replace_packs(
    tx: &mut Tx,
    repo: RepoId,
    RepoVersion { generation, gc_epoch }: RepoVersion,
    damaged: Vec<PackId>,
    packs: Vec<NewPack>,
) -> Result<bool> {
    // First of all: this row is the repository's lock.
    if tx.execute(DROP_OBJECTS, args![repo, generation, gc_epoch]).await? == 0 {
        return Ok(false);
    }
    let (now, mut more_bytes) = (tx.now(), 0_i64);
    for id in damaged {
        let Some(row) = tx.row(CONDEMN_DAMAGED_PACK, args![id, repo, now]).await? else { return Ok(false) };
        more_bytes -= row.read::<i64>(0)?;
    }
    for pack in packs {
        more_bytes += pack.bytes;
        store_pack(tx, repo, pack).await?;
    }
    let (kind, dedup) = ("sweep".to_owned(), "sweep".to_owned());
    enqueue(tx, NewJob { kind, dedup, payload: "{}".to_owned(), due: now }).await?;
    let namespace = quota::namespace_of(tx, repo).await?;
    quota::charge(tx, namespace, Change { packs: more_bytes, ..Change::default() }).await?;
    Ok(true)
}
