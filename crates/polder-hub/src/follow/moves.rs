//! Which log speaks for a namespace after it has moved.

use polder_db::{Move, MoveState};
use polder_log::{Leaf, RepoHead};

use polder_types::Sha256;

use crate::Hub;
use crate::error::Result;

/// The moves of namespaces from and to a log, in their order.
pub(super) struct Moves {
    log: i64,
    known: Vec<Move>,
    /// Those that have left for where nothing is followed.
    elsewhere: Vec<Sha256>,
}

/// Whether repositories go by what a move says.
pub(super) fn holds(which: &Move) -> bool {
    matches!(which.state, MoveState::Followed | MoveState::Frozen)
}

impl Moves {
    /// Whether the log speaks no longer for the namespace that a leaf is about.
    pub(super) fn has_left(&self, leaf: &Leaf) -> bool {
        if self.elsewhere.iter().any(|nsid| leaf.hint.is_nsid(nsid)) {
            return true;
        }
        // The newest decides: a namespace may come back.
        let mut newest = self.known.iter().rev().filter(|which| holds(which));
        newest.find(|which| leaf.hint.is_nsid(&which.nsid)).is_some_and(|which| which.new_log != self.log)
    }

    /// The newest move by which a namespace that a leaf is about came to this log, followed or not.
    pub(super) fn hither(&self, leaf: &Leaf) -> Option<&Move> {
        let mut newest = self.known.iter().rev();
        newest.find(|which| which.new_log == self.log && leaf.hint.is_nsid(&which.nsid))
    }
}

impl Hub {
    pub(super) async fn moves(&self, log: i64) -> Result<Moves> {
        let elsewhere = self.db.list_elsewhere(log).await?.into_iter().filter(|which| which.voids);
        let elsewhere = elsewhere.map(|which| which.nsid).collect();
        Ok(Moves { log, known: self.db.list_moves(log).await?, elsewhere })
    }

    /// The newest event before the cut of a repository of which a log has not told yet, and which came to it
    /// with its namespace; if the log before is here whole until then.
    pub(super) async fn head_before_move(&self, moves: &Moves, leaf: &Leaf) -> Result<Option<RepoHead>> {
        let Some(Move { old_log: Some(old), cut, .. }) = moves.hither(leaf) else { return Ok(None) };
        let is_whole = self.db.log(*old).await?.is_some_and(|log| log.tree.size() >= *cut);
        let head = if is_whole { self.db.log_head(*old, leaf.rid).await? } else { None };
        Ok(head
            .filter(|head| head.index < *cut)
            .map(|head| RepoHead { rseq: head.leaf.rseq, body_sha256: head.leaf.body_sha256 }))
    }
}
