//! Since when what clients of Xet remember of a repository's chunks is true.
//!
//! They keep for weeks which xorbs they sent, and name them again without sending them. Whatever takes chunks away
//! from a repository says so here, in the same write.

use polder_types::{AccountId, BlobId, RepoId, Sha256, UnixMillis};

use crate::db::missing;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    SINCE = "SELECT chunks_since FROM repo WHERE id = $1";
    VOID = "UPDATE repo SET chunks_since = $2 WHERE id = $1";
    VOID_OF_WRITER = "UPDATE repo SET chunks_since = $3 WHERE id = $1 AND (ns = $2 \
        OR EXISTS (SELECT 1 FROM member m WHERE m.org = repo.ns AND m.user_id = $2 AND m.role <> 'read') \
        OR EXISTS (SELECT 1 FROM account a WHERE a.id = $2 AND a.is_admin))";
    VOID_OF_OBJECT = "UPDATE repo SET chunks_since = $2 WHERE id IN (SELECT l.repo FROM repo_blob l WHERE l.sha256 = $1)";
    VOID_OF_BLOB = "UPDATE repo SET chunks_since = $2 WHERE id IN \
        (SELECT l.repo FROM blob b JOIN repo_blob l ON l.sha256 = b.sha256 WHERE b.id = $1)";
}

impl Db {
    /// Since when all chunks that were sent for a repository can be named there.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there never was such a repository.
    pub async fn chunks_since(&self, repo: RepoId) -> Result<UnixMillis> {
        let row = self.row(SINCE, args![repo]).await?;
        Ok(UnixMillis(row.ok_or_else(|| missing(format!("repository {repo}")))?.read(0)?))
    }

    /// Says that some of a repository's chunks cannot be named any more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn void_chunks(&self, repo: RepoId) -> Result<()> {
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(void(tx, repo).await?)) })).await
    }
}

/// Some of a repository's chunks are gone.
pub(crate) async fn void(tx: &mut Tx, repo: RepoId) -> Result<()> {
    let now = tx.now();
    tx.execute(VOID, args![repo, now]).await.map(drop)
}

/// Some of what `account` alone can name in a repository is gone. Who may only propose changes there voids nothing:
/// anyone can send what no file is made of.
pub(crate) async fn void_of_writer(tx: &mut Tx, repo: RepoId, account: AccountId) -> Result<()> {
    let now = tx.now();
    tx.execute(VOID_OF_WRITER, args![repo, account, now]).await.map(drop)
}

/// An object is not to be had any more, in whatever repository.
pub(crate) async fn void_of_object(tx: &mut Tx, sha256: Sha256) -> Result<()> {
    let now = tx.now();
    tx.execute(VOID_OF_OBJECT, args![sha256, now]).await.map(drop)
}

/// The bytes of an object are not to be had any more, in whatever repository.
pub(crate) async fn void_of_blob(tx: &mut Tx, id: BlobId) -> Result<()> {
    let now = tx.now();
    tx.execute(VOID_OF_BLOB, args![id, now]).await.map(drop)
}
