//! Large objects that a mirror needs and that come when somebody asks for one.

use std::collections::BTreeMap;

use polder_types::{ObjectId, RepoId, Sha256};
use polder_xet::FileHash;

use crate::blobs::is_allowed;
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Tx;
use crate::value::{Value, args};
use crate::{Db, Result};

statements! {
    // From the first hash on: every one is greater than no bytes at all.
    AWAY = "SELECT z.sha256, z.size, z.xet FROM lazy_object z WHERE z.repo = $1 AND z.sha256 > $2 AND NOT EXISTS \
        (SELECT 1 FROM repo_blob l JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = z.repo AND l.sha256 = z.sha256) ORDER BY z.sha256 LIMIT $3";
    OF_ORIGIN = concat!("SELECT b.sha256, b.size, b.xet, r.id, o.id FROM lazy_object b JOIN repo r ON r.id = b.repo \
        JOIN log o ON o.id = r.upstream WHERE b.sha256 = $1 AND o.origin_sha256 = $2 AND r.state = 'live' \
        AND r.visibility = 'public' AND r.withheld IS NULL AND ", is_allowed!(), " ORDER BY r.id LIMIT 1");
    OF_FILE = concat!("SELECT b.sha256, b.size, b.xet FROM lazy_object b WHERE b.repo = $1 AND b.xet = $2 AND ",
        is_allowed!(), " ORDER BY b.sha256 LIMIT 1");
    ALL_OF_REPO = "SELECT sha256, size, xet FROM lazy_object WHERE repo = $1 AND sha256 > $2 ORDER BY sha256 LIMIT $3";
}

templates! {
    NAMED(1) = concat!("SELECT b.sha256, b.size, b.xet FROM lazy_object b WHERE b.repo = $1 AND ", is_allowed!(),
        " AND b.sha256 IN ("), "?", ")";
    INSERT(1) = "INSERT INTO lazy_object (repo, sha256, size, xet, pointer_oid) VALUES ", "($1, ?, ?, ?, ?)",
        " ON CONFLICT (repo, sha256) DO UPDATE SET pointer_oid = excluded.pointer_oid, \
        xet = COALESCE(excluded.xet, lazy_object.xet)";
}

/// A large object that comes when somebody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LazyObject {
    /// Hash of its bytes.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// The signed hash of the tree over its chunks, if there is one.
    pub xet: Option<FileHash>,
}

impl LazyObject {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { sha256: row.sha256(0)?, size_bytes: row.read(1)?, xet: row.maybe_file_hash(2)? })
    }
}

impl Db {
    /// Those of `oids` that a repository gets when somebody asks for them, here by now or not, in any order;
    /// none that is blocked.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn lazy_objects(&self, repo: RepoId, oids: &[Sha256]) -> Result<Vec<LazyObject>> {
        let mut found = Vec::new();
        for some in oids.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut args = args![repo];
            args.extend(some.iter().copied().map(Value::from));
            found.extend(each(&self.rows(NAMED.statement(some.len()), args).await?, LazyObject::from_row)?);
        }
        Ok(found)
    }

    /// The object that a signed file hash names, if a repository gets it when somebody asks for it, here by now or not;
    /// none that is blocked.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn lazy_file(&self, repo: RepoId, file: FileHash) -> Result<Option<LazyObject>> {
        self.row(OF_FILE, args![repo, file]).await?.map(|row| LazyObject::from_row(&row)).transpose()
    }

    /// An object that a public mirror of the hub whose origin has a hash gets when somebody asks for it, that mirror,
    /// and its upstream's log; none that is blocked.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn public_lazy_object(
        &self,
        origin_sha256: Sha256,
        oid: Sha256,
    ) -> Result<Option<(LazyObject, RepoId, i64)>> {
        let row = self.row(OF_ORIGIN, args![oid, origin_sha256]).await?;
        row.map(|row| Ok((LazyObject::from_row(&row)?, RepoId(row.read(3)?), row.read(4)?))).transpose()
    }

    /// Every such object of a repository by hash, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_lazy_objects(
        &self,
        repo: RepoId,
        after: Option<Sha256>,
        limit: i64,
    ) -> Result<Vec<LazyObject>> {
        self.page_of_lazy(ALL_OF_REPO, repo, after, limit).await
    }

    /// Those that have not come yet, by hash, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn away_objects(
        &self,
        repo: RepoId,
        after: Option<Sha256>,
        limit: i64,
    ) -> Result<Vec<LazyObject>> {
        self.page_of_lazy(AWAY, repo, after, limit).await
    }

    async fn page_of_lazy(
        &self,
        statement: &'static str,
        repo: RepoId,
        after: Option<Sha256>,
        limit: i64,
    ) -> Result<Vec<LazyObject>> {
        let after = after.map_or(bytes::Bytes::new(), |sha| bytes::Bytes::copy_from_slice(sha.as_bytes()));
        each(&self.rows(statement, args![repo, after, limit]).await?, LazyObject::from_row)
    }
}

/// Writes down which objects may come later; `pointers` says what points to each.
pub(crate) async fn store(
    tx: &mut Tx,
    repo: RepoId,
    objects: &[LazyObject],
    pointers: &BTreeMap<Sha256, ObjectId>,
) -> Result<()> {
    let mut rows: BTreeMap<Sha256, (LazyObject, ObjectId)> = BTreeMap::new();
    for object in objects {
        if let Some(pointer) = pointers.get(&object.sha256) {
            rows.insert(object.sha256, (*object, *pointer));
        }
    }
    let rows: Vec<(LazyObject, ObjectId)> = rows.into_values().collect();
    for some in rows.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![repo];
        for (object, pointer) in some {
            args.extend(args![object.sha256, object.size_bytes, object.xet, *pointer]);
        }
        tx.execute(INSERT.statement(some.len()), args).await?;
    }
    Ok(())
}
