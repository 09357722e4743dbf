//! Appending to a log: leaves, hashes, bodies, heads and operations, in one write.

use std::collections::BTreeMap;

use bytes::Bytes;
use polder_log::{EventType, Frontier, Leaf, VerifierKey};
use polder_types::Sha256;

use super::heads::LogHeadRow;
use super::lease::Lease;
use super::{Log, bodies, place, tiles};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    // Compares and swaps: whoever appended meanwhile, or took the lease, wins.
    GROW = "UPDATE log SET size = $4, root = $5, peaks = $6, version = $7, appended_at = $8, \
        fact_seq = CASE WHEN $9 > fact_seq THEN $9 ELSE fact_seq END \
        WHERE id = $1 AND size = $2 AND root = $3";
}

templates! {
    UPSERT_HEADS(1) = "INSERT INTO log_head (log, rid, idx, leaf) VALUES ", "($1, ?, ?, ?)",
        " ON CONFLICT (log, rid) DO UPDATE SET idx = excluded.idx, leaf = excluded.leaf WHERE excluded.idx > log_head.idx";
    INSERT_OPS(1) = "INSERT INTO ns_op (log, nsid, seq, body_sha256, idx) VALUES ", "($1, ?, ?, ?, ?)",
        " ON CONFLICT (log, nsid, seq, idx) DO NOTHING";
}

/// One leaf to append, and what belongs to it.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// The leaf.
    pub leaf: Leaf,
    /// Its body, if it is here; it may come later ([`Db::put_log_bodies`]).
    pub body: Option<Bytes>,
    /// For events of a namespace, which one: the body says it.
    pub nsid: Option<Sha256>,
}

/// An operation of a namespace, or a key of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOp {
    /// The namespace; zeros for the hub.
    pub nsid: Sha256,
    /// Its place among those of the namespace, from 1.
    pub seq: u64,
    /// Where it is in the log, or at the latest is when only a snapshot tells of it.
    pub index: u64,
    /// Its body.
    pub body_sha256: Sha256,
}

/// What to append, and to what.
#[derive(Debug, Clone)]
pub struct LogAppend {
    /// Local id of the log.
    pub log: i64,
    /// The tree as the caller knows it.
    pub tree: Frontier,
    /// In order, from the end of that tree on.
    pub entries: Vec<LogEntry>,
    /// For the own log: the right to append, and the last fact that the entries tell of.
    pub sequenced: Option<(Lease, i64)>,
    /// A signed note over the whole tree afterwards, and nothing beyond it.
    pub checkpoint: Option<String>,
    /// The key that signs its checkpoints from now on, when these entries change it.
    pub key: Option<VerifierKey>,
}

/// Whether the log was as the caller knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Done; the tree afterwards.
    Done(Frontier),
    /// Someone else has appended, or holds the lease. Nothing was written.
    Raced,
}

impl Db {
    /// Appends to a log, if it still is as the caller knows it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn append_to_log(&self, append: LogAppend) -> Result<Appended> {
        self.write(move |tx| {
            Box::pin(async move {
                let appended = self::append(tx, append).await?;
                let raced = appended == Appended::Raced;
                Ok(if raced { Verdict::Discard(appended) } else { Verdict::Keep(appended) })
            })
        })
        .await
    }
}

/// As [`Db::append_to_log`], in a write that must be discarded when the answer is [`Appended::Raced`].
pub(crate) async fn append(tx: &mut Tx, append: LogAppend) -> Result<Appended> {
    let LogAppend { log, mut tree, entries, sequenced, checkpoint, key } = append;
    if let Some((lease, _)) = sequenced
        && !super::lease::is_held(tx, log, lease).await?
    {
        return Ok(Appended::Raced);
    }
    let (size, root) = (tree.size(), tree.root());
    let mut grown = tiles::Grown::default();
    for entry in &entries {
        grown.push_leaf(tree.size(), &entry.leaf);
        tree.push(entry.leaf.hash(), |node, hash| grown.push_hash(node, &hash));
    }
    let version = entries.iter().map(|entry| entry.leaf.version).max().unwrap_or(0);
    let fact_seq = sequenced.map_or(0, |(_, fact_seq)| fact_seq);
    let now = tx.now();
    let peaks = Bytes::from(tree.to_bytes());
    let (new_size, new_root) = (place(tree.size()), tree.root());
    let args = args![log, place(size), root, new_size, new_root, peaks, i64::from(version), now, fact_seq];
    if tx.execute(GROW, args).await? == 0 {
        return Ok(Appended::Raced);
    }
    grown.store(tx, log).await?;
    heads(tx, log, size, &entries).await?;
    bodies::insert(tx, entries.into_iter().filter_map(|entry| Some((entry.leaf.body_sha256, entry.body?))))
        .await?;
    if let Some(key) = key {
        tx.execute(super::SET_VKEY, crate::value::args![log, key.to_string()]).await?;
    }
    if let Some(note) = checkpoint {
        super::set_checkpoint(tx, log, note, tree.size()).await?;
    }
    Ok(Appended::Done(tree))
}

/// Records the newest leaf of every repository and namespace, and every operation.
async fn heads(tx: &mut Tx, log: i64, first: u64, entries: &[LogEntry]) -> Result<()> {
    let (mut newest, mut ops) = (BTreeMap::new(), Vec::new());
    for (entry, index) in entries.iter().zip(first..) {
        let leaf = &entry.leaf;
        if leaf.kind.is_repo() || !leaf.rid.is_zero() {
            newest.insert(leaf.rid, (index, leaf));
        } else if let (EventType::NsCreate | EventType::NsOp, Some(nsid)) = (leaf.kind, entry.nsid) {
            newest.insert(nsid, (index, leaf));
            ops.push(LogOp { nsid, seq: leaf.rseq, index, body_sha256: leaf.body_sha256 });
        } else if leaf.kind == EventType::HubKey {
            let nsid = super::HUB_KEYS;
            ops.push(LogOp { nsid, seq: leaf.rseq, index, body_sha256: leaf.body_sha256 });
        }
    }
    let newest = newest.into_iter().map(|(rid, (index, leaf))| LogHeadRow { rid, index, leaf: *leaf });
    put_heads(tx, log, &newest.collect::<Vec<_>>()).await?;
    put_ops(tx, log, &ops).await
}

/// Records newest leaves, unless newer ones are known.
pub(crate) async fn put_heads(tx: &mut Tx, log: i64, heads: &[LogHeadRow]) -> Result<()> {
    for some in heads.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![log];
        for LogHeadRow { rid, index, leaf } in some {
            args.extend(args![*rid, place(*index), Bytes::copy_from_slice(&leaf.encode())]);
        }
        tx.execute(UPSERT_HEADS.statement(some.len()), args).await?;
    }
    Ok(())
}

/// Records operations.
pub(crate) async fn put_ops(tx: &mut Tx, log: i64, ops: &[LogOp]) -> Result<()> {
    for some in ops.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![log];
        for LogOp { nsid, seq, index, body_sha256 } in some {
            args.extend(args![*nsid, place(*seq), *body_sha256, place(*index)]);
        }
        tx.execute(INSERT_OPS.statement(some.len()), args).await?;
    }
    Ok(())
}

impl Log {
    /// An append to this log as it was read.
    pub fn append(&self, entries: Vec<LogEntry>) -> LogAppend {
        LogAppend {
            log: self.id,
            tree: self.tree.clone(),
            entries,
            sequenced: None,
            checkpoint: None,
            key: None,
        }
    }
}
