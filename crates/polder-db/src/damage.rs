//! What was found to be damaged: known at once to every node, until it is repaired.

use polder_types::{BlobId, PackId};

use crate::blobs::Blob;
use crate::row::each;
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    MARK_BLOB = "UPDATE blob SET damaged_at = $2 WHERE id = $1 AND state = 'live' AND damaged_at IS NULL";
    MARK_PACK = "UPDATE pack SET damaged_at = $2 WHERE id = $1 AND state = 'live' AND damaged_at IS NULL";
    SOUND_BLOB = "UPDATE blob SET damaged_at = NULL WHERE id = $1 AND damaged_at <= $2";
    SOUND_PACK = "UPDATE pack SET damaged_at = NULL WHERE id = $1 AND damaged_at <= $2";
    DAMAGED_BLOBS = "SELECT id, sha256, size, xet, TRUE FROM blob \
        WHERE damaged_at IS NOT NULL AND state = 'live' ORDER BY id LIMIT $1";
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
        self.update(MARK_BLOB, id.0).await
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
