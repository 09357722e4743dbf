//! The state of one repository, and what has changed of it since, each read in one transaction.

use bytes::Bytes;
use polder_types::{ObjectId, PackId, RepoId};

use crate::repos::REPO_BY_ID;
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::value::{Value, args};
use crate::{Db, Repo, Result};

statements! {
    REFS_AFTER = "SELECT name, oid, peeled, gen FROM ref WHERE repo = $1 AND name > $2 ORDER BY name LIMIT $3";
    PACKS_OF_REPO = "SELECT id, hash, bytes, objects, data, index_data, damaged_at IS NOT NULL FROM pack \
        WHERE repo = $1 AND state = 'live' ORDER BY id";
    VERSION = "SELECT gen, gc_epoch, head, ref_count FROM repo WHERE id = $1 AND state = 'live'";
    REFS_SINCE = "SELECT name, oid, peeled, gen FROM ref WHERE repo = $1 AND gen > $2 ORDER BY name";
    DELETED_SINCE = "SELECT DISTINCT name FROM ref_log WHERE repo = $1 AND gen > $2 AND new_oid IS NULL";
    PACK_IDS = "SELECT id FROM pack WHERE repo = $1 AND state = 'live' ORDER BY id";
}

templates! {
    PACKS_NAMED(1) = "SELECT id, hash, bytes, objects, data, index_data, damaged_at IS NOT NULL FROM pack \
        WHERE repo = $1 AND id IN (", "?", ") ORDER BY id";
}

/// Refs read at a time.
const REFS_PAGE: i64 = 1_000;

/// A ref of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefRow {
    /// Full name.
    pub name: String,
    /// What it points to.
    pub oid: ObjectId,
    /// What the annotated tag it points to leads to in the end.
    pub peeled: Option<ObjectId>,
    /// The generation that last changed it.
    pub generation: i64,
}

/// A live pack of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRow {
    /// Local id, which also names its file.
    pub id: PackId,
    /// The pack's trailer.
    pub hash: ObjectId,
    /// Length of the pack in bytes.
    pub bytes: i64,
    /// How many objects it has.
    pub objects: i64,
    /// Pack and index, when they live in the row.
    pub data: Option<(Bytes, Bytes)>,
    /// Whether it is known to be damaged.
    pub damaged: bool,
}

/// Everything a snapshot is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoState {
    /// The repository.
    pub repo: Repo,
    /// Its refs, sorted by name bytes, hidden ones too.
    pub refs: Vec<RefRow>,
    /// Its live packs, oldest first.
    pub packs: Vec<PackRow>,
}

/// How far a repository has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepoVersion {
    /// Its generation, which every change of a ref, HEAD or the visibility increases.
    pub generation: i64,
    /// Its collection epoch, which grows when objects are dropped.
    pub gc_epoch: i64,
}

/// What has changed of a repository since a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoChanges {
    /// How far it has come.
    pub version: RepoVersion,
    /// Where HEAD points.
    pub head: String,
    /// How many refs there are now.
    pub ref_count: i64,
    /// Refs written since, as they are now.
    pub refs: Vec<RefRow>,
    /// Refs deleted since; one that was made again is in `refs` too.
    pub deleted: Vec<String>,
    /// Every live pack.
    pub packs: Vec<PackId>,
}

impl Db {
    /// How far a live repository has come.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn repo_version(&self, id: RepoId) -> Result<Option<RepoVersion>> {
        self.row(VERSION, args![id]).await?.map(|row| version(&row)).transpose()
    }

    /// Reads what has changed of a live repository since `generation`, as of one moment.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn repo_changes(&self, id: RepoId, generation: i64) -> Result<Option<RepoChanges>> {
        let reads = [
            (VERSION, args![id]),
            (REFS_SINCE, args![id, generation]),
            (DELETED_SINCE, args![id, generation]),
            (PACK_IDS, args![id]),
        ];
        let [repo, refs, deleted, packs] = self.rows_at_once(reads).await?;
        let Some(repo) = repo.first() else { return Ok(None) };
        Ok(Some(RepoChanges {
            version: version(repo)?,
            head: repo.read(2)?,
            ref_count: repo.read(3)?,
            refs: each(&refs, ref_row)?,
            deleted: each(&deleted, |row| row.read(0))?,
            packs: each(&packs, |row| Ok(PackId(row.read(0)?)))?,
        }))
    }

    /// Reads packs of a repository by id, condemned ones too.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn packs(&self, repo: RepoId, ids: &[PackId]) -> Result<Vec<PackRow>> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut args = args![repo];
            args.extend(some.iter().copied().map(Value::from));
            found.extend(each(&self.rows(PACKS_NAMED.statement(some.len()), args).await?, pack_row)?);
        }
        Ok(found)
    }

    /// Reads a live repository with its refs and packs, as of one moment.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn load_repo_state(&self, id: RepoId) -> Result<Option<RepoState>> {
        let mut view = self.view().await?;
        let repo = view.rows(REPO_BY_ID.into(), args![id]).await?;
        let Some(repo) = repo.first().map(Repo::from_row).transpose()? else { return Ok(None) };
        // A page at a time: of fifty thousand, the driver's rows would be the larger half.
        let mut refs: Vec<RefRow> = Vec::new();
        loop {
            let after = refs.last().map_or(String::new(), |last| last.name.clone());
            let page = view.rows(REFS_AFTER.into(), args![id, after, REFS_PAGE]).await?;
            for row in &page {
                refs.push(ref_row(row)?);
            }
            if page.len() < usize::try_from(REFS_PAGE).unwrap_or(usize::MAX) {
                break;
            }
        }
        let packs = each(&view.rows(PACKS_OF_REPO.into(), args![id]).await?, pack_row)?;
        view.close().await?;
        // In order already, unless the database sorts by a language's rules.
        refs.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(Some(RepoState { repo, refs, packs }))
    }
}

fn version(row: &Row) -> Result<RepoVersion> {
    Ok(RepoVersion { generation: row.read(0)?, gc_epoch: row.read(1)? })
}

fn ref_row(row: &Row) -> Result<RefRow> {
    Ok(RefRow { name: row.read(0)?, oid: row.oid(1)?, peeled: row.maybe_oid(2)?, generation: row.read(3)? })
}

fn pack_row(row: &Row) -> Result<PackRow> {
    Ok(PackRow {
        id: PackId(row.read(0)?),
        hash: row.oid(1)?,
        bytes: row.read(2)?,
        objects: row.read(3)?,
        data: row.maybe_bytes(4)?.zip(row.maybe_bytes(5)?),
        damaged: row.read(6)?,
    })
}
