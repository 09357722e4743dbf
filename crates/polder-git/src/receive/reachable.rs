//! Proof that objects are reachable from the visible refs of a snapshot, within a budget.

use std::collections::BinaryHeap;

use polder_types::ObjectId;

use super::connectivity::missing;
use super::tree_path::TreePath;
use crate::id_set::{IdMap, IdSet};
use crate::links::{TreeLink, TreeLinks};
use crate::reader::ObjectReader;
use crate::{Error, ObjectKind, Result, Snapshot};

/// Most commits of existing history that one push may cause to be read.
const HISTORY_COMMITS_MAX: usize = 2_000_000;
/// Most trees of existing history that one push may cause to be read.
const HISTORY_TREES_MAX: usize = 1_000_000;

/// Why an object is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: ObjectKind,
    /// For the message; the root for what has no path.
    pub(super) path: TreePath,
}

/// What the visible refs of a snapshot reach.
pub(super) struct Reachable<'a> {
    reader: ObjectReader<'a>,
    snapshot: &'a Snapshot,
    /// Tags, and whatever else refs point at; empty until the refs' own ids are not enough.
    tips: IdMap<ObjectKind>,
    /// All commits met so far, each once; newest first.
    order: Vec<ObjectId>,
    queue: BinaryHeap<(i64, ObjectId)>,
    queued: IdSet,
    trees: IdSet,
}

impl<'a> Reachable<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            reader: ObjectReader::new(snapshot),
            snapshot,
            tips: IdMap::default(),
            order: Vec::new(),
            queue: BinaryHeap::new(),
            queued: IdSet::default(),
            trees: IdSet::default(),
        }
    }

    /// Looks behind every visible ref.
    fn read_tips(&mut self) -> Result<()> {
        if !self.tips.is_empty() {
            return Ok(());
        }
        for tip in self.snapshot.visible_refs() {
            if tip.peeled.is_none() && self.tips.contains_key(&tip.oid) {
                continue;
            }
            let Some((tags, id, kind)) = self.reader.peel(&tip.oid)? else {
                return Err(Error::corrupt("read the refs", &tip.name));
            };
            self.tips.extend(tags.into_iter().map(|tag| (tag, ObjectKind::Tag)));
            self.tips.insert(id, kind);
        }
        Ok(())
    }

    /// Proves objects that a push names as new tips and does not bring.
    ///
    /// # Errors
    /// The same words for an object that is not there and for one that only a hidden ref reaches.
    pub(super) fn prove_tips(&mut self, tips: &[ObjectId]) -> Result<()> {
        let mut wanted = IdMap::default();
        for tip in tips {
            let Some((kind, _)) = self.reader.header(tip)? else { return Err(missing_tip(tips)) };
            wanted.insert(*tip, Wanted { kind, path: TreePath::default() });
        }
        let commits = self.prove_commits(wanted.clone());
        wanted.retain(|_, want| is_content(want.kind));
        let proven = commits.and_then(|()| self.prove_content(wanted, &[]));
        proven.map_err(|error| if matches!(error, Error::Refused { .. }) { missing_tip(tips) } else { error })
    }

    /// Proves the commits and tags of `wanted`; leaves trees and blobs for [`Self::prove_content`].
    pub(super) fn prove_commits(&mut self, mut wanted: IdMap<Wanted>) -> Result<()> {
        wanted.retain(|_, want| matches!(want.kind, ObjectKind::Commit | ObjectKind::Tag));
        // By far most pushes continue a branch: the ref itself is the proof.
        for tip in self.snapshot.visible_refs() {
            for id in [Some(tip.oid), tip.peeled].into_iter().flatten() {
                if wanted.contains_key(&id)
                    && let Some((kind, _)) = self.reader.header(&id)?
                {
                    satisfy(&mut wanted, id, kind);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.read_tips()?;
        wanted.retain(|id, want| self.tips.get(id) != Some(&want.kind));
        for commit in &self.order {
            wanted.remove(commit);
        }
        if let Some((id, want)) = wanted.iter().find(|(_, want)| want.kind == ObjectKind::Tag) {
            return Err(missing(want.kind.as_str(), id, &want.path));
        }
        while !wanted.is_empty() {
            let Some(commit) = self.next_commit()? else { break };
            wanted.remove(&commit);
        }
        match wanted.iter().next() {
            Some((id, want)) => Err(missing(want.kind.as_str(), id, &want.path)),
            None => Ok(()),
        }
    }

    /// Proves trees and blobs: first in the trees of `boundary`, then wherever history had them.
    pub(super) fn prove_content(&mut self, mut wanted: IdMap<Wanted>, boundary: &[ObjectId]) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        self.read_tips()?;
        let direct: Vec<(ObjectId, ObjectKind)> =
            self.tips.iter().filter(|(_, kind)| is_content(**kind)).map(|(id, kind)| (*id, *kind)).collect();
        for (id, kind) in direct {
            if wanted.is_empty() {
                return Ok(());
            }
            satisfy(&mut wanted, id, kind);
            if kind == ObjectKind::Tree {
                self.search(id, &mut wanted)?;
            }
        }
        for root in boundary {
            self.search(*root, &mut wanted)?;
        }
        let mut at = 0;
        while !wanted.is_empty() {
            let commit = match self.order.get(at).copied() {
                Some(commit) => commit,
                None => match self.next_commit()? {
                    Some(commit) => commit,
                    None => break,
                },
            };
            at += 1;
            let root = self.reader.commit(&commit)?.tree;
            self.search(root, &mut wanted)?;
        }
        // Name the same object every time, whatever the map's order.
        match wanted.iter().min_by_key(|(id, _)| **id) {
            Some((id, want)) => Err(missing(want.kind.as_str(), id, &want.path)),
            None => Ok(()),
        }
    }

    /// Strikes off everything that a reachable tree holds.
    fn search(&mut self, root: ObjectId, wanted: &mut IdMap<Wanted>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        satisfy(wanted, root, ObjectKind::Tree);
        let mut todo = vec![root];
        while let Some(tree) = todo.pop() {
            if wanted.is_empty() || !self.trees.insert(tree) {
                continue;
            }
            if self.trees.len() > HISTORY_TREES_MAX {
                return Err(over_budget());
            }
            let data = self.reader.require(&tree, ObjectKind::Tree)?;
            for link in TreeLinks::new(&data) {
                match link.ok_or_else(|| Error::corrupt("search history", tree))? {
                    TreeLink::Tree(id) => {
                        satisfy(wanted, id, ObjectKind::Tree);
                        todo.push(id);
                    }
                    TreeLink::Blob(id) => satisfy(wanted, id, ObjectKind::Blob),
                    TreeLink::Submodule => {}
                }
            }
        }
        Ok(())
    }

    /// The next commit of visible history, roughly newest first.
    fn next_commit(&mut self) -> Result<Option<ObjectId>> {
        if self.order.is_empty() && self.queue.is_empty() {
            let tips: Vec<ObjectId> = self
                .tips
                .iter()
                .filter(|(_, kind)| **kind == ObjectKind::Commit)
                .map(|(id, _)| *id)
                .collect();
            for tip in tips {
                self.enqueue(tip)?;
            }
        }
        let Some((_, commit)) = self.queue.pop() else { return Ok(None) };
        self.order.push(commit);
        if self.order.len() > HISTORY_COMMITS_MAX {
            return Err(over_budget());
        }
        let links = self.reader.commit(&commit)?;
        for parent in &links.parents {
            self.enqueue(*parent)?;
        }
        Ok(Some(commit))
    }

    fn enqueue(&mut self, commit: ObjectId) -> Result<()> {
        if self.queued.insert(commit) {
            let date = self.reader.commit(&commit)?.date;
            self.queue.push((date, commit));
        }
        Ok(())
    }
}

fn is_content(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Tree | ObjectKind::Blob)
}

