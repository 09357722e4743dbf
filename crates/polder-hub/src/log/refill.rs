//! Taking back from a mirror what the own log has said, after the database was restored from a backup.
//!
//! A mirror is believed only as far as this hub's own signature goes, and only if what that is under leads to or
//! comes out of the checkpoint signed last. Then the log goes on as if nothing had been lost; what the restored
//! database holds is told anew, and of what it no longer holds it is told that it is gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_db::{
    Appended, Came, Lease, Log, LogAppend, LogBody, LogEntry, LogOp, Move, MoveState, Published,
    PublishedNamespace, PublishedState, Refill, Retold, RetoldNamespace,
};
use polder_log::{
    Advanced, Body, Checkpoint, Content, Cursor, Data, EventType, EventsPage, Namespace, NamespaceChain,
    Plan, Tiles, VerifierKey, consistency_roots, open_body, read_bodies,
};
use polder_types::{Sha256, Visibility};

use super::author::{Author, entry};
use super::checkpoint_file;
use crate::error::{Error, Kind, Result};
use crate::{Hub, Peer};

/// Most events asked for at a time.
const LIMIT: u64 = 4_096;
/// Newest events looked through at a time.
const PAGE: i64 = 500;
/// Most mirrors that are asked.
const MIRRORS_MAX: usize = 32;
/// Set while something is taken back, until what is lost is told of.
const REFILLING: &str = "log.refilling";

impl Hub {
    /// Takes back what was signed from the first mirror that has all of it; false when none has, or nothing is
    /// missing.
    pub(super) async fn refill(&self, log: &Log, lease: Lease) -> Result<bool> {
        let dir = self.keys.dir.clone();
        let Some((signed, _)) = self.leaf.run(move || checkpoint_file::read(&dir)).await? else {
            return Ok(false);
        };
        if signed.log != log.name || signed.size <= log.tree.size() {
            return Ok(false);
        }
        for peer in self.who_may_mirror(log).await? {
            let url = peer.name();
            match self.refill_from(log.id, lease, &signed, &*peer).await {
                Ok(events) => {
                    tracing::warn!(url, events, "took back from a mirror what the log had said");
                    return Ok(true);
                }
                Err(error) => {
                    tracing::warn!(url, error = %error.chain(), "this hub does not help to refill the log");
                }
            }
        }
        Ok(false)
    }

    /// Hubs that may have what the own log tells of: those that the operator named, and those that this one
    /// follows.
    pub(crate) async fn who_may_mirror(&self, log: &Log) -> Result<Vec<Arc<dyn Peer>>> {
        let mut urls = self.federation.mirrors.clone();
        urls.extend(self.db.list_upstreams().await?.into_iter().map(|upstream| upstream.url));
        urls.truncate(MIRRORS_MAX);
        let mut peers = Vec::with_capacity(urls.len());
        for url in urls {
            match self.mirror_peer(&url, &log.name.origin) {
                Ok(peer) => peers.push(peer),
                Err(error) => tracing::warn!(url, error = %error.chain(), "this is no mirror's URL"),
            }
        }
        Ok(peers)
    }

    /// Takes all that a mirror has beyond what is here; how many events that were.
    pub(super) async fn refill_from(
        &self,
        id: i64,
        lease: Lease,
        signed: &Checkpoint,
        peer: &dyn Peer,
    ) -> Result<u64> {
        let mut taken = 0;
        loop {
            let log = self.db.log(id).await?.ok_or_else(|| Error::not_found("there is no log"))?;
            let from = log.tree.size();
            let answer =
                peer.events(from, LIMIT, Duration::ZERO).await.map_err(|error| error.of(peer.name()))?;
            let page = EventsPage::decode(&answer.unwrap_or_default()).map_err(not_ours)?;
            let key = self.key_of_note(&log, &page.checkpoint)?;
            let cursor = Cursor { tree: log.tree.clone(), ..Cursor::start(log.name.clone()) };
            let advanced = cursor.advance(&page, &key).map_err(not_ours)?;
            if taken == 0 {
                check_holds(signed, &advanced.checkpoint, peer).await?;
                self.db.set_meta(REFILLING, "1").await?;
            }
            if advanced.entries.is_empty() {
                return Ok(taken);
            }
            taken += u64::try_from(advanced.entries.len()).unwrap_or(0);
            let refill = self.refill_of(&log, lease, &advanced, peer).await?;
            if self.db.refill_log(refill).await? == Appended::Raced {
                return Err(Error::new(Kind::Conflict, "another node appends to the log"));
            }
            self.names.clear();
        }
    }

