//! A hub that has written a long log, made up: only its bytes matter.

use std::collections::BTreeMap;

use polder_log::{
    Body, Checkpoint, Data, EventType, EventsPage, Frontier, Hashes, Leaf, LogName, Meta, Namespace, Node,
    Plan, RefChange, SecretKey, SignerKey, State, Statement, VerifierKey,
};
use polder_types::{ObjectId, RepoKind, Sha256, UnixMillis};
use sha2::{Digest, Sha256 as Hasher};

use crate::tools::Result;

/// Whose log it is.
const ORIGIN: &str = "hub.example.org";
/// When its first event happened.
const START_MS: i64 = 1_790_000_000_000;

/// The hash of a number, for whatever a made-up event needs.
pub(crate) fn hash(number: u64) -> Sha256 {
    Sha256::new(Hasher::digest(number.to_be_bytes()).into())
}

/// Its log, without the bodies.
pub(crate) struct Origin {
    key: SignerKey,
    log: LogName,
    tree: Frontier,
    nodes: BTreeMap<Node, Sha256>,
    /// The namespace of every repository.
    namespace: Option<Body>,
    /// The newest event of each repository: its id, position and body.
    repos: Vec<(Sha256, u64, Sha256)>,
}

impl Hashes for Origin {
    fn hash(&self, node: Node) -> Option<Sha256> {
        self.nodes.get(&node).copied()
    }
}

impl Origin {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            key: SignerKey::new(ORIGIN, SecretKey::new(&[7; 32]))?,
            log: LogName { origin: ORIGIN.parse()?, epoch: 1 },
            tree: Frontier::default(),
            nodes: BTreeMap::new(),
            namespace: None,
            repos: Vec::new(),
        })
    }

    /// The log and the key that followers know.
    pub(crate) fn identity() -> Result<(LogName, VerifierKey)> {
        let new = Self::new()?;
        Ok((new.log, new.key.verifier().clone()))
    }

    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(crate) fn tree(&self) -> &Frontier {
        &self.tree
    }

    pub(crate) fn note(&self) -> String {
        let checkpoint = Checkpoint { log: self.log.clone(), size: self.size(), root: self.tree.root() };
        checkpoint.sign(&[&self.key])
    }

    /// The proof that the log was as it was at `size`.
    pub(crate) fn proof(&self, size: u64) -> Result<Vec<Sha256>> {
        if size == 0 || size == self.size() {
            return Ok(Vec::new());
        }
        Ok(Plan::consistency(size, self.size())?.path(self).ok_or("a node of the tree is missing")?)
    }

    /// `leaves` and `bodies` from `first` on, under the newest checkpoint.
    pub(crate) fn page(&self, first: u64, leaves: Vec<Leaf>, bodies: Vec<Vec<u8>>) -> Result<EventsPage> {
        let end = first + u64::try_from(leaves.len())?;
        Ok(EventsPage { first, checkpoint: self.note(), proof: self.proof(end)?, leaves, bodies })
    }

    /// The next event, when the log is to tell of so many repositories: first they are made, then pushed to
    /// in no order.
    pub(crate) fn next(&mut self, repositories: u64) -> Result<Body> {
        let body = match &self.namespace {
            None => {
                let body = self.ns_create()?;
                self.namespace = Some(body.clone());
                body
            }
            Some(namespace) => {
                let made = u64::try_from(self.repos.len())?;
                // A multiplier without a common factor with anything near: every repository has its turn.
                let turn = self.size().wrapping_mul(2_654_435_761) % repositories;
                let place = if made < repositories { made } else { turn };
                let body = self.push(namespace, place)?;
                let head = (body.repo().ok_or("an event without a repository")?, body.rseq, body.sha256());
                match self.repos.get_mut(usize::try_from(place)?) {
                    Some(old) => *old = head,
                    None => self.repos.push(head),
                }
                body
            }
        };
        let nodes = &mut self.nodes;
        self.tree.push(body.leaf().hash(), |node, hash| {
            nodes.insert(node, hash);
        });
        Ok(body)
    }

    fn statement(&self, kind: EventType) -> Result<Statement> {
        let time = UnixMillis(START_MS + i64::try_from(self.size())?);
        let salt = hash(self.size()).as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Statement::new(self.log.clone(), kind, time, salt))
    }

    fn ns_create(&self) -> Result<Body> {
        let key = SecretKey::new(&[9; 32]);
        let mut create = self.statement(EventType::NsCreate)?;
        create.rseq = 1;
        create.data = Data::Namespace(Namespace {
            handle: "acme".to_owned(),
            home: self.log.origin.clone(),
            signer: None,
            rotation: vec![key.public()],
            cut: None,
        });
        Ok(create.seal(&[&key])?)
    }

    /// One branch of a repository moved.
    fn push(&self, namespace: &Body, place: u64) -> Result<Body> {
        let before = self.repos.get(usize::try_from(place)?);
        let mut event =
            self.statement(if before.is_some() { EventType::RepoRefs } else { EventType::RepoCreate })?;
        event.nsid = Some(namespace.id());
        event.ns_head = Some(namespace.sha256());
        event.rid = before.map(|(rid, _, _)| *rid);
        event.rseq = before.map_or(1, |(_, rseq, _)| rseq + 1);
        event.prev = before.map(|(_, _, sha256)| *sha256);
        let mut meta =
            Meta::new(RepoKind::Model, format!("acme/model-{place}"), "refs/heads/main".to_owned());
        meta.license = Some("apache-2.0".to_owned());
        event.meta = Some(meta);
        event.state = Some(State { refs_sha256: hash(self.size()), count: 1 });
        let oid = |number| hash(number).as_bytes().first_chunk().map(|oid| ObjectId::new(*oid));
        event.refs = Some(vec![RefChange {
            name: "refs/heads/main".to_owned(),
            old: before.and_then(|_| oid(self.size() - 1)),
            new: oid(self.size()),
        }]);
        Ok(event.seal(&[])?)
    }
}
