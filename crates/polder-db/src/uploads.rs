//! Large objects that arrive in parts.

use polder_types::limits::UPLOADS_PER_REPO_MAX;
use polder_types::{AccountId, PartId, RepoId, Sha256, UnixMillis, UploadId};

use crate::db::missing;
use crate::quota::{namespace_of, promise, take_back};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    ACTIVE_UPLOAD = "UPDATE upload SET active_at = $2 WHERE id = $1 AND active_at > $3";
    INSERT_UPLOAD = "INSERT INTO upload (id, repo, account, sha256, size, part_size, created_at, active_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (id) DO UPDATE SET active_at = excluded.active_at";
    UPLOADS_OPEN = "SELECT COUNT(*) FROM upload WHERE repo = $1 AND id <> $2";
    UPLOAD_IS_OPEN = "SELECT 1 FROM upload WHERE id = $1";
    PART_OF = "SELECT id FROM upload_part WHERE upload = $1 AND number = $2";
    SET_PART = "INSERT INTO upload_part (upload, number, id, size) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (upload, number) DO UPDATE SET id = excluded.id, size = excluded.size";
    PARTS_OF = "SELECT number, id, size FROM upload_part WHERE upload = $1 ORDER BY number";
    IDLE_UPLOADS = "SELECT id FROM upload WHERE active_at <= $1 ORDER BY active_at, id LIMIT $2";
    FORGET_PARTS = "DELETE FROM upload_part WHERE upload = $1";
    FORGET_UPLOAD = "DELETE FROM upload WHERE id = $1";
}

/// An upload in parts, as the links to it say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id, from [`Db::next_id`]; names the directory of its parts.
    pub id: UploadId,
    /// Where the object will be.
    pub repo: RepoId,
    /// Who sends it.
    pub account: Option<AccountId>,
    /// The hash that the whole must have.
    pub sha256: Sha256,
    /// The length of the whole, in bytes.
    pub size_bytes: i64,
    /// Length of every part but the last, in bytes.
    pub part_bytes: i64,
}

/// Whether parts may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadState {
    /// They may; the upload counts as active from now.
    Open,
    /// Nothing came for too long, or it is finished or was never begun.
    Gone,
    /// The repository has as many uploads under way as it may have.
    TooMany,
}

/// A part that is here, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPart {
    /// Its place, from 1.
    pub number: i64,
    /// Names its file.
    pub id: PartId,
    /// Its length in bytes.
    pub size_bytes: i64,
}

impl Db {
    /// Begins an upload, or keeps it alive. One that begins has the whole object promised, under
    /// [`UploadId::reservation`], until it is published or forgotten.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the repository does not exist (any more);
    /// [`crate::Error::OverQuota`] if its namespace has no room for the object.
    pub async fn open_upload(&self, upload: Upload) -> Result<UploadState> {
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = namespace_of(tx, upload.repo).await?;
                let others: i64 = match tx.row(UPLOADS_OPEN, args![upload.repo, upload.id]).await? {
                    Some(row) => row.read(0)?,
                    None => 0,
                };
                if others >= UPLOADS_PER_REPO_MAX {
                    return Ok(Verdict::Discard(UploadState::TooMany));
                }
                let Upload { id, repo, account, sha256, size_bytes, part_bytes } = upload;
                if tx.row(UPLOAD_IS_OPEN, args![id]).await?.is_none() {
                    // It ends with the upload, which ends when it is idle.
                    let never = UnixMillis(i64::MAX);
                    promise(tx, id.reservation(), namespace, size_bytes, true, never).await?;
                }
                let now = tx.now();
                let args = args![id, repo, account, sha256, size_bytes, part_bytes, now];
                tx.execute(INSERT_UPLOAD, args).await?;
                Ok(Verdict::Keep(UploadState::Open))
            })
        })
        .await
    }

    /// Keeps an upload alive that was active after `since`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn keep_upload(&self, id: UploadId, since: UnixMillis) -> Result<UploadState> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                match tx.execute(ACTIVE_UPLOAD, args![id, now, since]).await? {
                    0 => Ok(Verdict::Discard(UploadState::Gone)),
                    _ => Ok(Verdict::Keep(UploadState::Open)),
                }
            })
        })
        .await
    }

    /// Records a part whose bytes are durable, in place of one sent before; answers that one.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the upload is gone.
    pub async fn set_part(&self, upload: UploadId, part: UploadPart) -> Result<Option<PartId>> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                // The upload's row first, so that parts of one number take turns.
                if tx.execute(ACTIVE_UPLOAD, args![upload, now, UnixMillis(i64::MIN)]).await? == 0 {
                    return Err(missing(format!("upload {upload}")));
                }
                let before = tx.row(PART_OF, args![upload, part.number]).await?;
                let before = before.map(|row| row.read(0)).transpose()?.map(PartId);
                let UploadPart { number, id, size_bytes } = part;
                tx.execute(SET_PART, args![upload, number, id, size_bytes]).await?;
                Ok(Verdict::Keep(before))
            })
        })
        .await
    }

    /// The parts that are here, by number.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn upload_parts(&self, upload: UploadId) -> Result<Vec<UploadPart>> {
        each(&self.rows(PARTS_OF, args![upload]).await?, |row: &Row| {
            Ok(UploadPart { number: row.read(0)?, id: PartId(row.read(1)?), size_bytes: row.read(2)? })
        })
    }

    /// Whether an upload has a row.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn is_upload_open(&self, id: UploadId) -> Result<bool> {
        Ok(self.row(UPLOAD_IS_OPEN, args![id]).await?.is_some())
    }

    /// Uploads for which nothing has come since `until`, longest ago first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn idle_uploads(&self, until: UnixMillis, limit: i64) -> Result<Vec<UploadId>> {
        each(&self.rows(IDLE_UPLOADS, args![until, limit]).await?, |row| Ok(UploadId(row.read(0)?)))
    }

    /// Forgets an upload and its parts; false if there is none. The caller removes the files.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn forget_upload(&self, id: UploadId) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                take_back(tx, id.reservation()).await?;
                tx.execute(FORGET_PARTS, args![id]).await?;
                Ok(Verdict::Keep(tx.execute(FORGET_UPLOAD, args![id]).await? > 0))
            })
        })
        .await
    }
}
