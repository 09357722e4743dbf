//! Beginning to keep a log where a snapshot of it was made, without the events before.

use bytes::Bytes;
use polder_log::{Frontier, Leaf, TileId, VerifierKey};

use super::append::Appended;
use super::{place, tiles};
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    START = "UPDATE log SET size = $4, root = $5, peaks = $6, version = CASE WHEN $7 > version THEN $7 ELSE version END, \
        min_index = $8, appended_at = $9 WHERE id = $1 AND size = $2 AND root = $3 AND NOT own";
    DROP_LEAVES = "DELETE FROM log_tile WHERE log = $1 AND level = -1";
}

/// Where a log begins here; everything is verified.
#[derive(Debug, Clone)]
pub struct LogStart {
    /// Local id of the log.
    pub log: i64,
    /// The tree as the caller knows it.
    pub before: Frontier,
    /// The tree of whole bundles before the first leaf that is kept.
    pub base: Frontier,
    /// The last tile of each level above the leaves, as it is in that tree, where it is not full.
    pub edge: Vec<(TileId, Bytes)>,
    /// The leaves from there on; fewer than a bundle has.
    pub leaves: Vec<Leaf>,
    /// The key that signs its checkpoints now.
    pub key: VerifierKey,
}

impl Db {
    /// Goes on with a log of another hub from the end of some leaves, if it still is as the caller knows it.
    /// Leaves that were kept before are no longer.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn start_log(&self, start: LogStart) -> Result<Appended> {
        self.write(move |tx| {
            Box::pin(async move {
                let LogStart { log, before, base, edge, leaves, key } = start;
                let (mut tree, mut grown) = (base.clone(), tiles::Grown::default());
                for leaf in &leaves {
                    grown.push_leaf(tree.size(), leaf);
                    tree.push(leaf.hash(), |node, hash| grown.push_hash(node, &hash));
                }
                let version = i64::from(leaves.iter().map(|leaf| leaf.version).max().unwrap_or(0));
                let (known, peaks, now) = (place(before.size()), Bytes::from(tree.to_bytes()), tx.now());
                let (size, min) = (place(tree.size()), place(base.size()));
                let args = args![log, known, before.root(), size, tree.root(), peaks, version, min, now];
                if tx.execute(START, args).await? == 0 {
                    return Ok(Verdict::Discard(Appended::Raced));
                }
                tx.execute(DROP_LEAVES, args![log]).await?;
                tx.execute(super::SET_VKEY, args![log, key.to_string()]).await?;
                let edge = edge.into_iter().map(|(id, data)| (i64::from(id.level), place(id.index), data));
                tiles::put(tx, log, &edge.collect::<Vec<_>>()).await?;
                grown.store(tx, log).await?;
                Ok(Verdict::Keep(Appended::Done(tree)))
            })
        })
        .await
    }
}
