//! Hearing that a namespace has moved to the hub whose log says so, and going on with its mirrors there.
//!
//! An operation is believed for its signature: it must be the next in the namespace's own chain, from the
//! creation on, wherever the older ones were found. What it voids was not applied here, or the operator agrees.

use std::collections::HashMap;

use polder_db::{FollowedMove, Log, LogBody, LogOp, Move, MoveAway, MoveState, SnapshotRows};
use polder_log::{
    Body, Competition, CutVerdict, Data, EventType, LogHead, NamespaceChain, compete, judge_cut, read_bodies,
};
use polder_types::Sha256;

use super::moves::holds;
use super::peer::PeerError;
use super::sources::SourceSet;
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Result};

/// Repositories, or mirrors, looked through at a time.
const PAGE: i64 = 500;
/// Most operations of a namespace.
const OPS_MAX: usize = 1_000;

/// An operation that moves a namespace here, with those before it.
struct Heard<'a> {
    body: &'a Body,
    nsid: Sha256,
    cut: &'a LogHead,
    /// From the creation on.
    older: Vec<Body>,
    /// The namespace before it.
    before: NamespaceChain,
}

impl Hub {
    /// Takes notice of an operation in a log, which moves a namespace to the hub of that if it has a cut.
    pub(super) async fn hear_move(
        &self,
        log: &Log,
        index: u64,
        body: &Body,
        sources: &SourceSet,
    ) -> Result<()> {
        let (Some(nsid), Data::Namespace(next)) = (body.namespace(), &body.data) else { return Ok(()) };
        let Some(cut) = next.cut.as_ref().filter(|_| body.kind == EventType::NsOp) else { return Ok(()) };
        let held = self.db.moves_of(nsid).await?;
        if next.home != log.name.origin || held.iter().any(|held| held.op == body.sha256()) {
            return Ok(());
        }
        let why = |why: &str| tracing::warn!(%nsid, origin = %log.name, why, "a move is not followed");
        let Some(older) = self.ops_before(nsid, body, sources).await? else {
            why("the operations before it are not to be had");
            return Ok(());
        };
        let before = match NamespaceChain::follow(&older) {
            Ok(before) => before,
            Err(error) => {
                why(&error.to_string());
                return Ok(());
            }
        };
        if let Err(error) = before.next(body) {
            why(&error.to_string());
            return Ok(());
        }
        let heard = Heard { body, nsid, cut, older, before };
        self.keep_ops(log, index, &heard).await?;
        let mut which = Move {
            nsid,
            seq: body.rseq,
            op: body.sha256(),
            old_log: self.db.log_named(&cut.log).await?.map(|old| old.id),
            cut: cut.size,
            new_log: log.id,
            state: self.judge_move(&heard, &held).await?,
            held_at: self.clock.now(),
        };
        match which.state {
            MoveState::Followed if held.iter().any(|held| holds(held) && held.seq > which.seq) => {
                // An older one, of which only what came of it was known.
                Ok(self.db.put_move(which).await?)
            }
            MoveState::Followed => self.follow_move(which, &heard.older, &heard.before, &held).await,
            MoveState::Rival => {
                tracing::error!(%nsid, origin = %log.name, "two operations move one namespace: nothing more of it \
                    is applied until the operator has chosen");
                for other in held.into_iter().filter(|held| held.state == MoveState::Followed) {
                    self.db.put_move(Move { state: MoveState::Frozen, ..other }).await?;
                }
                Ok(self.db.put_move(which).await?)
            }
            state => {
                why(match state {
                    MoveState::Asked => "it voids what is applied here: the operator is asked",
                    _ => "its cut is not what was signed, or another one is settled",
                });
                which.state = state;
                Ok(self.db.put_move(which).await?)
            }
        }
    }

