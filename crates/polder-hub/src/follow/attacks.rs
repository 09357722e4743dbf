//! Sources that lie about events, one by one, against a follower with a real database.
//!
//! ```text
//! origin ← liar ← hub
//!    ↑______________|      afterwards the hub asks the origin itself
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, MirrorMode, UpstreamState};
use polder_log::{
    Body, Checkpoint, Data, EventType, EventsPage, Frontier, Hashes, LogName, Node, PAGE_BYTES_MAX, Plan,
    SecretKey, SignerKey, Statement,
};
use polder_types::{Sha256, UnixMillis};

use super::peer::{Peer, PeerFuture};
use super::sources::{Source, SourceSet};
use crate::Hub;
use crate::tests::{START, fixture};

const HONEST: &str = "http://honest.example.org";

/// Events that the follower has before the lie.
pub(super) const BEFORE: u64 = 3;

/// A log in memory, signed.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) key: Arc<SignerKey>,
    pub(super) log: LogName,
    pub(super) tree: Frontier,
    nodes: BTreeMap<Node, Sha256>,
    bodies: Vec<Body>,
}

impl Hashes for Origin {
    fn hash(&self, node: Node) -> Option<Sha256> {
        self.nodes.get(&node).copied()
    }
}

impl Origin {
    pub(super) fn new(origin: &str) -> Self {
        let (key, recovery) = (SecretKey::new(&[7; 32]), SecretKey::new(&[8; 32]));
        let log = LogName { origin: origin.parse().unwrap(), epoch: 1 };
        let mut first = Statement::new(log.clone(), EventType::HubKey, UnixMillis(START), [0; 16]);
        first.rseq = 1;
        first.data = Data::HubKey { key: key.public(), recovery_sha256: recovery.public().sha256() };
        let first = first.seal(&[&key]).unwrap();
        let key = Arc::new(SignerKey::new(origin, key).unwrap());
        let (tree, nodes, bodies) = (Frontier::default(), BTreeMap::new(), Vec::new());
        let mut new = Self { key, log, tree, nodes, bodies };
        new.push(first);
        new.beat(1, BEFORE - 1);
        new
    }

    pub(super) fn push(&mut self, body: Body) {
        self.tree.push(body.leaf().hash(), |node, hash| {
            self.nodes.insert(node, hash);
        });
        self.bodies.push(body);
    }

    /// Adds events that no log with another salt has.
    pub(super) fn beat(&mut self, salt: u8, count: u64) {
        for _ in 0..count {
            let time = UnixMillis(START + i64::try_from(self.tree.size()).unwrap());
            let beat = Statement::new(self.log.clone(), EventType::Heartbeat, time, [salt; 16]);
            self.push(beat.seal(&[]).unwrap());
        }
    }

    fn note(&self) -> String {
        let checkpoint = Checkpoint { log: self.log.clone(), size: self.tree.size(), root: self.tree.root() };
        checkpoint.sign(&[&self.key])
    }

    pub(super) fn page(&self, from: u64, limit: u64) -> EventsPage {
        let (first, size) = (from.min(self.tree.size()), self.tree.size());
        let end = size.min(first.saturating_add(limit));
        let proof = if end == 0 || end == size {
            Vec::new()
        } else {
            Plan::consistency(end, size).unwrap().path(self).unwrap()
        };
        let some = &self.bodies[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()];
        EventsPage {
            first: from,
            checkpoint: self.note(),
            proof,
            leaves: some.iter().map(Body::leaf).collect(),
            bodies: some.iter().map(|body| body.bytes().to_vec()).collect(),
        }
    }
}

/// What a source answers, given the log before, the log now, and what was asked for.
type Answer = fn(&Origin, &Origin, u64, u64) -> Vec<u8>;

struct Answers(Origin, Origin, Answer);

fn only(hub: &Hub, log: i64, peer: Answers) -> SourceSet {
    SourceSet::new(hub.db.clone(), log, vec![Source::home(Arc::new(peer))])
}

impl Peer for Answers {
    fn name(&self) -> &'static str {
        "a source"
    }

    fn events(&self, from: u64, limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        let Self(before, now, answer) = self;
        Box::pin(async move { Ok(Some(answer(before, now, from, limit).into())) })
    }
}

fn altered(now: &Origin, from: u64, limit: u64, alter: impl FnOnce(&mut EventsPage)) -> Vec<u8> {
    let mut page = now.page(from, limit);
    alter(&mut page);
    page.encode().unwrap()
}

/// The same origin, which said something else after `common` events; its key is the true one.
pub(super) fn other_past(now: &Origin, common: u64, size: u64) -> Origin {
    let mut other =
        Origin { tree: Frontier::default(), nodes: BTreeMap::new(), bodies: Vec::new(), ..now.clone() };
    now.bodies.iter().take(usize::try_from(common).unwrap()).for_each(|body| other.push(body.clone()));
    other.beat(9, size - common);
    other
}

