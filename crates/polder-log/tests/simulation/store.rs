//! A log in memory, the own one of a hub or a mirror: what is committed.

use std::collections::BTreeMap;

use polder_log::{EventsPage, Frontier, Hashes, Leaf, Node, Plan};
use polder_types::Sha256;

#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) tree: Frontier,
    nodes: BTreeMap<Node, Sha256>,
    pub(crate) leaves: Vec<Leaf>,
    /// By hash; what was withheld may come later.
    pub(crate) bodies: BTreeMap<Sha256, Vec<u8>>,
    /// The newest signed note over leaves that are here, and how many those are.
    pub(crate) note: Option<(u64, String)>,
}

impl Hashes for Store {
    fn hash(&self, node: Node) -> Option<Sha256> {
        self.nodes.get(&node).copied()
    }
}

impl Store {
    pub(crate) fn push(&mut self, leaf: Leaf, body: Option<&[u8]>) {
        self.tree.push(leaf.hash(), |node, hash| {
            self.nodes.insert(node, hash);
        });
        self.leaves.push(leaf);
        if let Some(body) = body {
            self.bodies.insert(leaf.body_sha256, body.to_vec());
        }
    }

    pub(crate) fn path(&self, old: u64, size: u64) -> Vec<Sha256> {
        if old == 0 || old == size {
            return Vec::new();
        }
        Plan::consistency(old, size).unwrap().path(self).unwrap()
    }

    /// At most `count` events from `first` on, as a source answers; a source that is behind shows its note.
    pub(crate) fn page(&self, first: u64, count: u64) -> Option<EventsPage> {
        let (size, note) = self.note.clone()?;
        let end = size.min(first + count).max(first.min(size));
        let range = usize::try_from(first.min(size)).unwrap()..usize::try_from(end).unwrap();
        let leaves = self.leaves[range].to_vec();
        let bodies = leaves.iter().filter_map(|leaf| self.bodies.get(&leaf.body_sha256).cloned()).collect();
        Some(EventsPage { first, checkpoint: note, proof: self.path(end, size), leaves, bodies })
    }
}
