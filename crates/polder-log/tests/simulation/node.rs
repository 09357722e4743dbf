//! A hub: what it has committed, and what it makes of an answer.

use std::collections::{BTreeMap, BTreeSet};

use polder_log::{
    Advanced, Body, Content, Cursor, EventsPage, Evidence, Fault, Lie, LogName, Objects, RefMap, RepoHead,
    VerifierKey, check_next,
};
use polder_types::Sha256;
use sha2::{Digest, Sha256 as Hasher};

use crate::store::Store;

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::new(Hasher::digest(bytes).into())
}

/// A mirror of one log.
pub(crate) struct Mirror {
    pub(crate) key: VerifierKey,
    pub(crate) store: Store,
    pub(crate) cursor: Cursor,
    heads: BTreeMap<Sha256, RepoHead>,
    /// The newest event of each repository that is not published as it says.
    pub(crate) wanted: BTreeMap<Sha256, Sha256>,
    /// What readers see: the refs of each repository.
    pub(crate) published: BTreeMap<Sha256, Sha256>,
    /// Sources that were caught lying about this log.
    pub(crate) banned: BTreeSet<usize>,
    /// Proof that the origin itself lies: nothing of its log is taken any more.
    pub(crate) frozen: Option<Box<Evidence>>,
}

impl Mirror {
    pub(crate) fn new(log: LogName, key: VerifierKey) -> Self {
        Self {
            key,
            store: Store::default(),
            cursor: Cursor::start(log),
            heads: BTreeMap::new(),
            wanted: BTreeMap::new(),
            published: BTreeMap::new(),
            banned: BTreeSet::new(),
            frozen: None,
        }
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken, all of it, or there was nothing new.
    Taken,
    /// The source is behind and agrees.
    Behind,
    /// The leaves are wrong, or the origin signed two pasts: an answer without leaves will tell.
    AskWithoutLeaves,
    /// The source lied.
    Lied(&'static str),
    /// The origin signed two pasts.
    TwoPasts,
}

fn name(lie: &Lie) -> &'static str {
    match lie {
        Lie::Signature => "signature",
        Lie::Origin => "origin",
        Lie::Place => "place",
        Lie::Proof => "proof",
        Lie::Graft => "graft",
        Lie::Body => "body",
        Lie::Malformed(_) => "malformed",
    }
}

impl Mirror {
    /// What a page does to the mirror. With `dies`, the follower is killed before it commits.
    pub(crate) fn take(&mut self, bytes: &[u8], dies: bool) -> Verdict {
        let page = match EventsPage::decode(bytes) {
            Ok(page) => page,
            Err(_source) => return Verdict::Lied("malformed"),
        };
        match self.cursor.advance(&page, &self.key) {
            Ok(advanced) if !dies => self.commit(advanced),
            Ok(_) => Verdict::Taken,
            Err(Fault::Source(Lie::Graft)) if !page.leaves.is_empty() => Verdict::AskWithoutLeaves,
            Err(Fault::Source(lie)) => Verdict::Lied(name(&lie)),
            Err(Fault::Stale { size }) => self.compare(&page.checkpoint, size),
            Err(Fault::Equivocated(evidence)) => self.freeze(evidence),
            Err(Fault::NewEpoch { .. }) => panic!("nobody begins an epoch here"),
        }
    }

    fn compare(&mut self, note: &str, size: u64) -> Verdict {
        let path = self.store.path(size, self.store.tree.size());
        match self.cursor.compare(note, &path, &self.key) {
            Ok(()) => Verdict::Behind,
            Err(Fault::Equivocated(evidence)) => self.freeze(evidence),
            Err(other) => panic!("the own path is wrong: {other}"),
        }
    }

    fn freeze(&mut self, evidence: Box<Evidence>) -> Verdict {
        assert!(evidence.convicts(std::slice::from_ref(&self.key)), "evidence that convinces nobody else");
        self.frozen = Some(evidence);
        Verdict::TwoPasts
    }

    fn commit(&mut self, advanced: Advanced) -> Verdict {
        for entry in &advanced.entries {
            let body = match &entry.content {
                Content::Body(body) => Some(body.as_ref()),
                Content::NotSent => None,
                Content::Refused { why, .. } => panic!("an honest hub signed what is not in order: {why}"),
            };
            self.store.push(entry.leaf, body.map(Body::bytes));
            if entry.leaf.rid.is_zero() {
                continue;
            }
            let head = self.heads.get(&entry.leaf.rid).copied();
            if let Some(body) = body {
                check_next(head, body).expect("an honest hub writes chains");
            }
            let head = RepoHead { rseq: entry.leaf.rseq, body_sha256: entry.leaf.body_sha256 };
            self.heads.insert(entry.leaf.rid, head);
            self.wanted.insert(entry.leaf.rid, entry.leaf.body_sha256);
        }
        if advanced.checkpoint.size == self.store.tree.size() {
            let note = advanced.cursor.held.as_ref().expect("a page was taken").note.clone();
            self.store.note = Some((advanced.checkpoint.size, note));
        }
        self.cursor = advanced.cursor;
        assert_eq!(self.cursor.tree, self.store.tree);
        Verdict::Taken
    }

    /// Files still missing before the repository may be published, of those that can be named by now.
    pub(crate) fn missing(&self, rid: &Sha256, files: &BTreeMap<Sha256, Vec<u8>>) -> Vec<Sha256> {
        let body = self.wanted[rid];
        let Some(bytes) = self.store.bodies.get(&body) else { return vec![body] };
        let body = Body::decode(bytes).unwrap();
        let state = body.state.map(|state| state.refs_sha256);
        let objects = match &body.objects {
            Some(Objects::Inline(objects)) => objects.iter().map(|object| object.sha256).collect(),
            _ => Vec::new(),
        };
        state.into_iter().chain(objects).filter(|file| !files.contains_key(file)).collect()
    }

    /// Publishes, if everything is here.
    pub(crate) fn publish(&mut self, rid: Sha256, files: &BTreeMap<Sha256, Vec<u8>>) {
        if !self.missing(&rid, files).is_empty() {
            return;
        }
        let body = Body::decode(&self.store.bodies[&self.wanted[&rid]]).unwrap();
        let state = body.state.unwrap();
        let map = RefMap::decode(&files[&state.refs_sha256]).unwrap();
        assert_eq!(map.state(), state);
        self.published.insert(rid, state.refs_sha256);
        self.wanted.remove(&rid);
    }
}