    /// The key of this hub that signed a note.
    fn key_of_note(&self, log: &Log, note: &str) -> Result<VerifierKey> {
        for key in self.keys.log_publics()? {
            let key = VerifierKey::new(log.key.name(), key).map_err(Error::internal)?;
            if Checkpoint::open(note, &key).is_ok() {
                return Ok(key);
            }
        }
        Err(Error::unavailable("it gives out a log that this hub did not sign"))
    }

    async fn refill_of(
        &self,
        log: &Log,
        lease: Lease,
        advanced: &Advanced,
        peer: &dyn Peer,
    ) -> Result<Refill> {
        let mut keys = self.hub_keys(log).await?;
        let (mut repos, mut namespaces, mut entries) = (HashMap::new(), HashMap::new(), Vec::new());
        for said in &advanced.entries {
            let bytes = match &said.content {
                Content::Body(body) => Some(Bytes::copy_from_slice(body.bytes())),
                Content::Refused { bytes, .. } => Some(Bytes::copy_from_slice(bytes)),
                Content::NotSent => peer.body(said.leaf.body_sha256).await.ok(),
            };
            let body = bytes.as_ref().and_then(|bytes| open_body(&log.name, &said.leaf, bytes).ok());
            if let Some(body) = body.as_ref().filter(|body| body.kind == EventType::HubKey) {
                keys = keys.next(body).map_err(Error::internal)?;
            }
            if let Some(told) = body.as_ref().and_then(|body| namespace(log, body)) {
                let came = match &body {
                    Some(body) => self.came(log, said.index, body, peer).await?,
                    None => None,
                };
                let before = namespaces.remove(&told.said.nsid).and_then(|told: RetoldNamespace| told.came);
                namespaces.insert(told.said.nsid, RetoldNamespace { came: came.or(before), ..told });
            }
            if said.leaf.kind.is_repo() {
                let retold = self.retold(said.leaf.rid, said.leaf.rseq, said.leaf.body_sha256, body.as_ref());
                repos.insert(said.leaf.rid, retold);
            }
            let nsid = body.as_ref().filter(|body| body.kind.is_namespace()).and_then(Body::namespace);
            let held = bytes.filter(|_| body.is_some());
            entries.push(LogEntry { leaf: said.leaf, body: held, nsid });
        }
        let key = VerifierKey::new(log.key.name(), keys.key).map_err(Error::internal)?;
        let sequenced = Some((lease, log.fact_seq));
        let append = LogAppend { sequenced, key: Some(key), ..log.append(entries) };
        let (repos, namespaces) = (repos.into_values().collect(), namespaces.into_values().collect());
        Ok(Refill { append, repos, namespaces })
    }

    /// How an operation made this hub the home of a namespace, if it did. Those before it are in no event of this
    /// log: the mirror has them, as its followers need them.
    async fn came(&self, log: &Log, index: u64, op: &Body, peer: &dyn Peer) -> Result<Option<Came>> {
        let Data::Namespace(Namespace { handle, cut: Some(cut), .. }) = &op.data else { return Ok(None) };
        let Some(nsid) = op.namespace() else { return Ok(None) };
        let list = peer.namespace(nsid).await.unwrap_or_default();
        let bodies = read_bodies(&list).unwrap_or_default();
        let bodies: Vec<Body> = bodies.into_iter().filter_map(|body| Body::decode(body).ok()).collect();
        let place =
            bodies.iter().position(|body| body == op).filter(|_| NamespaceChain::follow(&bodies).is_ok());
        let Some(older) = place.and_then(|place| bodies.get(..place)) else {
            tracing::warn!(%nsid, "the operations of a namespace that moved here are not had");
            return Ok(None);
        };
        let older = older.iter().map(|body| {
            let op = LogOp { nsid, seq: body.rseq, index, body_sha256: body.sha256() };
            (op, Bytes::copy_from_slice(body.bytes()))
        });
        let which = Move {
            nsid,
            seq: op.rseq,
            op: op.sha256(),
            old_log: self.db.log_named(&cut.log).await?.map(|old| old.id),
            cut: cut.size,
            new_log: log.id,
            state: MoveState::Followed,
            held_at: self.clock.now(),
        };
        Ok(Some(Came { which, alias: handle.parse().map_err(Error::internal)?, older: older.collect() }))
    }

