//! The newest event of every repository and namespace, and the operations of a namespace.

use bytes::Bytes;
use polder_log::Leaf;
use polder_types::Sha256;

use super::{LOG_BY_ID, Log, damaged, unsigned};
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::value::{Value, args};
use crate::view::View;
use crate::{Db, Result};

statements! {
    HEAD = "SELECT rid, idx, leaf FROM log_head WHERE log = $1 AND rid = $2";
    HEADS_AFTER = "SELECT rid, idx, leaf FROM log_head WHERE log = $1 AND rid > $2 ORDER BY rid LIMIT $3";
    LOGS_OF = "SELECT DISTINCT log FROM ns_op WHERE nsid = $1 ORDER BY log LIMIT $2";
    OPS = "SELECT idx, body_sha256 FROM ns_op WHERE log = $1 AND nsid = $2 ORDER BY seq, idx LIMIT $3";
}

templates! {
    HEADS_OF(1) = "SELECT rid, idx, leaf FROM log_head WHERE log = $1 AND rid IN (", "?", ")";
}

/// Most operations of a namespace that are read.
const OPS_MAX: i64 = 1_000;
/// Most logs that tell of one namespace.
const LOGS_MAX: i64 = 100;

/// The newest leaf of a repository, or of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHeadRow {
    /// The repository, or the namespace.
    pub rid: Sha256,
    /// Where the leaf is in the log.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
}

impl LogHeadRow {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { rid: row.sha256(0)?, index: unsigned(row, 1)?, leaf: leaf(row, 2)? })
    }
}

/// Reads a leaf.
pub(super) fn leaf(row: &Row, column: usize) -> Result<Leaf> {
    let leaf: Vec<u8> = row.read(column)?;
    Leaf::decode(&leaf).map_err(|error| damaged("a leaf", error))
}

/// The newest leaves of a log's repositories and namespaces as of one moment.
pub struct LogHeads {
    view: View,
    log: Log,
    after: Bytes,
}

impl LogHeads {
    /// The log at that moment.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// At most `limit` of them, by their ids; none when there are no more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next(&mut self, limit: i64) -> Result<Vec<LogHeadRow>> {
        let args = args![self.log.id, self.after.clone(), limit];
        let page = each(&self.view.rows(HEADS_AFTER.into(), args).await?, LogHeadRow::from_row)?;
        if let Some(last) = page.last() {
            self.after = Bytes::copy_from_slice(last.rid.as_bytes());
        }
        Ok(page)
    }

    /// Looks no more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn close(self) -> Result<()> {
        self.view.close().await
    }
}

impl Db {
    /// The newest leaf of a repository or namespace in a log.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_head(&self, log: i64, rid: Sha256) -> Result<Option<LogHeadRow>> {
        self.row(HEAD, args![log, rid]).await?.map(|row| LogHeadRow::from_row(&row)).transpose()
    }

    /// The logs that tell of a namespace.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn logs_of_namespace(&self, nsid: Sha256) -> Result<Vec<i64>> {
        each(&self.rows(LOGS_OF, args![nsid, LOGS_MAX]).await?, |row| row.read(0))
    }

    /// The newest leaves of those among these repositories and namespaces that a log tells of, in no order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_heads(&self, log: i64, rids: &[Sha256]) -> Result<Vec<LogHeadRow>> {
        let mut found = Vec::with_capacity(rids.len());
        for some in rids.chunks(ROWS_PER_STATEMENT_MAX) {
            let args = args![log].into_iter().chain(some.iter().copied().map(Value::from)).collect();
            let rows = self.rows(HEADS_OF.statement(some.len()), args).await?;
            found.extend(each(&rows, LogHeadRow::from_row)?);
        }
        Ok(found)
    }

    /// The newest leaves of a log's repositories and namespaces by their ids, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_log_heads(
        &self,
        log: i64,
        after: Option<Sha256>,
        limit: i64,
    ) -> Result<Vec<LogHeadRow>> {
        let after = after.map_or(Bytes::new(), |rid| Bytes::copy_from_slice(rid.as_bytes()));
        each(&self.rows(HEADS_AFTER, args![log, after, limit]).await?, LogHeadRow::from_row)
    }

    /// Looks at a log as it is at this moment; it grows meanwhile.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn view_log_heads(&self, id: i64) -> Result<Option<LogHeads>> {
        let mut view = self.view().await?;
        let log = view.rows(LOG_BY_ID.into(), args![id]).await?;
        let Some(log) = log.first().map(Log::from_row).transpose()? else { return Ok(None) };
        Ok(Some(LogHeads { view, log, after: Bytes::new() }))
    }

    /// The events that gave the hub of a log its keys, the first first: index and body.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn hub_keys(&self, log: i64) -> Result<Vec<(u64, Sha256)>> {
        self.namespace_ops(log, super::HUB_KEYS).await
    }

    /// The operations of a namespace, its creation first, as index and body.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn namespace_ops(&self, log: i64, nsid: Sha256) -> Result<Vec<(u64, Sha256)>> {
        let rows = self.rows(OPS, args![log, nsid, OPS_MAX]).await?;
        let mut ops: Vec<(u64, Sha256)> = each(&rows, |row| Ok((unsigned(row, 0)?, row.sha256(1)?)))?;
        // A snapshot may have told of one before its event came.
        ops.dedup_by_key(|(_, body)| *body);
        Ok(ops)
    }
}
