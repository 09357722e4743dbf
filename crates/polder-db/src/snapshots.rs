//! The state of one repository, read in one transaction.

use bytes::Bytes;
use polder_types::{ObjectId, PackId, RepoId};

use crate::repos::REPO_BY_ID;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::{Db, Repo, Result};

statements! {
    REFS_OF_REPO = "SELECT name, oid, peeled, gen FROM ref WHERE repo = $1 ORDER BY name";
    PACKS_OF_REPO = "SELECT id, hash, bytes, objects, data, index_data FROM pack \
        WHERE repo = $1 AND state = 'live' ORDER BY id";
}

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

impl Db {
    /// Reads a live repository with its refs and packs, as of one moment.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn load_repo_state(&self, id: RepoId) -> Result<Option<RepoState>> {
        let answers = self.rows_at_once(&[REPO_BY_ID, REFS_OF_REPO, PACKS_OF_REPO], &[id.into()]).await?;
        let [repo, refs, packs] = answers.as_slice() else { return Ok(None) };
        let Some(repo) = repo.first() else { return Ok(None) };
        let mut refs = each(refs, ref_row)?;
        // In order already, unless the database sorts by a language's rules.
        refs.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(Some(RepoState { repo: Repo::from_row(repo)?, refs, packs: each(packs, pack_row)? }))
    }
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
    })
}
