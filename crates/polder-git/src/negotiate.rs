//! Finding out what client and server have in common.
//!
//! Source: git `upload-pack.c` (`got_oid`, `ok_to_give_up`).

use std::collections::BinaryHeap;

use polder_types::ObjectId;

use crate::id_set::{IdMap, IdSet};
use crate::walk_reachable::visible_commits;
use crate::{ObjectKind, ObjectReader, Result};

/// The state of one request's negotiation.
pub(crate) struct Negotiation {
    /// Commits wanted.
    wants: Vec<ObjectId>,
    /// Those of the offered commits that visible refs reach.
    visible: IdSet,
    common: Vec<ObjectId>,
    /// Whether so many common commits were enough.
    ready: Option<(usize, bool)>,
}

impl Negotiation {
    /// Starts one about `wants`, in which the client will offer `haves`.
    pub(crate) fn new(reader: &mut ObjectReader<'_>, wants: &[ObjectId], haves: &[ObjectId]) -> Result<Self> {
        let mut commits = Vec::new();
        if !haves.is_empty() {
            for want in wants {
                if let Some((_, target, ObjectKind::Commit)) = reader.peel(want)? {
                    commits.push(target);
                }
            }
        }
        let visible = visible_commits(reader, &commits, haves)?;
        Ok(Self { wants: commits, visible, common: Vec::new(), ready: None })
    }

    /// Takes one `have`; whether it is common.
    pub(crate) fn offer(&mut self, have: ObjectId) -> bool {
        let common = self.visible.contains(&have);
        if common {
            self.common.push(have);
        }
        common
    }

    /// Every common commit so far, in the order offered.
    pub(crate) fn common(&self) -> &[ObjectId] {
        &self.common
    }

    /// Whether every wanted commit descends from a common one, so that more haves would not help.
    pub(crate) fn is_ready(&mut self, reader: &mut ObjectReader<'_>) -> Result<bool> {
        match self.ready {
            Some((count, ready)) if ready || count == self.common.len() => Ok(ready),
            _ => {
                let ready = !self.common.is_empty() && all_descend(reader, &self.wants, &self.common)?;
                self.ready = Some((self.common.len(), ready));
                Ok(ready)
            }
        }
    }
}

fn all_descend(reader: &mut ObjectReader<'_>, wants: &[ObjectId], common: &[ObjectId]) -> Result<bool> {
    let mut oldest = i64::MAX;
    for id in common {
        oldest = oldest.min(reader.commit(id)?.date);
    }
    let common: IdSet = common.iter().copied().collect();
    let mut children: IdMap<Vec<ObjectId>> = IdMap::default();
    let mut seen = IdSet::default();
    let mut queue = BinaryHeap::new();
    for want in wants {
        if seen.insert(*want) {
            queue.push((reader.commit(want)?.date, *want));
        }
    }
    let mut met = Vec::new();
    while let Some((date, id)) = queue.pop() {
        if common.contains(&id) {
            met.push(id);
            continue;
        }
        if date < oldest {
            continue;
        }
        for parent in reader.commit(&id)?.parents.clone() {
            children.entry(parent).or_default().push(id);
            if seen.insert(parent) {
                queue.push((reader.commit(&parent)?.date, parent));
            }
        }
    }
    let mut descend: IdSet = met.iter().copied().collect();
    while let Some(id) = met.pop() {
        for child in children.get(&id).into_iter().flatten() {
            if descend.insert(*child) {
                met.push(*child);
            }
        }
    }
    Ok(wants.iter().all(|want| descend.contains(want)))
}
