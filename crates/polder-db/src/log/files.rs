//! Files that bodies name by their hashes: ref maps, manifests, parts of snapshots.

use bytes::Bytes;
use polder_types::Sha256;

use super::{place, unsigned};
use crate::row::each;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    INSERT_FILE = "INSERT INTO log_file (log, owner, sha256, kind, idx, data) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (log, owner, sha256) DO UPDATE SET idx = excluded.idx WHERE excluded.idx > log_file.idx";
    FILE = "SELECT data FROM log_file WHERE log = $1 AND owner = $2 AND sha256 = $3 AND kind = $4";
    // The newest stay, however old they are.
    DROP_OLD = "DELETE FROM log_file WHERE log = $1 AND owner = $2 AND kind = $3 AND idx < \
        (SELECT MIN(n.idx) FROM (SELECT idx FROM log_file WHERE log = $1 AND owner = $2 AND kind = $3 \
            ORDER BY idx DESC LIMIT $4) n)";
    SNAPSHOTS = "SELECT DISTINCT idx FROM log_file WHERE log = $1 AND owner = $2 AND kind = 'snapshot' AND idx < $3 \
        ORDER BY idx DESC LIMIT $4";
    PLACE_SNAPSHOT = "UPDATE log_file SET idx = $4 WHERE log = $1 AND owner = $2 AND kind = 'snapshot' AND idx = $3";
    DROP_ALL = "DELETE FROM log_file WHERE log = $1 AND owner = $2 AND kind <> 'snapshot'";
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A ref map.
    Refs,
    /// A manifest of objects.
    Manifest,
    /// A part of a snapshot.
    Snapshot,
}

impl FileKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refs => "refs",
            Self::Manifest => "manifest",
            Self::Snapshot => "snapshot",
        }
    }

    /// How many of a repository's are kept: who reads an older event finds the newer one, too.
    fn kept(self) -> i64 {
        match self {
            Self::Refs => 8,
            Self::Manifest => 64,
            // Of the two newest snapshots.
            Self::Snapshot => 2_000,
        }
    }
}

/// A file, whose it is and which event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The repository; zeros for a snapshot.
    pub owner: Sha256,
    /// Its hash, which the caller has computed.
    pub sha256: Sha256,
    /// What it is.
    pub kind: FileKind,
    /// Index of the event that names it.
    pub index: u64,
    /// Its bytes.
    pub data: Bytes,
}

impl Db {
    /// Keeps a file, and no longer some of the oldest of the same owner.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn put_log_file(&self, log: i64, file: LogFile) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                put(tx, log, file).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// A file.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_file(
        &self,
        log: i64,
        owner: Sha256,
        sha256: Sha256,
        kind: FileKind,
    ) -> Result<Option<Bytes>> {
        let row = self.row(FILE, args![log, owner, sha256, kind.as_str()]).await?;
        row.map(|row| Ok(row.maybe_bytes(0)?.unwrap_or_default())).transpose()
    }

    /// Indexes of at most `limit` snapshots before `size` of which parts are here, the newest first. One that
    /// was not finished is among them, under the size that it is of: the event there is another.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_snapshots(&self, log: i64, size: u64, limit: i64) -> Result<Vec<u64>> {
        let owner = Sha256::new([0; 32]);
        let rows = self.rows(SNAPSHOTS, args![log, owner, place(size), limit]).await?;
        each(&rows, |row| unsigned(row, 0))
    }

    /// Says that the event at `index` names the parts that were kept under `made_at`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn place_log_snapshot(&self, log: i64, made_at: u64, index: u64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let owner = Sha256::new([0; 32]);
                tx.execute(PLACE_SNAPSHOT, args![log, owner, place(made_at), place(index)]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Forgets the ref maps and manifests of a repository, of which nothing may be told any more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn drop_log_files(&self, log: i64, owner: Sha256) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                drop_all(tx, log, owner).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// As [`Db::put_log_file`], in a write.
pub(crate) async fn put(tx: &mut Tx, log: i64, file: LogFile) -> Result<()> {
    let LogFile { owner, sha256, kind, index, data } = file;
    tx.execute(INSERT_FILE, args![log, owner, sha256, kind.as_str(), place(index), data]).await?;
    tx.execute(DROP_OLD, args![log, owner, kind.as_str(), kind.kept()]).await.map(drop)
}

/// As [`Db::drop_log_files`], in a write.
pub(crate) async fn drop_all(tx: &mut Tx, log: i64, owner: Sha256) -> Result<()> {
    tx.execute(DROP_ALL, args![log, owner]).await.map(drop)
}
