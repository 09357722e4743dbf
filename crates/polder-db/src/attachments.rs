//! Files that accounts attach to what they write. Each holds its object as a repository's link does, and counts
//! for its account's namespace.

use polder_types::{AccountId, BlobId, Sha256};
use polder_xet::Cut;

use crate::blobs::{self, Blob, is_allowed};
use crate::jobs::{NewJob, enqueue};
use crate::quota::{self, Change};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, blocks};

/// Most attachments of one account.
pub const ATTACHMENTS_PER_ACCOUNT_MAX: i64 = 10_000;

statements! {
    COUNT = "SELECT COUNT(*) FROM attachment WHERE account = $1";
    INSERT = "INSERT INTO attachment (id, account, sha256, size, media, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    BY_ID = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL, t.media \
        FROM attachment t JOIN blob b ON b.sha256 = t.sha256 AND b.state = 'live' WHERE t.id = $1 AND ", is_allowed!());
    DELETE = "DELETE FROM attachment WHERE id = $1 AND ($2 OR account = $3) RETURNING account, sha256, size";
    HELD_BESIDE = "SELECT 1 FROM attachment t WHERE t.sha256 = $1 AND t.account = $2 AND t.id <> $3 UNION ALL \
        SELECT 1 FROM repo_blob l JOIN repo r ON r.id = l.repo WHERE l.sha256 = $1 AND r.ns = $2 LIMIT 1";
    DANGLING = "SELECT t.sha256 FROM attachment t WHERE NOT EXISTS \
        (SELECT 1 FROM blob b WHERE b.sha256 = t.sha256 AND b.state = 'live') ORDER BY t.id LIMIT $1";
}

/// A new attachment, whose bytes are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// The digits of its address, which no other has.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// How many bytes it has.
    pub size_bytes: i64,
    /// The media type of its bytes.
    pub media: String,
}

/// An attachment as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its object.
    pub blob: Blob,
    /// The media type of its bytes.
    pub media: String,
}

impl Db {
    /// Adds an attachment whose object is durable under `blob`. A live object with these bytes wins over that
    /// one, as for [`Db::publish_blob`].
    ///
    /// # Errors
    /// [`Error::Blocked`]; [`Error::OverQuota`] if its account may not store it; [`Error::Conflict`] if the
    /// account has [`ATTACHMENTS_PER_ACCOUNT_MAX`].
    pub async fn add_attachment(&self, new: NewAttachment, blob: BlobId, cut: Option<Cut>) -> Result<Blob> {
        self.write(move |tx| {
            Box::pin(async move {
                let NewAttachment { id, account, sha256, size_bytes, media } = new;
                blocks::refuse_object(tx, sha256).await?;
                // Holds the account's row.
                quota::charge(tx, account, Change::default()).await?;
                let count = tx.row(COUNT, args![account]).await?;
                if count.map_or(Ok(0), |row| row.read::<i64>(0))? >= ATTACHMENTS_PER_ACCOUNT_MAX {
                    let most = ATTACHMENTS_PER_ACCOUNT_MAX;
                    return Err(Error::Conflict {
                        what: format!("an account has at most {most} attachments"),
                    });
                }
                let winner = blobs::insert(tx, blob, sha256, size_bytes, cut).await?;
                let now = tx.now();
                tx.execute(INSERT, args![id.as_str(), account, sha256, size_bytes, media, now]).await?;
                if !is_held_beside(tx, sha256, account, &id).await? {
                    quota::charge(tx, account, Change { blobs: size_bytes, ..Change::default() }).await?;
                }
                Ok(Verdict::Keep(winner))
            })
        })
        .await
    }

    /// An attachment by the digits of its address, unless the operator blocked its object.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn attachment(&self, id: &str) -> Result<Option<Attachment>> {
        let row = self.row(BY_ID, args![id]).await?;
        row.map(|row| Ok(Attachment { blob: Blob::from_row(&row)?, media: row.read(5)? })).transpose()
    }

    /// Deletes an attachment of `account`, or anybody's without one; what nothing else holds is condemned, and a
    /// `sweep` job is queued. False if there is none.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn delete_attachment(&self, id: String, account: Option<AccountId>) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let args = args![id.as_str(), account.is_none(), account];
                let Some(row) = tx.row(DELETE, args).await? else { return Ok(Verdict::Discard(false)) };
                let (account, sha256, size_bytes) =
                    (AccountId(row.read(0)?), row.sha256(1)?, row.read::<i64>(2)?);
                if !is_held_beside(tx, sha256, account, &id).await? {
                    quota::charge(tx, account, Change { blobs: -size_bytes, ..Change::default() }).await?;
                }
                blobs::condemn_unlinked(tx, sha256).await?;
                let (kind, payload, due) = ("sweep".to_owned(), "{}".to_owned(), tx.now());
                enqueue(tx, NewJob { dedup: kind.clone(), kind, payload, due }).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Objects of attachments that have no live row, which should never be; at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn dangling_attachments(&self, limit: i64) -> Result<Vec<Sha256>> {
        each(&self.rows(DANGLING, args![limit]).await?, |row: &Row| row.sha256(0))
    }
}

/// Whether the namespace of an account has an object without its attachment `id`.
async fn is_held_beside(tx: &mut Tx, sha256: Sha256, account: AccountId, id: &str) -> Result<bool> {
    Ok(tx.row(HELD_BESIDE, args![sha256, account, id]).await?.is_some())
}
