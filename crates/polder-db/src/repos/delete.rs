//! Deleting a repository.

use polder_types::{AccountId, RepoId};
use serde_json::json;

use super::{Repo, gone, load};
use crate::blobs::is_attached;
use crate::events::{Fact, record};
use crate::jobs::{NewJob, enqueue};
use crate::quota::{self, Change};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result, access_requests, catalog, collections, contributed, oauth};

statements! {
    DELETE_REPO = "UPDATE repo SET state = 'deleted', gen = gen + 1, rewind_gen = gen + 1, ref_count = 0, \
        cache_epoch = cache_epoch + 1, rseq = rseq + 1 WHERE id = $1 AND state = 'live' RETURNING rseq";
    EMPTY_REPO = "UPDATE repo SET gen = gen + 1, rewind_gen = gen + 1, gc_epoch = gc_epoch + 1, ref_count = 0, \
        cache_epoch = cache_epoch + 1 WHERE id = $1 AND state = 'live'";
    RETIRE_NAMES = "UPDATE repo_name SET state = 'retired' WHERE repo = $1";
    DELETE_REFS = "DELETE FROM ref WHERE repo = $1";
    CONDEMN_PACKS = "UPDATE pack SET state = 'condemned', condemned_at = $2 WHERE repo = $1 AND state = 'live'";
    CONDEMN_BLOBS = concat!("UPDATE blob SET state = 'condemned', condemned_at = $2 WHERE state = 'live' \
        AND sha256 IN (SELECT l.sha256 FROM repo_blob l WHERE l.repo = $1) \
        AND NOT EXISTS (SELECT 1 FROM repo_blob o WHERE o.sha256 = blob.sha256 AND o.repo <> $1) AND NOT ",
        is_attached!());
    DELETE_DISCUSSION_EVENTS = "DELETE FROM discussion_event WHERE repo = $1";
    DELETE_DISCUSSIONS = "DELETE FROM discussion WHERE repo = $1";
    DELETE_LINKS = "DELETE FROM repo_blob WHERE repo = $1";
    DELETE_LAZY = "DELETE FROM lazy_object WHERE repo = $1";
    DELETE_LOCKS = "DELETE FROM lock WHERE repo = $1";
    DELETE_PARTS = "DELETE FROM upload_part WHERE upload IN (SELECT u.id FROM upload u WHERE u.repo = $1)";
    DELETE_PROTECTION_ACCOUNTS = "DELETE FROM protection_account WHERE repo = $1";
    DELETE_PROTECTIONS = "DELETE FROM protection WHERE repo = $1";
    DELETE_PULL_MIRROR = "DELETE FROM pull_mirror WHERE repo = $1";
    DELETE_STAGED_XORBS = "DELETE FROM staged_xorb WHERE repo = $1";
    DELETE_UPLOADS = "DELETE FROM upload WHERE repo = $1";
}

/// What deleting a repository left to be removed by the `sweep` job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Packs whose rows were condemned.
    pub packs: u64,
    /// Large objects that nothing else holds, condemned.
    pub blobs: u64,
}

impl Db {
    /// Deletes a repository: all its names are retired for ever, its refs and links go, what only it
    /// held is condemned, and a `sweep` job is queued.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn delete_repo(&self, id: RepoId, actor: Option<AccountId>) -> Result<Deleted> {
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(delete(tx, id, actor).await?)) })).await
    }
}

/// As [`Db::delete_repo`], in a write.
pub(crate) async fn delete(tx: &mut Tx, id: RepoId, actor: Option<AccountId>) -> Result<Deleted> {
    let before = load(tx, id).await?;
    let row = tx.row(DELETE_REPO, args![id]).await?.ok_or_else(|| gone(id))?;
    tx.execute(RETIRE_NAMES, args![id]).await?;
    let deleted = drop_content(tx, &before).await?;
    let rows_of_it = [
        DELETE_LOCKS,
        DELETE_PARTS,
        DELETE_UPLOADS,
        DELETE_STAGED_XORBS,
        DELETE_PROTECTION_ACCOUNTS,
        DELETE_PROTECTIONS,
        DELETE_PULL_MIRROR,
        DELETE_DISCUSSION_EVENTS,
        DELETE_DISCUSSIONS,
    ];
    for statement in rows_of_it {
        tx.execute(statement, args![id]).await?;
    }
    catalog::close(tx, id).await?;
    access_requests::forget(tx, id).await?;
    oauth::publishers::forget_repo(tx, id).await?;
    collections::forget_repo(tx, id).await?;
    let facts = json!({"v": 1, "kind": before.name.kind().as_str(), "path": before.name.to_string(),
        "visibility": before.visibility.as_str()});
    record(tx, Fact { repo: id, rseq: row.read(0)?, actor, kind: "repo.delete" }, &facts).await?;
    Ok(deleted)
}

/// Removes all that a repository holds, hidden refs too, and leaves it where it is, in a write.
pub(crate) async fn empty(tx: &mut Tx, id: RepoId) -> Result<Deleted> {
    let before = load(tx, id).await?;
    tx.execute(EMPTY_REPO, args![id]).await?;
    drop_content(tx, &before).await
}

/// Drops refs and links, condemns what only this repository held, and queues the `sweep` job.
async fn drop_content(tx: &mut Tx, repo: &Repo) -> Result<Deleted> {
    let (id, now) = (repo.id, tx.now());
    quota::charge(tx, repo.namespace, Change::default()).await?;
    let freed = quota::weight(tx, id, repo.namespace).await?;
    quota::charge(tx, repo.namespace, -freed).await?;
    tx.execute(DELETE_REFS, args![id]).await?;
    let packs = tx.execute(CONDEMN_PACKS, args![id, now]).await?;
    let blobs = tx.execute(CONDEMN_BLOBS, args![id, now]).await?;
    for statement in [DELETE_LINKS, DELETE_LAZY] {
        tx.execute(statement, args![id]).await?;
    }
    contributed::forget(tx, id).await?;
    let sweep =
        NewJob { kind: "sweep".to_owned(), dedup: "sweep".to_owned(), payload: "{}".to_owned(), due: now };
    enqueue(tx, sweep).await?;
    Ok(Deleted { packs, blobs })
}
