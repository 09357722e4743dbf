//! The chunks of large objects: the hash over them, and the few by which objects are found.

use polder_types::{BlobId, RepoId, Sha256};
use polder_xet::{ChunkHash, Cut};

use crate::blobs::{Blob, is_allowed, is_public};
use crate::row::each;
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::xorb_runs::FORGET_RUNS;
use crate::{Db, Result};

/// Whether repository `$2` links blob `b`, or any mirror of the same upstream does.
macro_rules! is_linked {
    () => {
        "EXISTS (SELECT 1 FROM repo_blob o JOIN repo m ON m.id = o.repo WHERE o.sha256 = b.sha256 \
            AND (o.repo = $2 OR m.upstream = (SELECT w.upstream FROM repo w WHERE w.id = $2)))"
    };
}

statements! {
    SET_XET = "UPDATE blob SET xet = $2 WHERE id = $1 AND state = 'live'";
    UNLISTED = "SELECT id, sha256, size, xet, damaged_at IS NOT NULL FROM blob \
        WHERE xet IS NULL AND state = 'live' AND damaged_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    LINEAGE = "SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' WHERE l.repo = $1 AND b.xet IS NOT NULL \
        ORDER BY l.added_at DESC, b.id DESC LIMIT $2";
    REUSABLE = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM blob b \
        WHERE b.sha256 = $1 AND b.state = 'live' AND (", is_public!(), " OR ", is_linked!(), ") AND ", is_allowed!());
    FORGET_KEYS = "DELETE FROM key_chunk WHERE blob = $1";
}

templates! {
    SHARING(3) = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM blob b \
        JOIN key_chunk k ON k.blob = b.id WHERE b.state = 'live' AND b.xet IS NOT NULL AND b.sha256 <> $1 AND (",
        is_public!(), " OR ", is_linked!(), ") AND k.chunk IN ("), "?", ") GROUP BY b.id, b.sha256, b.size, b.xet, \
        b.damaged_at ORDER BY COUNT(*) DESC, b.id LIMIT $3";
    INSERT_KEYS(1) = "INSERT INTO key_chunk (blob, chunk) VALUES ", "($1, ?)", " ON CONFLICT (chunk, blob) DO NOTHING";
}

impl Db {
    /// Live, sound objects whose chunks are not listed yet, by id, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn unlisted_blobs(&self, after: Option<BlobId>, limit: i64) -> Result<Vec<Blob>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(UNLISTED, args![after, limit]).await?, Blob::from_row)
    }

    /// Objects whose chunks are listed and which a repository came to link last, newest first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn lineage(&self, repo: RepoId, limit: i64) -> Result<Vec<Blob>> {
        each(&self.rows(LINEAGE, args![repo, limit]).await?, Blob::from_row)
    }

    /// The live incarnation of an object, if a repository may take it over unseen: it links it, it came from
    /// the upstream that the repository came from, or anyone may have it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn reusable_blob(&self, repo: RepoId, sha256: Sha256) -> Result<Option<Blob>> {
        self.row(REUSABLE, args![sha256, repo]).await?.map(|row| Blob::from_row(&row)).transpose()
    }

    /// Other objects than `sha256` that have some of `keys` (at most 400 are looked at), those with most
    /// first: only such as a repository may take over unseen.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn sharing_blobs(
        &self,
        repo: RepoId,
        sha256: Sha256,
        keys: &[ChunkHash],
        limit: i64,
    ) -> Result<Vec<Blob>> {
        let keys = keys.get(..keys.len().min(ROWS_PER_STATEMENT_MAX)).unwrap_or_default();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = args![sha256, repo, limit];
        args.extend(keys.iter().copied().map(Value::from));
        each(&self.rows(SHARING.statement(keys.len()), args).await?, Blob::from_row)
    }

    /// Records what the chunks of an object are, once their list is durable; false if it is gone.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_cut(&self, id: BlobId, cut: Cut) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.execute(SET_XET, args![id, cut.file_hash]).await? == 0 {
                    return Ok(Verdict::Discard(false));
                }
                tx.execute(FORGET_KEYS, args![id]).await?;
                tx.execute(FORGET_RUNS, args![id]).await?;
                insert_keys(tx, id, cut.key_chunks).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }
}

/// Makes an object known by some of its chunks.
pub(crate) async fn insert_keys(tx: &mut Tx, id: BlobId, keys: Vec<ChunkHash>) -> Result<()> {
    for some in keys.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![id];
        args.extend(some.iter().copied().map(Value::from));
        tx.execute(INSERT_KEYS.statement(some.len()), args).await?;
    }
    Ok(())
}
