//! Whether a move is followed: against other moves in its place, and against what was applied of the log that it
//! leaves.

use polder_db::{Log, LogBody, Move, MoveState};
use polder_log::{Body, Competition, CutVerdict, LogHead, compete, judge_cut};
use polder_types::Sha256;

use super::hear_move::{Heard, cut_of};
use super::moves::holds;
use crate::Hub;
use crate::error::{Error, Result};

/// Repositories looked through at a time.
const PAGE: i64 = 500;
/// Most operations of a namespace.
const OPS_MAX: usize = 1_000;

impl Hub {
    /// What is to be made of a move.
    pub(super) async fn judge_move(&self, heard: &Heard<'_>, held: &[Move]) -> Result<MoveState> {
        let Heard { body, nsid, cut, older, before } = heard;
        let is_older = |op: Sha256| older.iter().any(|body| body.sha256() == op);
        let held = held.iter().filter(|held| holds(held)).map(|held| (held.op, held.held_at));
        let elsewhere = self.db.elsewhere_of(*nsid).await?;
        let elsewhere = elsewhere.iter().map(|held| (held.op, held.heard_at));
        let others = held.chain(elsewhere).filter(|(op, _)| !is_older(*op) && *op != body.sha256());
        if let Some((other, held_at)) = others.min_by_key(|(_, held_at)| *held_at) {
            if self.comes_after(other, body.sha256()).await? {
                return Ok(MoveState::Followed);
            }
            return Ok(match compete(held_at, self.clock.now()) {
                Competition::Stay => MoveState::Refused,
                Competition::Freeze => MoveState::Rival,
            });
        }
        if cut.log.origin != before.namespace.home {
            return Ok(MoveState::Refused);
        }
        // Where the log before is not here, one before that may be: it counted until it was cut.
        for cut in [*cut].into_iter().chain(older.iter().rev().filter_map(cut_of)) {
            if let Some(old) = self.db.log_named(&cut.log).await? {
                return self.judge_by(old, cut, *nsid).await;
            }
        }
        Ok(MoveState::Followed)
    }

    /// Judges a cut by the log that it is of.
    async fn judge_by(&self, old: Log, cut: &LogHead, nsid: Sha256) -> Result<MoveState> {
        if old.is_own {
            // What is said here and not told yet counts.
            self.sequence_once().await?;
        }
        let old = self.db.log(old.id).await?.unwrap_or(old);
        // Anyone can make up a namespace of another hub: that hub must have told of it.
        if old.tree.size() >= cut.size && self.db.log_head(old.id, nsid).await?.is_none() {
            return Ok(MoveState::Refused);
        }
        let applied = self.applied_of(old.id, nsid).await?;
        let root = self.db.log_root(&old, cut.size).await?;
        Ok(match judge_cut(cut, &old.name, applied, root) {
            CutVerdict::Follow => MoveState::Followed,
            CutVerdict::AskOperator => MoveState::Asked,
            CutVerdict::Contradiction => MoveState::Refused,
        })
    }

    /// Whether an operation that is known came after another one.
    async fn comes_after(&self, known: Sha256, other: Sha256) -> Result<bool> {
        let mut next = Some(known);
        for _ in 0..OPS_MAX {
            let Some(sha256) = next else { break };
            let LogBody::Held(bytes) = self.db.log_body(sha256).await? else { break };
            next = Body::decode(&bytes).map_err(Error::internal)?.prev;
            if next == Some(other) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One more than the index of the newest event of a namespace's repositories in a log.
    async fn applied_of(&self, log: i64, nsid: Sha256) -> Result<u64> {
        let (mut applied, mut after) = (0, None);
        loop {
            let page = self.db.list_log_heads(log, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(applied) };
            after = Some(last.rid);
            let its = page.iter().filter(|head| head.leaf.kind.is_repo() && head.leaf.hint.is_nsid(&nsid));
            applied = its.map(|head| head.index + 1).fold(applied, u64::max);
        }
    }
}
