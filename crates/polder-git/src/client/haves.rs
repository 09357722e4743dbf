//! Which of our commits to tell the server of, newest first.

use std::collections::BinaryHeap;

use polder_types::ObjectId;

use crate::id_set::{IdMap, IdSet};
use crate::{ObjectKind, ObjectReader, Result, Snapshot};

/// Most commits that are repeated in each round because both sides have them.
const COMMON_MAX: usize = 2_048;

/// Walks the history that our visible refs reach, leaving out what the server is known to have with its ancestors.
pub(super) struct Haves<'a> {
    reader: ObjectReader<'a>,
    /// Newest first.
    queue: BinaryHeap<(i64, ObjectId)>,
    /// Every commit that was queued.
    seen: IdMap<Seen>,
    /// How many commits of the queue the server is not known to have.
    open: usize,
    /// Told by the server, or shown as one of its refs.
    common: Vec<ObjectId>,
}

struct Seen {
    common: bool,
    queued: bool,
}

impl<'a> Haves<'a> {
    /// Starts at every visible ref of `ours`: what only a hidden one reaches does not count when the pack is
    /// checked, so it must come again. `theirs` are ids that the server showed: those that are refs of ours too
    /// are common without a question.
    pub(super) fn new(ours: &'a Snapshot, theirs: &[ObjectId]) -> Result<Self> {
        let mut haves = Self {
            reader: ObjectReader::new(ours),
            queue: BinaryHeap::new(),
            seen: IdMap::default(),
            open: 0,
            common: Vec::new(),
        };
        let theirs: IdSet = theirs.iter().copied().collect();
        for shown in ours.visible_refs() {
            if let Some((_, commit, ObjectKind::Commit)) = haves.reader.peel(&shown.oid)? {
                haves.add(commit, false)?;
                if theirs.contains(&shown.oid) {
                    haves.acknowledge(commit);
                }
            }
        }
        Ok(haves)
    }

    fn add(&mut self, commit: ObjectId, common: bool) -> Result<()> {
        if self.seen.contains_key(&commit) {
            if common {
                self.mark(commit);
            }
            return Ok(());
        }
        let date = self.reader.commit(&commit)?.date;
        self.queue.push((date, commit));
        self.seen.insert(commit, Seen { common, queued: true });
        if !common {
            self.open += 1;
        }
        Ok(())
    }

    /// The server has this commit. What we never offered, it cannot know that we have.
    pub(super) fn acknowledge(&mut self, commit: ObjectId) {
        if self.seen.get(&commit).is_some_and(|seen| !seen.common) {
            if self.common.len() < COMMON_MAX {
                self.common.push(commit);
            }
            self.mark(commit);
        }
    }

    /// Marks a commit, and what the walk knows of its ancestors; the rest is marked as the walk goes on.
    fn mark(&mut self, commit: ObjectId) {
        let mut pending = vec![commit];
        while let Some(id) = pending.pop() {
            let Some(seen) = self.seen.get_mut(&id) else { continue };
            if std::mem::replace(&mut seen.common, true) {
                continue;
            }
            if seen.queued {
                self.open -= 1;
            } else if let Ok(links) = self.reader.commit(&id) {
                pending.extend(links.parents.iter().copied());
            }
        }
    }

    /// What both sides are known to have.
    pub(super) fn common(&self) -> &[ObjectId] {
        &self.common
    }

    /// Up to `count` more commits to offer; empty when there are none.
    pub(super) fn next(&mut self, count: usize) -> Result<Vec<ObjectId>> {
        let mut offered = Vec::new();
        while offered.len() < count && self.open > 0 {
            let Some((_, commit)) = self.queue.pop() else { break };
            let Some(seen) = self.seen.get_mut(&commit) else { continue };
            seen.queued = false;
            let common = seen.common;
            if !common {
                self.open -= 1;
                offered.push(commit);
            }
            for parent in self.reader.commit(&commit)?.parents.clone() {
                self.add(parent, common)?;
            }
        }
        Ok(offered)
    }
}