/// What is done, how, what it is called, and what becomes of the upstream.
const ATTACKS: [(&str, Answer, &str, UpstreamState); 14] = {
    use UpstreamState::{Following, Frozen};
    const LEAVES: &str = "the leaves are not in the signed log";
    const PLACE: &str = "the leaves are not those asked for";
    const UNREADABLE: &str = "what it sent cannot be read";
    [
        (
            "leaf",
            |_, now, from, limit| {
                altered(now, from, limit, |page| {
                    page.leaves.iter_mut().for_each(|leaf| leaf.time_ms += 1);
                })
            },
            LEAVES,
            Following,
        ),
        (
            "hint",
            |_, now, from, limit| {
                altered(now, from, limit, |page| {
                    page.leaves.iter_mut().for_each(|leaf| leaf.hint.0[0] ^= 1);
                })
            },
            LEAVES,
            Following,
        ),
        (
            "body",
            |_, now, from, limit| {
                altered(now, from, limit, |page| {
                    page.bodies.iter_mut().for_each(|body| body[5] ^= 1);
                })
            },
            "a body is not that of a leaf",
            Following,
        ),
        (
            "proof",
            |_, now, from, limit| {
                altered(now, from, limit, |page| {
                    page.proof.push(Sha256::new([1; 32]));
                })
            },
            "the proof does not lead to the signed root",
            Following,
        ),
        (
            "graft",
            |_, now, from, limit| altered(now, from, limit, |page| page.leaves.reverse()),
            LEAVES,
            Following,
        ),
        (
            "left out",
            |_, now, from, limit| {
                altered(now, from, limit, |page| {
                    page.leaves.pop();
                    page.bodies.pop();
                })
            },
            "the proof does not lead to the signed root",
            Following,
        ),
        ("replay", |_, now, from, limit| now.page(from - 1, limit).encode().unwrap(), PLACE, Following),
        (
            "beyond the signed end",
            |before, now, from, limit| {
                altered(now, from, limit, |page| {
                    page.checkpoint = before.note();
                })
            },
            PLACE,
            Following,
        ),
        (
            "squatted origin",
            |_, now, from, limit| {
                altered(now, from, limit, |page| {
                    let key = SignerKey::new(now.log.origin.as_str(), SecretKey::new(&[66; 32])).unwrap();
                    let root = now.tree.root();
                    page.checkpoint =
                        Checkpoint { log: now.log.clone(), size: now.tree.size(), root }.sign(&[&key]);
                })
            },
            "not signed by the origin's key",
            Following,
        ),
        (
            "endless data",
            |_, now, from, limit| [now.page(from, limit).encode().unwrap(), vec![0; PAGE_BYTES_MAX]].concat(),
            UNREADABLE,
            Following,
        ),
        (
            "cut off",
            |_, now, from, limit| {
                let page = now.page(from, limit).encode().unwrap();
                page[..page.len() - 1].to_vec()
            },
            UNREADABLE,
            Following,
        ),
        (
            "rollback",
            |_, now, from, limit| other_past(now, BEFORE - 1, BEFORE - 1).page(from, limit).encode().unwrap(),
            "the source is behind",
            Following,
        ),
        (
            "fork that grows",
            |_, now, from, limit| other_past(now, BEFORE - 1, BEFORE + 5).page(from, limit).encode().unwrap(),
            "signed two different logs",
            Frozen,
        ),
        (
            "fork that is behind",
            |_, now, from, limit| other_past(now, 1, BEFORE - 1).page(from, limit).encode().unwrap(),
            "signed two different logs",
            Frozen,
        ),
    ]
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_source_is_named_and_only_two_signed_pasts_stop_the_following() {
    let place = fixture().await;
    let hub = &place.hub;
    for (number, (what, lie, words, state)) in ATTACKS.into_iter().enumerate() {
        let mut origin = Origin::new(&format!("hub{number}.example.org"));
        let key = origin.key.verifier().clone();
        let log = hub.db.open_log(origin.log.clone(), key, false).await.expect("begun").id;
        let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Metadata }];
        hub.db.set_upstream(log, format!("http://hub{number}.example.org"), rules).await.expect("set");
        let honest: Answer = |_, now, from, limit| now.page(from, limit).encode().unwrap();
        let source = only(hub, log, Answers(origin.clone(), origin.clone(), honest));
        assert_eq!(hub.read_to_the_end(&source).await.expect("read"), BEFORE, "{what}");

        let before = origin.clone();
        origin.beat(1, 2);
        let liar = only(hub, log, Answers(before.clone(), origin.clone(), lie));
        let said = hub.read_to_the_end(&liar).await.expect_err(what).message().to_owned();
        assert!(said.contains(words), "{what}: {said}");
        let held = hub.db.log(log).await.expect("read").expect("there");
        assert_eq!(held.tree, before.tree, "{what}: nothing was taken");
        let upstream = hub.db.upstream(log).await.expect("read").expect("there");
        assert_eq!(upstream.state, state, "{what}");
        assert_eq!(upstream.evidence.is_some(), state == UpstreamState::Frozen, "{what}");

        if state == UpstreamState::Following {
            // The liar first, and then one that is honest.
            hub.db.name_sources(log, vec![HONEST.to_owned()]).await.expect("named");
            let liar = Source::home(Arc::new(Answers(before.clone(), origin.clone(), lie)));
            let source = Source::mirror(Arc::new(Answers(before, origin, honest)), HONEST.to_owned());
            let both = SourceSet::new(hub.db.clone(), log, vec![liar, Arc::clone(&source)]);
            assert_eq!(
                hub.read_to_the_end(&both).await.expect(what),
                2,
                "{what}: the honest one is believed"
            );
            assert!(!source.is_doubtful(), "{what}");
            assert_eq!(hub.db.list_sources(log).await.expect("read")[0].last_error, None, "{what}");
            let noted = hub.db.upstream(log).await.expect("read").expect("there").last_error;
            assert!(noted.is_some_and(|noted| noted.contains(words)), "{what}: the liar is named");
        }
    }
}
