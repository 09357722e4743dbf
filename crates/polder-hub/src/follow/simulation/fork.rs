//! A hub that signs two pasts: from some step on the liar is two hubs with one key, and who asks it asks
//! either of them.

use std::collections::BTreeSet;

use polder_db::{Upstream, UpstreamState};
use polder_log::{Checkpoint, VerifierKey};
use polder_types::Sha256;

use super::draw::Draw;
use super::node::{HUBS, Node};
use super::world::World;

/// What is noted down of a follower that was shown both pasts, and of one that was shown the same all along.
pub(super) const FROZEN: &str = "has found out about two pasts";
pub(super) const UNAWARE: &str = "has seen one of two pasts";

/// Where the twin is among the nodes.
const TWIN: usize = HUBS;

/// Whether the liar signs two pasts, and who is shown which.
pub(super) struct Fork {
    /// The step after which it does.
    pub(super) at: Option<u64>,
    /// Those that each hub is shown in turn when it is asked in peace: whether the twin's.
    faces: [[bool; 2]; HUBS],
}

impl Fork {
    pub(super) fn draw(draw: &mut Draw, steps: usize) -> Self {
        let at = draw.percent(60).then(|| u64::try_from(1 + draw.below(steps * 2 / 3)).expect("small"));
        Self { at, faces: std::array::from_fn(|_| [draw.percent(50), draw.percent(50)]) }
    }
}

impl World {
    /// From now on the liar is two.
    pub(super) async fn fork_now(&mut self) {
        let liar = self.liar;
        self.trace.push(format!("{liar} signs two pasts from now on"));
        let twin = self.nodes[liar].twin().await;
        self.nodes.push(twin);
        self.repos.push(self.repos[liar].clone());
        // So that each has something that the other has not.
        for past in [liar, TWIN] {
            self.add(past, "acme/fork").await;
            self.nodes[past].hub().sequence_once().await.expect("sequenced");
        }
    }

    fn is_forked(&self, hub: usize) -> bool {
        hub == self.liar && self.nodes.len() > TWIN
    }

    /// The node that acts when a hub does.
    pub(super) fn face_of(&mut self, hub: usize) -> usize {
        if self.is_forked(hub) && self.draw.percent(50) { TWIN } else { hub }
    }

    /// The node that answers a hub that asks an origin, the `round`th time in peace.
    pub(super) fn face_in_peace(&self, hub: usize, origin: usize, round: usize) -> usize {
        let is_twin = self.is_forked(origin) && self.fork.faces[hub][round % 2];
        if is_twin { TWIN } else { origin }
    }

    /// The node whose log a hub has under the name of an origin.
    pub(super) async fn past_of(&self, node: &Node, origin: usize) -> usize {
        let held = node.hub().db.log(node.follows[&origin]).await.expect("read").expect("there").tree;
        let twin = self.is_forked(origin).then_some(TWIN);
        for past in [Some(origin), twin].into_iter().flatten() {
            if root_at(&self.nodes[past], held.size()).await == Some(held.root()) {
                return past;
            }
        }
        panic!("{} has a log of {origin} that was never signed", node.at);
    }

    /// Nobody but one that signed two pasts is convicted, and then both are kept, signed.
    pub(super) async fn check_verdict(&self, node: &Node, origin: usize, upstream: &Upstream) {
        let (hub, log) = (node.at, upstream.log);
        if upstream.state == UpstreamState::Following {
            assert_eq!(upstream.evidence, None, "{hub} of {origin}");
            return;
        }
        assert!(self.is_forked(origin), "{hub} convicts {origin}: {:?}", upstream.last_error);
        let key = node.hub().db.log(log).await.expect("read").expect("there").key;
        let evidence = upstream.evidence.as_deref().expect("kept");
        let mut pasts = Vec::new();
        for Checkpoint { size, root, .. } in opened(evidence, &key) {
            let mut told = BTreeSet::new();
            for past in [origin, TWIN] {
                if root_at(&self.nodes[past], size).await == Some(root) {
                    told.insert(past);
                }
            }
            pasts.push(told);
        }
        assert!(pasts.len() == 2 && pasts[0].is_disjoint(&pasts[1]), "{hub} of {origin}: {pasts:?}");
        assert!(pasts.iter().all(|told| told.len() == 1), "{hub} of {origin}: {pasts:?}");
    }

    /// Whoever has been shown another past than the one it has knows it; whether that is so.
    pub(super) async fn check_shown(&mut self, hub: usize, origin: usize) -> bool {
        if !self.is_forked(origin) {
            return false;
        }
        let node = &self.nodes[hub];
        let upstream = node.hub().db.upstream(node.follows[&origin]).await.expect("read").expect("followed");
        let past = self.past_of(node, origin).await;
        let was_shown = (0..2).any(|round| self.face_in_peace(hub, origin, round) != past);
        let is_frozen = upstream.state == UpstreamState::Frozen;
        assert!(is_frozen || !was_shown, "{hub} does not see that {origin} has two pasts");
        let what = if is_frozen { FROZEN } else { UNAWARE };
        self.trace.push(format!("{hub} {what} of {origin}"));
        is_frozen
    }
}

/// The root of a hub's own log when it had `size` events.
async fn root_at(node: &Node, size: u64) -> Option<Sha256> {
    let db = &node.hub().db;
    let own = db.own_log().await.expect("read").expect("there");
    db.log_root(&own, size).await.expect("read")
}

/// The notes that are kept as evidence, whose signatures are good.
fn opened(evidence: &str, key: &VerifierKey) -> Vec<Checkpoint> {
    let parts: Vec<&str> = evidence.split("\n\n").collect();
    let notes = parts.chunks(2).map(|note| format!("{}\n", note.join("\n\n").trim_end()));
    notes.map(|note| Checkpoint::open(&note, key).expect("signed")).collect()
}
