//! Namespaces of followed hubs that have moved to hubs which are not followed: what is here of them is served on,
//! and the operator is told whom to follow.

use polder_db::{Log, Move, MoveElsewhere, MoveState};
use polder_log::Body;

use super::hear_move::Heard;
use super::moves::holds;
use crate::Hub;
use crate::audit::Entry;
use crate::error::Result;

impl Hub {
    /// Writes down a move to a hub that is not followed. From then on nothing more counts of what the log says of
    /// the namespace that told of it so far; unless that would void what is here.
    pub(super) async fn move_elsewhere(&self, heard: &Heard<'_>, held: &[Move]) -> Result<()> {
        let Some(from) = self.told_by(&heard.older, held).await?.filter(|from| !from.is_own) else {
            return Ok(());
        };
        let state = self.judge_move(heard, held).await?;
        if state == MoveState::Refused {
            heard.is_not_followed("its cut is not what was signed, or another one is settled");
            return Ok(());
        }
        if state == MoveState::Rival {
            self.freeze_moves(held).await?;
        }
        let handle = heard.before.namespace.handle.clone();
        let origin = heard.body.log.origin.to_string();
        tracing::warn!(
            handle,
            origin,
            "a namespace has moved to a hub that is not followed: follow it to go on"
        );
        let entry =
            Entry::hub("namespace.moved").with("namespace", handle.as_str()).with("to", origin.as_str());
        let which = MoveElsewhere {
            nsid: heard.nsid,
            seq: heard.body.rseq,
            op: heard.body.sha256(),
            old_log: from.id,
            handle,
            origin,
            voids: state == MoveState::Followed,
            heard_at: self.clock.now(),
        };
        self.keep_ops(from.id, None, heard).await?;
        Ok(self.audited(entry).put_elsewhere(which).await?)
    }

    /// Applies nothing more of a namespace until the operator has chosen between its moves.
    pub(super) async fn freeze_moves(&self, held: &[Move]) -> Result<()> {
        tracing::error!(
            "two operations move one namespace: nothing more of it is applied until the operator has chosen"
        );
        for other in held.iter().filter(|held| holds(held)) {
            self.db.put_move(Move { state: MoveState::Frozen, ..other.clone() }).await?;
        }
        Ok(())
    }

    /// The log that tells of a namespace until it moves again.
    pub(super) async fn told_by(&self, older: &[Body], held: &[Move]) -> Result<Option<Log>> {
        match (held.iter().rev().find(|held| holds(held)), older.first()) {
            (Some(held), _) => Ok(self.db.log(held.new_log).await?),
            (None, Some(creation)) => Ok(self.db.log_named(&creation.log).await?),
            (None, None) => Ok(None),
        }
    }
}
