//! History: the commits reachable from some tips and not from others.

use std::collections::BinaryHeap;
use std::rc::Rc;

use polder_types::ObjectId;

use crate::id_set::{IdMap, IdSet};
use crate::links::CommitLinks;
use crate::{ObjectReader, Result};

/// What a commit walk found.
#[derive(Default)]
pub(crate) struct CommitRange {
    /// Reachable from the wants and not from the haves, roughly newest first.
    pub(crate) commits: Vec<ObjectId>,
    /// Reachable from the haves, and a parent of one of `commits`.
    pub(crate) boundary: Vec<ObjectId>,
    /// Every commit found to be reachable from the haves.
    pub(crate) hidden: IdSet,
}

struct Seen {
    links: Rc<CommitLinks>,
    hidden: bool,
    popped: bool,
}

struct Walk<'r, 'a> {
    reader: &'r mut ObjectReader<'a>,
    /// Commits taken to have no parents.
    grafts: &'r IdSet,
    /// Commits the receiver has with all they reach.
    complete: &'r IdSet,
    seen: IdMap<Seen>,
    /// Newest first; of one date, those on the hidden side first.
    queue: BinaryHeap<(i64, bool, ObjectId)>,
    /// How many commits of the queue are not hidden.
    open: usize,
}

impl Walk<'_, '_> {
    fn parents(&self, id: &ObjectId) -> Vec<ObjectId> {
        if self.grafts.contains(id) {
            return Vec::new();
        }
        self.seen.get(id).map(|seen| seen.links.parents.clone()).unwrap_or_default()
    }

    fn add(&mut self, id: ObjectId, hidden: bool) -> Result<()> {
        if self.seen.contains_key(&id) {
            if hidden {
                self.hide(id);
            }
            return Ok(());
        }
        let hidden = hidden || self.complete.contains(&id);
        let links = self.reader.commit(&id)?;
        self.queue.push((links.date, hidden, id));
        self.seen.insert(id, Seen { links, hidden, popped: false });
        if !hidden {
            self.open += 1;
        }
        Ok(())
    }

    /// Hides a known commit and what is known of its ancestors.
    fn hide(&mut self, id: ObjectId) {
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            let Some(seen) = self.seen.get_mut(&id) else { continue };
            if std::mem::replace(&mut seen.hidden, true) {
                continue;
            }
            if seen.popped {
                stack.extend(self.parents(&id));
            } else {
                self.open -= 1;
            }
        }
    }
}

/// Walks from `wants`, leaving out what `haves` and `complete` reach.
///
/// A commit of `grafts` counts as having no parents. Where clocks were wrong, commits reachable from
/// `haves` may be listed all the same; none is ever left out wrongly.
///
/// Source: the date-ordered walk is that of git's `revision.c` `limit_list`.
pub(crate) fn walk_commits(
    reader: &mut ObjectReader<'_>,
    wants: &[ObjectId],
    haves: &[ObjectId],
    grafts: &IdSet,
    complete: &IdSet,
) -> Result<CommitRange> {
    let mut walk =
        Walk { reader, grafts, complete, seen: IdMap::default(), queue: BinaryHeap::new(), open: 0 };
    for have in haves {
        walk.add(*have, true)?;
    }
    for want in wants {
        walk.add(*want, false)?;
    }
    let mut listed = Vec::new();
    let mut oldest = i64::MAX;
    while let Some((date, _, id)) = walk.queue.pop() {
        if walk.open == 0 && date < oldest {
            break;
        }
        let Some(seen) = walk.seen.get_mut(&id) else { continue };
        seen.popped = true;
        let hidden = seen.hidden;
        if !hidden {
            walk.open -= 1;
            oldest = oldest.min(date);
            listed.push(id);
        }
        for parent in walk.parents(&id) {
            walk.add(parent, hidden)?;
        }
    }
    Ok(collect(&walk, listed))
}

fn collect(walk: &Walk<'_, '_>, mut listed: Vec<ObjectId>) -> CommitRange {
    let hidden: IdSet = walk.seen.iter().filter(|(_, seen)| seen.hidden).map(|(id, _)| *id).collect();
    listed.retain(|id| !hidden.contains(id));
    let mut boundary = IdSet::default();
    for id in &listed {
        boundary.extend(walk.parents(id).into_iter().filter(|parent| hidden.contains(parent)));
    }
    CommitRange { commits: listed, boundary: boundary.into_iter().collect(), hidden }
}