fn satisfy(wanted: &mut IdMap<Wanted>, id: ObjectId, kind: ObjectKind) {
    if wanted.get(&id).is_some_and(|want| want.kind == kind) {
        wanted.remove(&id);
    }
}

fn over_budget() -> Error {
    Error::too_large("checking this push would mean searching too much history; push it in smaller steps")
}

/// Whether `old` is `new` or one of its ancestors, so that a ref may move without losing anything.
///
/// `snapshot` holds both, with the incoming pack. False if either is not a commit.
///
/// # Errors
/// [`Error::Corrupt`] if history is damaged; [`Error::TooLarge`] after two million commits.
pub fn is_fast_forward(snapshot: &Snapshot, old: ObjectId, new: ObjectId) -> Result<bool> {
    let mut reader = ObjectReader::new(snapshot);
    for id in [&old, &new] {
        if !matches!(reader.header(id)?, Some((ObjectKind::Commit, _))) {
            return Ok(false);
        }
    }
    let mut seen = IdSet::default();
    let mut queue = BinaryHeap::from([(reader.commit(&new)?.date, new)]);
    while let Some((_, commit)) = queue.pop() {
        if commit == old {
            return Ok(true);
        }
        if seen.len() > HISTORY_COMMITS_MAX {
            return Err(over_budget());
        }
        for parent in &reader.commit(&commit)?.parents {
            if seen.insert(*parent) {
                queue.push((reader.commit(parent)?.date, *parent));
            }
        }
    }
    Ok(false)
}

/// What an annotated tag stands for in the end; `None` for anything but a tag, or if it is not there.
///
/// # Errors
/// [`Error::Corrupt`] if a tag points at nothing or the chain of tags is too long.
pub fn peel(snapshot: &Snapshot, id: ObjectId) -> Result<Option<ObjectId>> {
    let peeled = ObjectReader::new(snapshot).peel(&id)?;
    Ok(peeled.filter(|(tags, ..)| !tags.is_empty()).map(|(_, target, _)| target))
}

fn missing_tip(tips: &[ObjectId]) -> Error {
    match tips {
        [tip] => missing("object", tip, &TreePath::default()),
        tips => Error::refused(format!(
            "missing necessary objects: one of {} that the push names without bringing them is in no branch or tag here",
            tips.len()
        )),
    }
}