    /// The operations of a namespace before one of them, from the creation on: from any log here, or as whoever
    /// has that one gives them. `None` when nobody has them; an error when somebody may.
    async fn ops_before(&self, nsid: Sha256, body: &Body, sources: &SourceSet) -> Result<Option<Vec<Body>>> {
        let mut known = HashMap::new();
        for sha256 in self.db.every_op(nsid).await? {
            if let LogBody::Held(bytes) = self.db.log_body(sha256).await? {
                known.insert(sha256, Body::decode(&bytes).map_err(Error::internal)?);
            }
        }
        if let Some(older) = back(body, &known) {
            return Ok(Some(older));
        }
        let mut failed = None;
        for source in sources.in_order() {
            match source.peer.namespace(nsid).await {
                Ok(list) => {
                    let bodies = read_bodies(&list).unwrap_or_default();
                    let bodies = bodies.into_iter().filter_map(|bytes| Body::decode(bytes).ok());
                    known.extend(bodies.map(|body| (body.sha256(), body)));
                    if let Some(older) = back(body, &known) {
                        return Ok(Some(older));
                    }
                }
                Err(PeerError::Missing | PeerError::Gone) => {}
                Err(error) => {
                    failed.get_or_insert(error.of(source.peer.name()));
                }
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Keeps the operations before a move with the log that it leads to, which did not tell of them.
    async fn keep_ops(&self, log: &Log, index: u64, heard: &Heard<'_>) -> Result<()> {
        let op = |body: &Body| LogOp { nsid: heard.nsid, seq: body.rseq, index, body_sha256: body.sha256() };
        let bytes = |body: &Body| (body.sha256(), bytes::Bytes::copy_from_slice(body.bytes()));
        let rows = SnapshotRows {
            log: log.id,
            ops: heard.older.iter().map(op).collect(),
            bodies: heard.older.iter().map(bytes).collect(),
            ..SnapshotRows::default()
        };
        Ok(self.db.load_snapshot_rows(rows).await?)
    }

    async fn judge_move(&self, heard: &Heard<'_>, held: &[Move]) -> Result<MoveState> {
        let Heard { body, nsid, cut, older, before } = heard;
        let is_older = |op: Sha256| older.iter().any(|body| body.sha256() == op);
        if let Some(other) = held.iter().find(|held| holds(held) && !is_older(held.op)) {
            if self.comes_after(other.op, body.sha256()).await? {
                return Ok(MoveState::Followed);
            }
            return Ok(match compete(other.held_at, self.clock.now()) {
                Competition::Stay => MoveState::Refused,
                Competition::Freeze => MoveState::Rival,
            });
        }
        if cut.log.origin != before.namespace.home {
            return Ok(MoveState::Refused);
        }
        let Some(old) = self.db.log_named(&cut.log).await? else { return Ok(MoveState::Followed) };
        if old.is_own {
            // What is said here and not told yet counts.
            self.sequence_once().await?;
        }
        let old = self.db.log(old.id).await?.unwrap_or(old);
        // Anyone can make up a namespace of another hub: that hub must have told of it.
        if old.tree.size() >= cut.size && self.db.log_head(old.id, *nsid).await?.is_none() {
            return Ok(MoveState::Refused);
        }
        let applied = self.applied_of(old.id, *nsid).await?;
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

    /// Goes on with a namespace at its new home: its mirrors are of that from now on.
    async fn follow_move(
        &self,
        which: Move,
        older: &[Body],
        before: &NamespaceChain,
        held: &[Move],
    ) -> Result<()> {
        let (nsid, new_log) = (which.nsid, which.new_log);
        let gone = || Error::not_found("this hub is not followed");
        let home = self.db.upstream(new_log).await?.ok_or_else(gone)?.url;
        let from = match held.iter().rev().find(|held| holds(held)) {
            Some(held) => self.db.log(held.new_log).await?,
            None => match older.first() {
                Some(creation) => self.db.log_named(&creation.log).await?,
                None => None,
            },
        };
        let handle = &before.namespace.handle;
        let entry =
            Entry::hub("namespace.moved").with("namespace", handle.as_str()).with("to", home.as_str());
        tracing::info!(handle, %nsid, to = home, "a namespace has moved");
        let carried = match &from {
            Some(from) => self.selected_of(from, handle, nsid).await?,
            None => Vec::new(),
        };
        let mut followed = FollowedMove { which, from: None, home, rids: Vec::new(), carried };
        match from {
            Some(own) if own.is_own => self.give_away(&own, handle, followed, entry).await?,
            from => {
                if let Some(from) = from {
                    followed.from = Some(from.id);
                    followed.rids = self.mirrors_in(from.id, handle, nsid).await?;
                }
                self.audited(entry).follow_move(followed).await?;
            }
        }
        self.names.clear();
        self.mirrors_bell.send_replace(());
        Ok(())
    }

    /// Makes mirrors of what this hub was the home of.
    async fn give_away(&self, own: &Log, handle: &str, followed: FollowedMove, entry: Entry) -> Result<()> {
        // It may have moved here before, with its name.
        let name = match self.db.name_of_namespace(followed.which.nsid).await? {
            Some(name) => name,
            None => handle.parse().map_err(Error::internal)?,
        };
        let account = self.account(&name).await?;
        if self.db.published_namespace(account.id).await?.map(|said| said.nsid) != Some(followed.which.nsid) {
            return Err(Error::internal(format!("`{name}` is another namespace than the one that moved")));
        }
        let origin = own.name.origin.to_string();
        let away = MoveAway { followed, account: account.id, name: account.name, origin };
        Ok(self.audited(entry).move_away(away).await?)
    }

    /// The mirrors of a namespace's repositories.
    async fn mirrors_in(&self, log: i64, handle: &str, nsid: Sha256) -> Result<Vec<Sha256>> {
        let (mut rids, mut after) = (Vec::new(), None);
        loop {
            let page = self.db.list_mirrors(log, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(rids) };
            after = Some(last.rid);
            for mirror in page.iter().filter(|mirror| is_in(&mirror.path, handle)) {
                if self.namespace_of_mirror(mirror).await? == Some(nsid) {
                    rids.push(mirror.rid);
                }
            }
        }
    }

    /// Follows the moves to a hub that wait for the operator; how many those were.
    pub(super) async fn release_moves(&self, log: i64) -> Result<usize> {
        let waiting = |which: &Move| {
            which.new_log == log
                && matches!(which.state, MoveState::Asked | MoveState::Frozen | MoveState::Rival)
        };
        let mut released = 0;
        for which in self.db.list_moves(log).await?.into_iter().filter(waiting) {
            let mut older = Vec::new();
            for (_, sha256) in self.db.namespace_ops(log, which.nsid).await? {
                let LogBody::Held(bytes) = self.db.log_body(sha256).await? else { continue };
                let body = Body::decode(&bytes).map_err(Error::internal)?;
                if body.rseq < which.seq {
                    older.push(body);
                }
            }
            let before = NamespaceChain::follow(&older).map_err(Error::internal)?;
            let held = self.db.moves_of(which.nsid).await?;
            self.follow_move(which, &older, &before, &held).await?;
            released += 1;
        }
        Ok(released)
    }
}

/// Whether the id of a repository, with its kind, is in a namespace.
pub(super) fn is_in(path: &str, handle: &str) -> bool {
    path.rsplit('/').nth(1).is_some_and(|namespace| namespace.eq_ignore_ascii_case(handle))
}

/// The operations before one, from the creation on, if all are known.
fn back(body: &Body, known: &HashMap<Sha256, Body>) -> Option<Vec<Body>> {
    let (mut older, mut prev) = (Vec::new(), body.prev);
    while let Some(sha256) = prev {
        let before = known.get(&sha256).filter(|_| older.len() < OPS_MAX)?;
        prev = before.prev;
        older.push(before.clone());
    }
    older.reverse();
    Some(older)
}
