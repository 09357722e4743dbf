//! Reading the log of another hub.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{Appended, FollowedPage, Log, LogEntry, MissingBody, UpstreamState};
use polder_log::{
    Advanced, Body, Content, Cursor, Data, Entry, EventType, EventsPage, Fault, Leaf, Lie, Plan, RepoHead,
    Signed, check_next, open_body,
};
use polder_types::Sha256;

use super::attest;
use super::bootstrap::Stop;
use super::moves::Moves;
use super::peer::{Peer, PeerError};
use super::selection::Selection;
use super::sources::{Source, SourceSet};
use super::targets::{Aim, Targets};
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Most events asked for at a time.
const LIMIT: u64 = 4096;

/// Why a page was not read.
pub(super) enum Unread {
    /// The source has not got so far.
    Behind(Error),
    /// The source does not answer, or not well.
    Source(Error),
    /// Something here, or the origin itself: no other source will do better.
    Here(Error),
}

impl Unread {
    /// Why something was not found out from the sources.
    fn asking(error: Error) -> Self {
        if error.kind() == Kind::Internal { Self::Here(error) } else { Self::Source(error) }
    }

    /// What to say of it, whoever is to blame.
    pub(super) fn into_error(self) -> Error {
        let (Self::Behind(error) | Self::Source(error) | Self::Here(error)) = self;
        error
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl From<polder_db::Error> for Unread {
    fn from(error: polder_db::Error) -> Self {
        Self::Here(error.into())
    }
}

/// Where a reader of a log is.
pub(super) struct Reader {
    pub(super) log: Log,
    pub(super) cursor: Cursor,
}

impl Hub {
    /// Where the reading of an upstream's log goes on.
    pub(super) async fn reader(&self, upstream: i64) -> Result<Reader> {
        let gone = || Error::not_found("this hub is not followed");
        let log = self.db.log(upstream).await?.ok_or_else(gone)?;
        let whole = log.checkpoint.clone().filter(|_| log.checkpoint_size == log.tree.size());
        let cursor = Cursor {
            log: log.name.clone(),
            tree: log.tree.clone(),
            version: log.version.max(polder_log::VERSION),
            held: whole.map(|note| Signed { note, steps: Vec::new() }),
        };
        Ok(Reader { log, cursor })
    }

    /// Asks for what comes next and applies it; `None` when another did so meanwhile.
    pub(super) async fn read_page(
        &self,
        mut reader: Reader,
        source: &Source,
        sources: &SourceSet,
        wait: Duration,
    ) -> Result<Option<Reader>, Unread> {
        let (from, peer) = (reader.cursor.tree.size(), &*source.peer);
        if from == 0 && self.is_long(peer).await {
            match self.begin_at_snapshot(&reader, peer).await {
                Ok(()) => return Ok(None),
                // The events may still be there.
                Err(stop) => {
                    let error = self.stopped(&reader, peer, stop).await?;
                    let (Unread::Source(error) | Unread::Behind(error)) = error else { return Err(error) };
                    tracing::warn!(error = %error.chain(), "cannot begin with a snapshot");
                }
            }
        }
        let answer = match peer.events(from, LIMIT, wait).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                sources.note(source, None).await;
                return Ok(Some(reader));
            }
            // A snapshot stands for them.
            Err(PeerError::Gone) => {
                return match self.begin_at_snapshot(&reader, peer).await {
                    Ok(()) => Ok(None),
                    Err(stop) => Err(self.stopped(&reader, peer, stop).await?),
                };
            }
            Err(error) => return Err(Unread::Source(error.of(peer.name()))),
        };
        let page = match EventsPage::decode(&answer) {
            Ok(page) => page,
            Err(error) => return Err(self.judge(reader.log.id, peer, error.into()).await?),
        };
        match self.next_key(&reader.log, &page, peer).await {
            Ok(key) => reader.log.key = key.unwrap_or(reader.log.key),
            Err(stop) => return Err(self.stopped(&reader, peer, stop).await?),
        }
        match reader.cursor.advance(&page, &reader.log.key) {
            Ok(advanced) => self.apply_page(reader, advanced, source, sources).await,
            Err(fault) => {
                let fault = self.look_closer(&reader, peer, &page, fault).await?;
                Err(self.judge(reader.log.id, peer, fault).await?)
            }
        }
    }

