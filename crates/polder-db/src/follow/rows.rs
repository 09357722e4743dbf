//! What a snapshot of another hub's log says, loaded a page at a time before the log itself goes on from there.

use bytes::Bytes;
use polder_types::Sha256;

use super::page::{MirrorTarget, put_targets};
use crate::log::{LogHeadRow, LogOp, put_bodies, put_heads, put_ops};
use crate::row::each;
use crate::sql::{ROWS_PER_STATEMENT_MAX, templates};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Result};

templates! {
    AMONG(1) = "SELECT rid FROM mirror WHERE log = $1 AND rid IN (", "?", ")";
}

/// Some rows of a snapshot, verified.
#[derive(Debug, Clone, Default)]
pub struct SnapshotRows {
    /// Local id of the log.
    pub log: i64,
    /// The newest event of each repository and namespace.
    pub heads: Vec<LogHeadRow>,
    /// Bodies that came along.
    pub bodies: Vec<(Sha256, Bytes)>,
    /// Operations of namespaces, and keys of the hub.
    pub ops: Vec<LogOp>,
    /// What becomes of mirrors.
    pub targets: Vec<MirrorTarget>,
}

impl Db {
    /// Keeps rows of a snapshot; what is known of later events stays.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn load_snapshot_rows(&self, rows: SnapshotRows) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let SnapshotRows { log, heads, bodies, ops, targets } = rows;
                put_heads(tx, log, &heads).await?;
                put_ops(tx, log, &ops).await?;
                put_bodies(tx, bodies).await?;
                put_targets(tx, log, targets).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Those of some repositories of which there are mirrors.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mirrors_among(&self, log: i64, rids: &[Sha256]) -> Result<Vec<Sha256>> {
        let mut found = Vec::new();
        for some in rids.chunks(ROWS_PER_STATEMENT_MAX) {
            let args = args![log].into_iter().chain(some.iter().copied().map(Value::from)).collect();
            found.extend(each(&self.rows(AMONG.statement(some.len()), args).await?, |row| row.sha256(0))?);
        }
        Ok(found)
    }
}