    /// What an event makes of what is known to have been said of a repository. When its body is erased, nothing
    /// is: then all is said anew.
    fn retold(&self, rid: Sha256, rseq: u64, prev: Sha256, body: Option<&Body>) -> Retold {
        let meta = body.and_then(|body| body.meta.as_ref());
        let state = match body.map(|body| body.kind) {
            Some(EventType::RepoDelete) => PublishedState::Deleted,
            Some(EventType::RepoTakedown) => PublishedState::Takedown,
            Some(_) if meta.is_some_and(|meta| meta.visibility == Visibility::Public) => PublishedState::Open,
            _ => PublishedState::Private,
        };
        let refs = body.and_then(|body| body.state).map(|state| state.refs_sha256);
        let published = Published {
            rid,
            rseq: body.map_or(rseq, |body| body.rseq),
            prev,
            generation: 0,
            state,
            path: meta.map(|meta| meta.path.clone()).unwrap_or_default(),
            refs_sha256: refs.unwrap_or(Sha256::new([0; 32])),
            open_since: self.clock.now(),
        };
        Retold { name: meta.map(|meta| (meta.kind, meta.path.to_ascii_lowercase())), published }
    }

    /// After a refill: lets the log tell that what is no longer in the database is gone.
    pub(super) async fn tell_lost(&self, id: i64, lease: Lease) -> Result<()> {
        if self.db.meta(REFILLING).await?.as_deref() != Some("1") {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.db.list_lost(id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.rid);
            let log = self.db.log(id).await?.ok_or_else(|| Error::not_found("there is no log"))?;
            let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
            let mut entries = Vec::new();
            for head in page {
                let is_gone = matches!(head.leaf.kind, EventType::RepoDelete | EventType::RepoTakedown);
                if !head.leaf.kind.is_repo() || is_gone {
                    continue;
                }
                // Of an erased one nothing more can be said.
                let LogBody::Held(bytes) = self.db.log_body(head.leaf.body_sha256).await? else { continue };
                let body = Body::decode(&bytes).map_err(Error::internal)?;
                let mut event = author.statement(EventType::RepoDelete, self.clock.now())?;
                (event.rid, event.nsid, event.ns_head) = (body.repo(), body.nsid, body.ns_head);
                (event.rseq, event.prev, event.meta) =
                    (body.rseq + 1, Some(body.sha256()), body.meta.clone());
                entries.push(entry(&event.seal(&[]).map_err(Error::internal)?));
            }
            let append = LogAppend { sequenced: Some((lease, log.fact_seq)), ..log.append(entries) };
            if self.db.append_to_log(append).await? == Appended::Raced {
                return Err(Error::new(Kind::Conflict, "another node appends to the log"));
            }
        }
        self.db.set_meta(REFILLING, "0").await?;
        Ok(())
    }
}

/// Checks that the log of a mirror's note has all that was signed last.
async fn check_holds(signed: &Checkpoint, held: &Checkpoint, peer: &dyn Peer) -> Result<()> {
    if held.size < signed.size {
        return Err(Error::unavailable(format!("it has {} of {} events", held.size, signed.size)));
    }
    let roots = if held.size == signed.size {
        (held.root, held.root)
    } else {
        let plan = Plan::consistency(signed.size, held.size).map_err(Error::internal)?;
        let mut tiles = Tiles::default();
        for id in plan.tiles() {
            let tile = peer.tile(id).await.map_err(|error| error.of(peer.name()))?;
            tiles.insert(id.level, id.index, tile.to_vec());
        }
        let path = plan.path(&tiles).ok_or_else(|| Error::unavailable("its tiles are cut off"))?;
        consistency_roots(signed.size, held.size, &path).map_err(not_ours)?
    };
    if roots == (signed.root, held.root) {
        return Ok(());
    }
    Err(Error::unavailable("what it has is another log than was signed last"))
}

fn not_ours(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("what it has is not what this hub signed: {why}")).caused_by(why)
}

