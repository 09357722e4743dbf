//! Hearing that a namespace has moved, and going on with its mirrors at its new home.
//!
//! An operation is believed for its signature: it must be the next in the namespace's own chain, from the
//! creation on, wherever the older ones were found. What it voids was not applied here, or the operator agrees.

use std::collections::HashMap;

use polder_db::{FollowedMove, Log, LogBody, LogOp, Move, MoveAway, MoveState, SnapshotRows, UpstreamState};
use polder_log::{Body, Data, EventType, LogHead, NamespaceChain, read_bodies};
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

/// An operation that moves a namespace, with those before it.
pub(super) struct Heard<'a> {
    pub(super) body: &'a Body,
    pub(super) nsid: Sha256,
    pub(super) cut: &'a LogHead,
    /// From the creation on.
    pub(super) older: Vec<Body>,
    /// The namespace before it.
    pub(super) before: NamespaceChain,
}

/// The hub that a namespace moves to.
enum NewHome {
    /// Its log is followed; the operation is there at this index, or later.
    Followed(Box<Log>, u64),
    /// This one.
    Own,
    /// Nothing is followed there.
    Unknown,
}

impl<'a> Heard<'a> {
    /// Checks that the operation is the next of its namespace.
    fn new(nsid: Sha256, body: &'a Body, older: Vec<Body>) -> polder_log::Result<Option<Self>> {
        let Some(cut) = cut_of(body) else { return Ok(None) };
        let before = NamespaceChain::follow(&older)?;
        before.next(body)?;
        Ok(Some(Self { body, nsid, cut, older, before }))
    }

    pub(super) fn is_not_followed(&self, why: &str) {
        is_not_followed(self.nsid, self.body, why);
    }
}

fn is_not_followed(nsid: Sha256, body: &Body, why: &str) {
    tracing::warn!(%nsid, to = %body.log, why, "a move is not followed");
}

/// Where the log before ends to speak for a namespace, if this operation moves it.
pub(super) fn cut_of(body: &Body) -> Option<&LogHead> {
    match &body.data {
        Data::Namespace(next) if body.kind == EventType::NsOp => next.cut.as_ref(),
        _ => None,
    }
}

impl Hub {
    /// Takes notice of an operation in a log that is followed: that of the hub to which it moves a namespace, or of
    /// the one that the namespace has left.
    pub(super) async fn hear_move(
        &self,
        log: &Log,
        index: u64,
        body: &Body,
        sources: &SourceSet,
    ) -> Result<()> {
        let Some(nsid) = body.namespace().filter(|_| cut_of(body).is_some()) else { return Ok(()) };
        let Some(home) = self.new_home(nsid, body, Some((log, index))).await? else { return Ok(()) };
        if let Some(older) = self.ops_before(nsid, body, sources).await? {
            return self.hear(nsid, body, older, home).await;
        }
        is_not_followed(nsid, body, "the operations before it are not to be had");
        Ok(())
    }

    /// Takes notice of an operation that anyone told of, with those before it.
    pub(super) async fn hear_told(&self, body: &Body, older: &[Body]) -> Result<()> {
        let Some(nsid) = body.namespace().filter(|_| cut_of(body).is_some()) else { return Ok(()) };
        let Some(home) = self.new_home(nsid, body, None).await? else { return Ok(()) };
        self.hear(nsid, body, older.to_vec(), home).await
    }

    /// Where an operation moves a namespace; `None` when that is known already, or no hub says so.
    async fn new_home(
        &self,
        nsid: Sha256,
        body: &Body,
        heard_in: Option<(&Log, u64)>,
    ) -> Result<Option<NewHome>> {
        let Data::Namespace(next) = &body.data else { return Ok(None) };
        let op = body.sha256();
        if next.home != body.log.origin || self.db.moves_of(nsid).await?.iter().any(|held| held.op == op) {
            return Ok(None);
        }
        if let Some((log, index)) = heard_in.filter(|(log, _)| log.name.origin == next.home) {
            return Ok(Some(NewHome::Followed(Box::new(log.clone()), index)));
        }
        if let Some(log) = self.db.log_named(&body.log).await? {
            if log.is_own {
                return Ok(Some(NewHome::Own));
            }
            let upstream = self.db.upstream(log.id).await?;
            if upstream.is_some_and(|upstream| upstream.state == UpstreamState::Following) {
                let size = log.tree.size();
                return Ok(Some(NewHome::Followed(Box::new(log), size)));
            }
        }
        let is_known = self.db.elsewhere_of(nsid).await?.iter().any(|held| held.op == op);
        Ok((!is_known).then_some(NewHome::Unknown))
    }

    async fn hear(&self, nsid: Sha256, body: &Body, older: Vec<Body>, home: NewHome) -> Result<()> {
        let heard = match Heard::new(nsid, body, older) {
            Ok(Some(heard)) => heard,
            Ok(None) => return Ok(()),
            Err(error) => {
                is_not_followed(nsid, body, &error.to_string());
                return Ok(());
            }
        };
        let held = self.db.moves_of(nsid).await?;
        match home {
            NewHome::Followed(log, index) => {
                self.keep_ops(log.id, Some(index), &heard).await?;
                self.take_move(&log, &heard, held).await
            }
            NewHome::Unknown => self.move_elsewhere(&heard, &held).await,
            // It has logged that itself, unless it was restored since.
            NewHome::Own => Ok(()),
        }
    }

    /// Follows a move to the hub of a log, or writes down why it does not.
    async fn take_move(&self, log: &Log, heard: &Heard<'_>, held: Vec<Move>) -> Result<()> {
        let Heard { body, nsid, cut, .. } = heard;
        let mut which = Move {
            nsid: *nsid,
            seq: body.rseq,
            op: body.sha256(),
            old_log: self.db.log_named(&cut.log).await?.map(|old| old.id),
            cut: cut.size,
            new_log: log.id,
            state: self.judge_move(heard, &held).await?,
            held_at: self.clock.now(),
        };
        match which.state {
            MoveState::Followed if held.iter().any(|held| holds(held) && held.seq > which.seq) => {
                // An older one, of which only what came of it was known.
                Ok(self.db.put_move(which).await?)
            }
            MoveState::Followed => self.follow_move(which, &heard.older, &heard.before, &held).await,
            MoveState::Rival => {
                self.freeze_moves(&held).await?;
                Ok(self.db.put_move(which).await?)
            }
            state => {
                heard.is_not_followed(match state {
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

    /// Keeps an operation, and where it is, or is to come, in a log that did not tell of those before it, these with
    /// that log.
    pub(super) async fn keep_ops(&self, log: i64, index: Option<u64>, heard: &Heard<'_>) -> Result<()> {
        let bytes = |body: &Body| (body.sha256(), bytes::Bytes::copy_from_slice(body.bytes()));
        let mut rows = SnapshotRows { log, ..SnapshotRows::default() };
        rows.bodies = heard.older.iter().chain([heard.body]).map(bytes).collect();
        if let Some(index) = index {
            let told = self.db.namespace_ops(log, heard.nsid).await?;
            let untold = heard.older.iter().filter(|op| told.iter().all(|(_, told)| *told != op.sha256()));
            let op =
                |body: &Body| LogOp { nsid: heard.nsid, seq: body.rseq, index, body_sha256: body.sha256() };
            rows.ops = untold.map(op).collect();
        }
        Ok(self.db.load_snapshot_rows(rows).await?)
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
        let from = self.told_by(older, held).await?;
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
        self.audited(entry).move_away(away).await?;
        // To tell of it.
        self.own_log.bell.notify_one();
        Ok(())
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
