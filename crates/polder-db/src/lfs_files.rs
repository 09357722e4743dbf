//! The large objects of one repository, as their owners look through them, and letting go of some.

use polder_types::{RepoId, Sha256, UnixMillis};

use crate::jobs::{NewJob, enqueue};
use crate::row::each;
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Result, blobs, known_chunks, quota};

statements! {
    FILES_AFTER = "SELECT l.sha256, b.size, l.added_at FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = $1 AND l.sha256 > $2 ORDER BY l.sha256 LIMIT $3";
    // Whoever pushes waits for this row; and what was answered from the objects is void.
    HOLD_AT = "UPDATE repo SET cache_epoch = cache_epoch + 1 WHERE id = $1 AND state = 'live' AND gen = $2";
    SIZE = "SELECT b.size FROM repo_blob l JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = $1 AND l.sha256 = $2";
    UNLINK = "DELETE FROM repo_blob WHERE repo = $1 AND sha256 = $2";
}

/// A large object of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedFile {
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// Since when the repository has it.
    pub added: UnixMillis,
}

impl Db {
    /// Large objects of a repository by hash, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn linked_files(
        &self,
        repo: RepoId,
        after: Option<Sha256>,
        limit: i64,
    ) -> Result<Vec<LinkedFile>> {
        let after = after.map_or(Value::Bytes(Some(Vec::new())), Value::from);
        each(&self.rows(FILES_AFTER, vec![repo.into(), after, limit.into()]).await?, |row| {
            let (sha256, size_bytes) = (row.sha256(0)?, row.read(1)?);
            Ok(LinkedFile { sha256, size_bytes, added: UnixMillis(row.read(2)?) })
        })
    }

    /// Takes objects away from a repository whose refs are as they were at `generation`; what no other one holds is
    /// condemned, and a `sweep` job is queued. How many it had; `None` when the refs changed meanwhile.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn unlink_blobs(
        &self,
        repo: RepoId,
        generation: i64,
        oids: Vec<Sha256>,
    ) -> Result<Option<usize>> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.execute(HOLD_AT, args![repo, generation]).await? == 0 {
                    return Ok(Verdict::Discard(None));
                }
                known_chunks::void(tx, repo).await?;
                let (namespace, now) = (quota::begin(tx, repo).await?, tx.now());
                let mut count = 0;
                for oid in oids {
                    let size = tx.row(SIZE, args![repo, oid]).await?.map(|row| row.read(0)).transpose()?;
                    if tx.execute(UNLINK, args![repo, oid]).await? == 0 {
                        continue;
                    }
                    count += 1;
                    if let Some(size) = size {
                        quota::uncount_link(tx, namespace, repo, oid, size).await?;
                    }
                    blobs::condemn_unlinked(tx, oid).await?;
                }
                let (kind, payload) = ("sweep".to_owned(), "{}".to_owned());
                enqueue(tx, NewJob { dedup: kind.clone(), kind, payload, due: now }).await?;
                tx.audit(|entry| drop(entry.detail.insert("objects".to_owned(), count.into())));
                Ok(Verdict::Keep(Some(count)))
            })
        })
        .await
    }
}
