//! Rows as fsck and sweep see them.

use polder_types::{BlobId, ObjectId, PackId, RepoId, Sha256, UnixMillis};
use polder_xet::FileHash;

use crate::chunks::FORGET_KEYS;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::xorb_runs::FORGET_RUNS;
use crate::xorbs::FORGET_PIECES;
use crate::{Db, Error, Result};

statements! {
    PACKS_AFTER = "SELECT id, state, condemned_at, repo, hash, bytes, objects, data IS NOT NULL FROM pack \
        WHERE id > $1 ORDER BY id LIMIT $2";
    CONDEMNED_PACKS = "SELECT id, state, condemned_at, repo, hash, bytes, objects, data IS NOT NULL FROM pack \
        WHERE state = 'condemned' AND condemned_at <= $1 ORDER BY condemned_at, id LIMIT $2";
    BLOBS_AFTER = "SELECT id, state, condemned_at, sha256, size, xet, damaged_at IS NOT NULL FROM blob WHERE id > $1 ORDER BY id LIMIT $2";
    CONDEMNED_BLOBS = "SELECT id, state, condemned_at, sha256, size, xet, damaged_at IS NOT NULL FROM blob \
        WHERE state = 'condemned' AND condemned_at <= $1 ORDER BY condemned_at, id LIMIT $2";
    FORGET_PACK = "DELETE FROM pack WHERE id = $1 AND state = 'condemned'";
    FORGET_BLOB = "DELETE FROM blob WHERE id = $1 AND state = 'condemned'";
    DANGLING_LINKS = "SELECT l.repo, l.sha256 FROM repo_blob l WHERE NOT EXISTS \
        (SELECT 1 FROM blob b WHERE b.sha256 = l.sha256 AND b.state = 'live') ORDER BY l.repo, l.sha256 LIMIT $1";
}

/// Whether a stored thing is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    /// In use.
    Live,
    /// Waiting to be removed since the given moment; it never comes back to life.
    Condemned(UnixMillis),
}

/// A pack's row, without bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPack {
    /// Local id, which also names its file.
    pub id: PackId,
    /// The repository it belongs or belonged to.
    pub repo: RepoId,
    /// The pack's trailer.
    pub hash: ObjectId,
    /// Length of the pack in bytes.
    pub bytes: i64,
    /// How many objects it has.
    pub objects: i64,
    /// Whether pack and index live in the row, so that there is no file.
    pub inline: bool,
    /// In use or not.
    pub state: RowState,
}

/// A large object's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Local id, which also names its file.
    pub id: BlobId,
    /// Hash of its bytes.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// The hash of the tree over its chunks, once they are listed.
    pub xet: Option<FileHash>,
    /// Whether its bytes are known to be others than its hash says.
    pub damaged: bool,
    /// In use or not.
    pub state: RowState,
}

impl Db {
    /// All packs by id, condemned ones too, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_packs(&self, after: Option<PackId>, limit: i64) -> Result<Vec<StoredPack>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(PACKS_AFTER, args![after, limit]).await?, stored_pack)
    }

    /// All large objects by id, condemned ones too, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_blobs(&self, after: Option<BlobId>, limit: i64) -> Result<Vec<StoredBlob>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(BLOBS_AFTER, args![after, limit]).await?, stored_blob)
    }

    /// Packs condemned at or before `until`, longest ago first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn condemned_packs(&self, until: UnixMillis, limit: i64) -> Result<Vec<StoredPack>> {
        each(&self.rows(CONDEMNED_PACKS, args![until, limit]).await?, stored_pack)
    }

    /// Large objects condemned at or before `until`, longest ago first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn condemned_blobs(&self, until: UnixMillis, limit: i64) -> Result<Vec<StoredBlob>> {
        each(&self.rows(CONDEMNED_BLOBS, args![until, limit]).await?, stored_blob)
    }

    /// Forgets a condemned pack whose file is gone; false if there is no such condemned pack.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn forget_pack(&self, id: PackId) -> Result<bool> {
        self.forget(FORGET_PACK, args![id]).await
    }

    /// Forgets a condemned object whose file is gone; false if there is no such condemned object.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn forget_blob(&self, id: BlobId) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(FORGET_KEYS, args![id]).await?;
                tx.execute(FORGET_RUNS, args![id]).await?;
                tx.execute(FORGET_PIECES, args![id]).await?;
                let gone = tx.execute(FORGET_BLOB, args![id]).await? > 0;
                Ok(if gone { Verdict::Keep(true) } else { Verdict::Discard(false) })
            })
        })
        .await
    }

    /// Links to objects that have no live row, which should never be; at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn dangling_links(&self, limit: i64) -> Result<Vec<(RepoId, Sha256)>> {
        each(&self.rows(DANGLING_LINKS, args![limit]).await?, |row| {
            Ok((RepoId(row.read(0)?), row.sha256(1)?))
        })
    }

    async fn forget(&self, statement: &'static str, args: Vec<Value>) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move { Ok(Verdict::Keep(tx.execute(statement, args).await? > 0)) })
        })
        .await
    }
}

fn stored_pack(row: &Row) -> Result<StoredPack> {
    Ok(StoredPack {
        id: PackId(row.read(0)?),
        state: state(row)?,
        repo: RepoId(row.read(3)?),
        hash: row.oid(4)?,
        bytes: row.read(5)?,
        objects: row.read(6)?,
        inline: row.read(7)?,
    })
}

fn stored_blob(row: &Row) -> Result<StoredBlob> {
    Ok(StoredBlob {
        id: BlobId(row.read(0)?),
        state: state(row)?,
        sha256: row.sha256(3)?,
        size_bytes: row.read(4)?,
        xet: row.maybe_file_hash(5)?,
        damaged: row.read(6)?,
    })
}

/// Reads columns 1 and 2.
fn state(row: &Row) -> Result<RowState> {
    let (word, since): (String, Option<i64>) = (row.read(1)?, row.read(2)?);
    match (word.as_str(), since) {
        ("live", _) => Ok(RowState::Live),
        ("condemned", Some(since)) => Ok(RowState::Condemned(UnixMillis(since))),
        _ => Err(Error::Other { doing: "reading state", subject: word, source: None }),
    }
}