    /// Finds out whether the origin itself is to blame, where the answer alone does not tell.
    pub(super) async fn look_closer(
        &self,
        reader: &Reader,
        peer: &dyn Peer,
        page: &EventsPage,
        fault: Fault,
    ) -> Result<Fault> {
        let (cursor, key, size) = (&reader.cursor, &reader.log.key, reader.cursor.tree.size());
        let closer = match &fault {
            // Either these leaves are wrong, or the tree before them: an answer without leaves tells.
            Fault::Source(Lie::Graft) if !page.leaves.is_empty() => {
                let Ok(Some(answer)) = peer.events(size, 0, Duration::ZERO).await else { return Ok(fault) };
                let bare = EventsPage::decode(&answer).map_err(Fault::from);
                bare.and_then(|bare| cursor.advance(&bare, key).map(drop))
            }
            // What is behind must be what this log was at that size.
            Fault::Stale { size: behind } if *behind > 0 && *behind >= reader.log.min_index => {
                let plan = Plan::consistency(*behind, size).map_err(Error::internal)?;
                let path = self.db.log_path(reader.log.id, &plan).await?;
                cursor.compare(&page.checkpoint, &path, key)
            }
            _ => Ok(()),
        };
        match closer {
            Err(found @ Fault::Equivocated(_)) => Ok(found),
            _ => Ok(fault),
        }
    }

    /// Why no snapshot could be begun with.
    async fn stopped(&self, reader: &Reader, peer: &dyn Peer, stop: Stop) -> Result<Unread> {
        match stop {
            Stop::Source(error) => Ok(Unread::Source(error)),
            Stop::Fault(fault) => self.judge(reader.log.id, peer, fault).await,
            Stop::Here(error) => Err(error),
        }
    }

    /// What a fault means: only contradictory signatures of the origin stop the following of it.
    pub(super) async fn judge(&self, upstream: i64, peer: &dyn Peer, fault: Fault) -> Result<Unread> {
        let name = match &fault {
            Fault::Source(Lie::Signature) => " (KeyMismatch)",
            _ => "",
        };
        let message = format!("`{}`: {fault}{name}", peer.name());
        let unread = match &fault {
            Fault::Equivocated(evidence) => {
                let both = format!("{}\n{}", evidence.held.note, evidence.other.note);
                let why = Some(message.clone());
                self.db.set_upstream_state(upstream, UpstreamState::Frozen, Some(both), why).await?;
                self.follow_bell.notify_one();
                tracing::error!(%message, "no longer followed until the operator has decided");
                Unread::Here
            }
            Fault::Stale { .. } => Unread::Behind,
            Fault::Source(_) | Fault::NewEpoch { .. } => Unread::Source,
        };
        Ok(unread(Error::new(Kind::Unavailable, message).caused_by(fault)))
    }

