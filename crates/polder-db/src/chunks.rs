//! The chunks of large objects: the hash over them, and the few by which objects are found.

use polder_types::BlobId;
use polder_xet::{ChunkHash, Cut};

use crate::blobs::Blob;
use crate::row::each;
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Db, Result};

statements! {
    SET_XET = "UPDATE blob SET xet = $2 WHERE id = $1 AND state = 'live'";
    UNLISTED = "SELECT id, sha256, size, xet, damaged_at IS NOT NULL FROM blob \
        WHERE xet IS NULL AND state = 'live' AND damaged_at IS NULL AND id > $1 ORDER BY id LIMIT $2";
    FORGET_KEYS = "DELETE FROM key_chunk WHERE blob = $1";
}

templates! {
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
