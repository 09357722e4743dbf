//! A hub that writes a log in memory.
use std::collections::BTreeMap;

use polder_log::{
    Body, Checkpoint, Data, EventType, EventsPage, Frontier, Hashes, Leaf, LogName, Meta, Namespace, Node,
    ObjectEntry, ObjectsManifest, Plan, RefChange, RefMap, SecretKey, SignerKey, Statement,
};
use polder_types::{ObjectId, RepoKind, Sha256, UnixMillis};

pub(crate) const ORIGIN: &str = "hub.example.org";

pub(crate) fn log() -> LogName {
    format!("{ORIGIN}/polder/1").parse().unwrap()
}

pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::new(&[seed; 32])
}

pub(crate) fn at(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) key: SignerKey,
    pub(crate) log: LogName,
    pub(crate) tree: Frontier,
    nodes: BTreeMap<Node, Sha256>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) bodies: Vec<Vec<u8>>,
    roots: Vec<Sha256>,
}

impl Hashes for Hub {
    fn hash(&self, node: Node) -> Option<Sha256> {
        self.nodes.get(&node).copied()
    }
}

impl Hub {
    /// A hub whose log has its key.
    pub(crate) fn new() -> Self {
        let mut hub = Self::empty();
        hub.append(&first_key());
        hub
    }

    pub(crate) fn empty() -> Self {
        let tree = Frontier::default();
        Self {
            key: SignerKey::new(ORIGIN, secret(7)).unwrap(),
            log: log(),
            roots: vec![tree.root()],
            tree,
            nodes: BTreeMap::new(),
            leaves: Vec::new(),
            bodies: Vec::new(),
        }
    }

    pub(crate) fn append(&mut self, body: &Body) {
        self.append_raw(body.leaf(), body.bytes());
    }

    pub(crate) fn append_raw(&mut self, leaf: Leaf, body: &[u8]) {
        self.tree.push(leaf.hash(), |node, hash| {
            self.nodes.insert(node, hash);
        });
        self.roots.push(self.tree.root());
        self.leaves.push(leaf);
        self.bodies.push(body.to_vec());
    }

    /// Appends `count` heartbeats that no other log has.
    pub(crate) fn beat(&mut self, count: u64, salt: u8) {
        for _ in 0..count {
            let time = UnixMillis(1_790_000_000_000 + i64::try_from(self.tree.size()).unwrap());
            let beat = Statement::new(self.log.clone(), EventType::Heartbeat, time, [salt; 16]);
            self.append(&beat.seal(&[]).unwrap());
        }
    }

    pub(crate) fn note(&self, size: u64) -> String {
        Checkpoint { log: self.log.clone(), size, root: self.roots[at(size)] }.sign(&[&self.key])
    }

    pub(crate) fn path(&self, old: u64, size: u64) -> Vec<Sha256> {
        Plan::consistency(old, size).unwrap().path(self).unwrap()
    }

    /// `count` events from `first`, under the checkpoint of `size`.
    pub(crate) fn page(&self, first: u64, count: u64, size: u64) -> EventsPage {
        let events = at(first)..at(first + count);
        EventsPage {
            first,
            checkpoint: self.note(size),
            proof: self.path(first + count, size),
            leaves: self.leaves[events.clone()].to_vec(),
            bodies: self.bodies[events].to_vec(),
        }
    }
}

pub(crate) fn statement(kind: EventType) -> Statement {
    Statement::new(log(), kind, UnixMillis(1_790_000_000_000), [u8::MAX; 16])
}

pub(crate) fn first_key() -> Body {
    let mut first = statement(EventType::HubKey);
    first.rseq = 1;
    first.data = Data::HubKey { key: secret(7).public(), recovery_sha256: secret(8).public().sha256() };
    first.seal(&[&secret(7)]).unwrap()
}

/// Keys of a namespace: its owner's, its hub's.
pub(crate) fn namespace() -> Namespace {
    Namespace {
        handle: "acme".to_owned(),
        home: ORIGIN.parse().unwrap(),
        signer: Some(secret(9).public()),
        rotation: vec![secret(10).public(), secret(9).public()],
        cut: None,
    }
}

pub(crate) fn ns_create() -> Body {
    let mut create = statement(EventType::NsCreate);
    create.rseq = 1;
    create.data = Data::Namespace(namespace());
    create.seal(&[&secret(9)]).unwrap()
}

pub(crate) fn ref_map() -> RefMap {
    let refs = [("refs/tags/v1", 2), ("refs/heads/main", 1)];
    let refs = refs.map(|(name, oid)| (name.to_owned(), ObjectId::new([oid; 20])));
    RefMap::new("refs/heads/main".to_owned(), refs.to_vec()).unwrap()
}

pub(crate) fn manifest() -> ObjectsManifest {
    let object = |n: u8, xet| ObjectEntry { sha256: Sha256::new([n; 32]), size: 1 << n, xet };
    ObjectsManifest::new(vec![object(30, Some(Sha256::new([31; 32]))), object(20, None)]).unwrap()
}

/// An event of the repository, the first without `before`.
pub(crate) fn repo_event(kind: EventType, before: Option<&Body>) -> Body {
    let namespace = ns_create();
    let mut event = statement(kind);
    event.nsid = Some(namespace.id());
    event.ns_head = Some(namespace.sha256());
    event.rid = before.and_then(Body::repo);
    event.prev = before.map(Body::sha256);
    event.rseq = before.map_or(0, |before| before.rseq) + 1;
    let mut meta = Meta::new(RepoKind::Model, "acme/m".to_owned(), "refs/heads/main".to_owned());
    meta.license = Some("Apache-2.0".to_owned());
    meta.tags = vec!["text".to_owned()];
    event.meta = Some(meta);
    event.state = Some(ref_map().state());
    event.refs = Some(vec![RefChange {
        name: "refs/heads/main".to_owned(),
        old: None,
        new: Some(ObjectId::new([1; 20])),
    }]);
    event.objects = Some(manifest().objects());
    if kind == EventType::RepoTakedown {
        event.reason = Some("a complaint".to_owned());
        (event.critical, event.state, event.refs, event.objects) = (true, None, None, None);
    }
    event.seal(&[&secret(9)]).unwrap()
}
