//! What each repository of a namespace takes.

use polder_types::{AccountId, RepoId, UnixMillis};

use crate::repos::{REPO_COLUMNS, Repo, repo_columns};
use crate::row::each;
use crate::sql::statements;
use crate::value::args;
use crate::{Db, Result};

/// Bytes of the packs and of the large objects of the repository `r`.
macro_rules! repo_bytes {
    () => {
        "(SELECT COALESCE(CAST(SUM(p.bytes) AS BIGINT), 0) FROM pack p WHERE p.repo = r.id AND p.state = 'live') \
        + (SELECT COALESCE(CAST(SUM(b.size) AS BIGINT), 0) FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' WHERE l.repo = r.id)"
    };
}

statements! {
    BYTES = concat!("SELECT ", repo_bytes!(), " FROM repo r WHERE r.id = $1");
    STORED = concat!("SELECT ", repo_columns!(), ", ", repo_bytes!(), ", \
        COALESCE((SELECT q.blob_bytes + q.pack_bytes FROM quota q WHERE q.ns = r.ns), 0), \
        COALESCE((SELECT c.changed_at FROM catalog c WHERE c.repo = r.id), r.created_at) \
        FROM repo r JOIN account a ON a.id = r.ns \
        WHERE r.ns = $1 AND r.id > $2 AND r.state = 'live' ORDER BY r.id LIMIT $3");
}

/// A repository and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRepo {
    /// The repository.
    pub repo: Repo,
    /// Bytes of its packs and of the large objects that it links.
    pub bytes: i64,
    /// Bytes of its namespace, each large object once.
    pub namespace_bytes: i64,
    /// When its default branch last changed, or it was made.
    pub changed: UnixMillis,
}

impl Db {
    /// Bytes of a repository's packs and of the large objects that it links; 0 if there is none.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn repo_bytes(&self, repo: RepoId) -> Result<i64> {
        self.row(BYTES, args![repo]).await?.map_or(Ok(0), |row| row.read(0))
    }

    /// The repositories of a namespace and what they take, by id, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn stored_repos(
        &self,
        namespace: AccountId,
        after: Option<RepoId>,
        limit: i64,
    ) -> Result<Vec<StoredRepo>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(STORED, args![namespace, after, limit]).await?, |row| {
            Ok(StoredRepo {
                repo: Repo::from_row(row)?,
                bytes: row.read(REPO_COLUMNS)?,
                namespace_bytes: row.read(REPO_COLUMNS + 1)?,
                changed: UnixMillis(row.read(REPO_COLUMNS + 2)?),
            })
        })
    }
}
