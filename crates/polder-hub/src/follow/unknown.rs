//! Hiding what a namespace left behind: mirrors that its new home has never told of.
//!
//! What was deleted or hidden at the old home shortly before the move may never have been read here. The new home
//! tells of all that it took over in one go, right after the move: what it does not tell of soon is gone.

use std::collections::HashMap;

use polder_db::{LogBody, Mirror, Move, MoveState};
use polder_log::Body;
use polder_types::{Sha256, UnixMillis};

use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Result};

/// For how long after a move its new home may still tell of what it took over, by that hub's clock, in seconds.
const SETTLED_SECONDS: i64 = 15 * 60;
/// Mirrors looked through at a time.
const PAGE: i64 = 500;

impl Hub {
    /// Hides the mirrors of namespaces which moved to a hub long enough ago, that this has not told of. They are
    /// purged as what it took away; but what was at home here stays.
    pub(super) async fn hide_unknown(&self, log: i64) -> Result<()> {
        let (mut moves, mut after) = (None, None);
        loop {
            let page = self.db.list_unknown(log, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.rid);
            if moves.is_none() {
                moves = Some(self.settled_moves(log).await?);
            }
            let Some(settled) = moves.as_ref().filter(|moves| !moves.is_empty()) else { return Ok(()) };
            for mirror in page {
                let Some(nsid) = self.namespace_of_mirror(&mirror).await? else { continue };
                if let Some(was_own) = settled.get(&nsid) {
                    self.hide_one(&mirror, *was_own).await?;
                }
            }
        }
    }

    async fn hide_one(&self, mirror: &Mirror, was_own: bool) -> Result<()> {
        let entry = Entry::hub("repo.hide").with("id", mirror.path.as_str());
        let db = self.audited(entry.with("why", "its namespace moved, and its new home does not have it"));
        if db.hide_unknown(mirror.log, mirror.rid, was_own).await? {
            tracing::warn!(path = mirror.path, "hidden: the new home of its namespace does not have it");
            self.names.clear();
        }
        Ok(())
    }

    /// The namespaces that moved to a log long enough ago, and whether they were at home here before.
    async fn settled_moves(&self, log: i64) -> Result<HashMap<Sha256, bool>> {
        let mut settled = HashMap::new();
        let Some(read_until) = self.time_of_newest(log).await? else { return Ok(settled) };
        let own = self.db.own_log().await?.map(|own| own.id);
        for Move { nsid, op, old_log, new_log, state, .. } in self.db.list_moves(log).await? {
            // What leaves again is the newer one's to decide.
            settled.remove(&nsid);
            if new_log != log || state != MoveState::Followed {
                continue;
            }
            let LogBody::Held(bytes) = self.db.log_body(op).await? else { continue };
            let moved_at = Body::decode(&bytes).map_err(Error::internal)?.time;
            if moved_at.plus_seconds(SETTLED_SECONDS) <= read_until {
                settled.insert(nsid, old_log.is_some() && old_log == own);
            }
        }
        Ok(settled)
    }

    /// When the last event happened that is read of a log, if its leaf is here.
    async fn time_of_newest(&self, id: i64) -> Result<Option<UnixMillis>> {
        let Some(log) = self.db.log(id).await? else { return Ok(None) };
        let size = log.tree.size();
        if size <= log.min_index {
            return Ok(None);
        }
        let last = self.db.log_leaves(id, size - 1, size, 1).await?;
        Ok(last.first().and_then(|leaf| i64::try_from(leaf.time_ms).ok()).map(UnixMillis))
    }

    /// The namespace that a mirror's newest event is of, if its body is here.
    pub(super) async fn namespace_of_mirror(&self, mirror: &Mirror) -> Result<Option<Sha256>> {
        Ok(self.body_of_mirror(mirror).await?.and_then(|body| body.nsid))
    }

    /// The body of a mirror's newest event, if it is here.
    pub(super) async fn body_of_mirror(&self, mirror: &Mirror) -> Result<Option<Body>> {
        let LogBody::Held(bytes) = self.db.log_body(mirror.body).await? else { return Ok(None) };
        Body::decode(&bytes).map(Some).map_err(Error::internal)
    }
}