/// What an operation of a namespace makes of what is known to have been said of it, if it leaves it at home here.
fn namespace(log: &Log, body: &Body) -> Option<RetoldNamespace> {
    let Data::Namespace(next) = &body.data else { return None };
    let said = PublishedNamespace { nsid: body.namespace()?, seq: body.rseq, head: body.sha256() };
    let handle = next.handle.to_ascii_lowercase();
    (next.home == log.name.origin).then_some(RetoldNamespace { handle, said, came: None })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use polder_db::MirrorState;
    use polder_log::Origin;
    use polder_types::Clock;

    use super::*;
    use crate::follow::hub_peer::{HubPeer, read_all};
    use crate::tests::{START, fixture, name, options_in, repo};

    async fn open(dir: &Path) -> Hub {
        let clock = Clock::Manual(Arc::new(AtomicI64::new(START)));
        let hub = Hub::open(options_in(dir, clock)).await.expect("opens");
        hub.begin_log().await.expect("begun");
        hub
    }

    async fn reads(follower: &Hub, home: &Hub) -> i64 {
        let log = home.db.own_log().await.expect("read").expect("there");
        let log = follower.db.open_log(log.name, log.key, false).await.expect("opened").id;
        let all = polder_db::FollowRule { pattern: "*".to_owned(), mode: polder_db::MirrorMode::Metadata };
        follower.db.set_upstream(log, "http://home.example".to_owned(), vec![all]).await.expect("set");
        read_all(follower, log, &HubPeer::new(home)).await.expect("read");
        log
    }

    /// Tries to take the log back from a peer.
    async fn take_back(hub: &Hub, peer: &HubPeer) -> Result<u64> {
        let log = hub.db.own_log().await?.expect("begun");
        let lease = hub.db.lease_log(log.id, 7, 60, true).await?.expect("nobody else");
        let dir = hub.keys.dir.clone();
        let (signed, _) = checkpoint_file::read(&dir)?.expect("signed");
        hub.refill_from(log.id, lease, &signed, peer).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_what_this_hub_signed_and_all_of_it_is_taken_back() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (behind_at, ahead_at, stranger_at) = (fixture().await, fixture().await, fixture().await);
        let (behind, ahead, stranger) = (&behind_at.hub, &ahead_at.hub, &stranger_at.hub);
        let home = open(dir.path()).await;
        home.add_user(&name("alice"), false).await.expect("added");
        for known in ["alice/m", "alice/untold"] {
            home.add_repo(&repo(known), Visibility::Public).await.expect("added");
        }
        home.set_visibility(&repo("alice/untold"), Visibility::Private).await.expect("hidden");
        home.sequence_once().await.expect("sequenced");
        home.close().await;
        drop(home);
        let database = dir.path().join("data/polder.db");
        std::fs::copy(&database, dir.path().join("older.db")).expect("copied");

        let home = open(dir.path()).await;
        home.rename_repo(&repo("alice/m"), &repo("alice/n")).await.expect("renamed");
        home.sequence_once().await.expect("sequenced");
        reads(behind, &home).await;
        home.set_visibility(&repo("alice/untold"), Visibility::Public).await.expect("shown");
        home.add_repo(&repo("alice/later"), Visibility::Public).await.expect("added");
        home.rotate_log_key(None).await.expect("rotated");
        home.sequence_once().await.expect("sequenced");
        let log = reads(ahead, &home).await;
        home.close().await;
        drop(home);
        std::fs::copy(dir.path().join("older.db"), &database).expect("restored");

        let home = open(dir.path()).await;
        let before = home.db.own_log().await.expect("read").expect("there");
        assert_eq!(home.sequence_once().await.expect_err("it is behind").kind(), Kind::Conflict);
        let origin: Origin = before.name.origin.clone();
        let of = |hub: &Hub| HubPeer { of: Some(origin.clone()), ..HubPeer::new(hub) };
        stranger.begin_log().await.expect("begun");
        stranger.sequence_once().await.expect("sequenced");
        for (peer, why) in [(of(behind), "it has"), (HubPeer::new(stranger), "did not sign")] {
            let told = take_back(&home, &peer).await.expect_err(why);
            assert!(told.chain().contains(why), "{why}: {}", told.chain());
        }
        assert_eq!(
            home.db.own_log().await.expect("read").expect("there").tree,
            before.tree,
            "nothing was taken"
        );

        assert!(take_back(&home, &of(ahead)).await.expect("taken back") >= 4);
        home.sequence_once().await.expect("it goes on");
        read_all(ahead, log, &HubPeer::new(&home)).await.expect("one log, not two");
        let mirrors = ahead.db.list_mirrors(log, None, 10).await.expect("listed");
        let mut states: Vec<_> = mirrors.iter().map(|one| (one.path.as_str(), one.state)).collect();
        states.sort_by_key(|(path, _)| *path);
        let (known, hidden) = (MirrorState::Known, MirrorState::Hidden);
        assert_eq!(states, [("alice/later", hidden), ("alice/m", known), ("alice/untold", hidden)]);
    }
}