    async fn apply_page(
        &self,
        reader: Reader,
        mut advanced: Advanced,
        source: &Source,
        sources: &SourceSet,
    ) -> Result<Option<Reader>, Unread> {
        if advanced.entries.is_empty() {
            sources.note(source, None).await;
            return Ok(Some(reader));
        }
        // What came before a namespace moved is applied before it does.
        let is_op = |entry: &Entry| entry.leaf.kind == EventType::NsOp;
        let end = advanced.entries.iter().skip(1).position(is_op).map(|before| before + 1);
        let is_cut = end.is_some();
        advanced.entries.truncate(end.unwrap_or(usize::MAX));
        let mut log = reader.log;
        let mut selection = self.selection(log.id).await?;
        let mut heads = self.heads(log.id, &advanced.entries).await?;
        let mut moves = self.moves(log.id).await?;
        let mut targets = Targets::default();
        let mut entries = Vec::with_capacity(advanced.entries.len());
        let (mut erased, mut attested, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let mut hub_keys = Vec::new();
        for entry in &advanced.entries {
            let (kept, body) = self.content(&log, entry, sources).await;
            if let Some(body) = body.as_ref().filter(|body| body.kind == EventType::HubKey) {
                hub_keys.push(body.clone());
            }
            attested.extend(body.as_ref().and_then(attest::attested));
            erased.extend(body.as_ref().and_then(|body| taken_back(entry, body)));
            if let Some(op) = body.as_ref().filter(|body| body.kind == EventType::NsOp) {
                // Rare, and not small.
                Box::pin(self.hear_move(&log, entry.index, op, sources)).await.map_err(Unread::asking)?;
                moves = self.moves(log.id).await?;
                selection = self.selection(log.id).await?;
            }
            let (aim, event) = self.aim_of(entry, body.as_ref(), &selection, &moves, &mut heads).await?;
            if let Some(aim) = aim {
                targets.add(aim);
            }
            missing.extend(event);
            let nsid = body.as_ref().filter(|body| body.kind.is_namespace()).and_then(Body::namespace);
            entries.push(LogEntry { leaf: entry.leaf, body: kept, nsid });
        }
        let signed = advanced.checkpoint.size;
        let whole = !is_cut && advanced.cursor.tree.size() == signed;
        let held = advanced.cursor.held.as_ref();
        let mut append = log.append(entries);
        append.checkpoint = held.filter(|_| whole).map(|held| held.note.clone());
        append.key = self.key_after(&log, &hub_keys, whole).await?;
        let hides = !missing.is_empty() || targets.hides();
        let mirrored = self.db.mirrors_among(log.id, &targets.left()).await?;
        let (source, targets) = (source.url.clone(), targets.into_vec(&mirrored));
        let page = FollowedPage { append, signed, source, targets, missing, erased };
        let appended = self.db.follow_page(page).await?;
        // Whoever did it: those who follow through this hub learn of it.
        self.mirrored_log_grew();
        let Appended::Done(tree) = appended else { return Ok(None) };
        self.hear_attests(log.id, attested).await?;
        if hides {
            self.names.clear();
        }
        if is_cut {
            return Ok(None);
        }
        log.tree = tree;
        Ok(Some(Reader { log, cursor: advanced.cursor }))
    }

    /// What an entry makes of a mirror, and what is missing of it; `heads` are the newest events before it.
    async fn aim_of(
        &self,
        entry: &Entry,
        body: Option<&Body>,
        selection: &Selection,
        moves: &Moves,
        heads: &mut HashMap<Sha256, (u64, RepoHead)>,
    ) -> Result<(Option<Aim>, Option<MissingBody>)> {
        let leaf = &entry.leaf;
        if !leaf.kind.is_repo() || moves.has_left(leaf) {
            return Ok((None, None));
        }
        let before = heads.get(&leaf.rid).copied();
        // A snapshot has told of this already.
        if before.is_some_and(|(index, _)| index >= entry.index) {
            return Ok((None, None));
        }
        let before = match before {
            Some((_, head)) => Some(head),
            None => self.head_before_move(moves, leaf).await?,
        };
        let comes = before.is_none() && moves.hither(leaf).is_some();
        heads.insert(leaf.rid, (entry.index, RepoHead { rseq: leaf.rseq, body_sha256: leaf.body_sha256 }));
        let event = MissingBody { index: entry.index, leaf: *leaf, before };
        let aim = body.and_then(|body| next_aim(before, comes, body, selection));
        Ok((aim, body.is_none().then_some(event)))
    }

    /// The body of an entry, to be kept and to be acted upon.
    async fn content(&self, log: &Log, entry: &Entry, sources: &SourceSet) -> (Option<Bytes>, Option<Body>) {
        let sha256 = entry.leaf.body_sha256;
        let opened = match &entry.content {
            Content::Body(body) => {
                return (Some(Bytes::copy_from_slice(body.bytes())), Some(body.as_ref().clone()));
            }
            Content::Refused { bytes, why } => Err((Bytes::copy_from_slice(bytes), why.clone())),
            Content::NotSent => match sources.find("a body", sha256, |peer| peer.body(sha256)).await {
                Ok(bytes) => open_body(&log.name, &entry.leaf, &bytes)
                    .map(|body| (bytes.clone(), body))
                    .map_err(|why| (Bytes::new(), why)),
                Err(error) => {
                    tracing::warn!(index = entry.index, %error, "the body of an event is missing");
                    return (None, None);
                }
            },
        };
        match opened {
            Ok((bytes, body)) => (Some(bytes), Some(body)),
            Err((bytes, why)) => {
                tracing::warn!(index = entry.index, origin = %log.name, %why, "an event is not applied");
                ((!bytes.is_empty()).then_some(bytes), None)
            }
        }
    }

    /// The newest events of the repositories that these are about, and where they are.
    async fn heads(&self, log: i64, entries: &[Entry]) -> Result<HashMap<Sha256, (u64, RepoHead)>> {
        let rids: HashSet<Sha256> =
            entries.iter().filter(|entry| entry.leaf.kind.is_repo()).map(|entry| entry.leaf.rid).collect();
        let rids: Vec<Sha256> = rids.into_iter().collect();
        let rows = self.db.log_heads(log, &rids).await?;
        let head = |leaf: &Leaf| RepoHead { rseq: leaf.rseq, body_sha256: leaf.body_sha256 };
        Ok(rows.iter().map(|row| (row.rid, (row.index, head(&row.leaf)))).collect())
    }
}

/// What an event makes of a mirror, if it follows the one before it; which is not known here where the
/// repository `comes` from another log.
fn next_aim(before: Option<RepoHead>, comes: bool, body: &Body, selection: &Selection) -> Option<Aim> {
    match if comes { Ok(()) } else { check_next(before, body) } {
        Ok(()) => Aim::of(body, selection),
        Err(why) => {
            tracing::warn!(rid = ?body.repo(), %why, "an event is not applied");
            None
        }
    }
}

/// Which earlier event's body an event takes back.
fn taken_back(entry: &Entry, body: &Body) -> Option<u64> {
    let Data::Erase { index } = body.data else { return None };
    (index < entry.index).then_some(index)
}
