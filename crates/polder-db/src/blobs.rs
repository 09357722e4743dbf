//! Large objects and which repository holds which.

use polder_types::{AccountId, BlobId, RepoId, ReservationId, Sha256};
use polder_xet::{Cut, FileHash};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Db, NewAudit, Result, audit, blocks, chunks, quota};

/// Whether a public repository links blob `b`.
macro_rules! is_public {
    () => {
        "EXISTS (SELECT 1 FROM repo_blob l JOIN repo r ON r.id = l.repo \
            WHERE l.sha256 = b.sha256 AND r.state = 'live' AND r.visibility = 'public' AND r.withheld IS NULL)"
    };
}

/// Whether the operator lets anyone have blob `b`.
macro_rules! is_allowed {
    () => {
        "NOT EXISTS (SELECT 1 FROM block k WHERE k.kind = 'object' AND k.sha256 = b.sha256)"
    };
}

/// Whether an attachment holds row `blob`, which is none of a repository's.
macro_rules! is_attached {
    () => {
        "EXISTS (SELECT 1 FROM attachment t WHERE t.sha256 = blob.sha256)"
    };
}

pub(crate) use {is_allowed, is_attached, is_public};

statements! {
    LIVE_BLOB = "SELECT id, sha256, size, xet, damaged_at IS NOT NULL FROM blob WHERE sha256 = $1 AND state = 'live'";
    INSERT_BLOB = "INSERT INTO blob (id, sha256, size, xet, state, created_at) VALUES ($1, $2, $3, $4, 'live', $5) \
        ON CONFLICT (sha256) WHERE state = 'live' DO NOTHING";
    CONDEMN_DAMAGED = "UPDATE blob SET state = 'condemned', condemned_at = $2 \
        WHERE sha256 = $1 AND state = 'live' AND damaged_at IS NOT NULL";
    CONDEMN_UNLINKED = concat!("UPDATE blob SET state = 'condemned', condemned_at = $2 WHERE sha256 = $1 AND state = 'live' \
        AND NOT EXISTS (SELECT 1 FROM repo_blob o WHERE o.sha256 = blob.sha256) AND NOT ", is_attached!());
    // What came later than the git blob that points to it is known by that.
    INSERT_LINK = "INSERT INTO repo_blob (repo, sha256, added_at, pointer_oid) VALUES ($1, $2, $3, \
        (SELECT z.pointer_oid FROM lazy_object z WHERE z.repo = $1 AND z.sha256 = $2)) \
        ON CONFLICT (repo, sha256) DO NOTHING";
    PUBLIC_BLOB = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM blob b \
        WHERE b.sha256 = $1 AND b.state = 'live' AND ", is_public!(), " AND ", is_allowed!());
    REPOS_OF_BLOB = "SELECT repo FROM repo_blob WHERE sha256 = $1 ORDER BY repo LIMIT $2";
    BLOBS_OF_REPO = "SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = $1 AND l.sha256 > $2 ORDER BY l.sha256 LIMIT $3";
    FIRST_BLOBS_OF_REPO = "SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = $1 ORDER BY l.sha256 LIMIT $2";
}

templates! {
    LINKED_BLOBS(1) = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' WHERE l.repo = $1 AND ", is_allowed!(),
        " AND l.sha256 IN ("), "?", ")";
}

/// One live incarnation of a large object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Local id, which also names its file.
    pub id: BlobId,
    /// Hash of its bytes.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// The hash of the tree over its chunks, once they are listed.
    pub xet: Option<FileHash>,
    /// Whether its bytes were found to be others than its hash says: they must not be served.
    pub damaged: bool,
}

/// An object that becomes one of a repository's together with others.
#[derive(Debug, Clone)]
pub struct NewBlob {
    /// Hash of its bytes.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// Under which id its bytes are durable, and how it is cut; none for an object that is here.
    pub new: Option<(BlobId, Cut)>,
    /// What was promised to it, which is spent.
    pub promised: Option<ReservationId>,
    /// What the audit log says of it.
    pub audit: NewAudit,
}

impl Blob {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: BlobId(row.read(0)?),
            sha256: row.sha256(1)?,
            size_bytes: row.read(2)?,
            xet: row.maybe_file_hash(3)?,
            damaged: row.read(4)?,
        })
    }
}

impl Db {
    /// Finds the live incarnation of an object, whoever holds it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn find_blob(&self, sha256: &Sha256) -> Result<Option<Blob>> {
        self.row(LIVE_BLOB, args![*sha256]).await?.map(|row| Blob::from_row(&row)).transpose()
    }

    /// Finds the live incarnation of an object that a public repository links.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn public_blob(&self, sha256: &Sha256) -> Result<Option<Blob>> {
        self.row(PUBLIC_BLOB, args![*sha256]).await?.map(|row| Blob::from_row(&row)).transpose()
    }

    /// Records an object whose bytes are durable under `id`, and links it to `repo`.
    ///
    /// A live incarnation wins over the new one; then the answer has another id, and the caller
    /// removes its file. A condemned incarnation never does, and a damaged one is condemned.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the repository does not exist (any more);
    /// [`crate::Error::OverQuota`] if its namespace may not store the object.
    pub async fn publish_blob(
        &self,
        id: BlobId,
        sha256: Sha256,
        size_bytes: i64,
        repo: RepoId,
        cut: Option<Cut>,
    ) -> Result<Blob> {
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = quota::begin(tx, repo).await?;
                let winner = insert(tx, id, sha256, size_bytes, cut).await?;
                link(tx, namespace, repo, &winner).await?;
                Ok(Verdict::Keep(winner))
            })
        })
        .await
    }

    /// Makes objects those of `repo`, all of them or none: as [`Db::publish_blob`] those that are new, as
    /// [`Db::link_blob`] the others. Their live incarnations, in the same order; none when one of the others is gone.
    ///
    /// # Errors
    /// As [`Db::publish_blob`].
    pub async fn publish_blobs(&self, repo: RepoId, blobs: Vec<NewBlob>) -> Result<Option<Vec<Blob>>> {
        self.write(move |tx| {
            Box::pin(async move {
                let mut winners = Vec::with_capacity(blobs.len());
                for NewBlob { sha256, size_bytes, new, promised, audit } in blobs {
                    let namespace = quota::begin_spending(tx, repo, promised).await?;
                    let winner = match new {
                        Some((id, cut)) => insert(tx, id, sha256, size_bytes, Some(cut)).await?,
                        None => match live(tx, sha256).await? {
                            Some(blob) => blob,
                            None => return Ok(Verdict::Discard(None)),
                        },
                    };
                    link(tx, namespace, repo, &winner).await?;
                    audit::insert(tx, audit).await?;
                    winners.push(winner);
                }
                Ok(Verdict::Keep(Some(winners)))
            })
        })
        .await
    }

    /// Links a live object to a repository; false if there is no such object.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the repository does not exist (any more);
    /// [`crate::Error::OverQuota`] if its namespace may not store the object.
    pub async fn link_blob(&self, repo: RepoId, sha256: &Sha256) -> Result<bool> {
        let sha256 = *sha256;
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = quota::begin(tx, repo).await?;
                let Some(blob) = live(tx, sha256).await? else { return Ok(Verdict::Discard(false)) };
                link(tx, namespace, repo, &blob).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Those of `oids` that the repository holds, in any order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn linked_blobs(&self, repo: RepoId, oids: &[Sha256]) -> Result<Vec<Blob>> {
        let mut found = Vec::new();
        for some in oids.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut args = args![repo];
            args.extend(some.iter().copied().map(Value::from));
            found.extend(each(&self.rows(LINKED_BLOBS.statement(some.len()), args).await?, Blob::from_row)?);
        }
        Ok(found)
    }

    /// Repositories that hold an object, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn blob_repos(&self, sha256: &Sha256, limit: i64) -> Result<Vec<RepoId>> {
        each(&self.rows(REPOS_OF_BLOB, args![*sha256, limit]).await?, |row| Ok(RepoId(row.read(0)?)))
    }

    /// Objects of a repository by hash, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_repo_blobs(
        &self,
        repo: RepoId,
        after: Option<Sha256>,
        limit: i64,
    ) -> Result<Vec<Blob>> {
        let rows = match after {
            Some(after) => self.rows(BLOBS_OF_REPO, args![repo, after, limit]).await?,
            None => self.rows(FIRST_BLOBS_OF_REPO, args![repo, limit]).await?,
        };
        each(&rows, Blob::from_row)
    }
}

/// Condemns an object that nothing holds any more.
pub(crate) async fn condemn_unlinked(tx: &mut Tx, sha256: Sha256) -> Result<()> {
    let now = tx.now();
    tx.execute(CONDEMN_UNLINKED, args![sha256, now]).await.map(drop)
}

/// Makes the row of an object, unless a sound one is there.
pub(crate) async fn insert(
    tx: &mut Tx,
    id: BlobId,
    sha256: Sha256,
    size_bytes: i64,
    cut: Option<Cut>,
) -> Result<Blob> {
    let now = tx.now();
    tx.execute(CONDEMN_DAMAGED, args![sha256, now]).await?;
    let xet = cut.as_ref().map(|cut| cut.file_hash);
    if tx.execute(INSERT_BLOB, args![id, sha256, size_bytes, xet, now]).await? == 0 {
        return live(tx, sha256).await?.ok_or_else(|| missing(format!("object {sha256}")));
    }
    chunks::insert_keys(tx, id, cut.map(|cut| cut.key_chunks).unwrap_or_default()).await?;
    Ok(Blob { id, sha256, size_bytes, xet, damaged: false })
}

async fn live(tx: &mut Tx, sha256: Sha256) -> Result<Option<Blob>> {
    tx.row(LIVE_BLOB, args![sha256]).await?.map(|row| Blob::from_row(&row)).transpose()
}

async fn link(tx: &mut Tx, namespace: AccountId, repo: RepoId, blob: &Blob) -> Result<()> {
    blocks::refuse_object(tx, blob.sha256).await?;
    let now = tx.now();
    if tx.execute(INSERT_LINK, args![repo, blob.sha256, now]).await? > 0 {
        quota::count_link(tx, namespace, repo, blob.sha256, blob.size_bytes).await?;
    }
    Ok(())
}
