//! What is provably reachable from the refs that clients may see.

use std::collections::BinaryHeap;

use polder_types::ObjectId;

use crate::id_set::IdSet;
use crate::links::{TreeLink, TreeLinks};
use crate::{Error, ObjectKind, ObjectReader, Result};

/// Most objects looked at to prove one request's wants reachable.
const PROOF_OBJECTS_MAX: usize = 5_000_000;
/// How far a commit's date may be behind its child's before a have is no longer looked for, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 86_400;

/// Commits from some tips, newest first.
#[derive(Default)]
struct History {
    queue: BinaryHeap<(i64, ObjectId)>,
    seen: IdSet,
    steps: usize,
}

impl History {
    /// Starts at the visible refs and at `more`.
    fn from_visible_refs(reader: &mut ObjectReader<'_>, more: &[ObjectId]) -> Result<(Self, Tips)> {
        let mut history = Self::default();
        let mut tips = Tips::default();
        for tip in reader.snapshot().visible_refs().map(|r| r.oid).chain(more.iter().copied()) {
            if !tips.objects.insert(tip) {
                continue;
            }
            let Some((tags, target, kind)) = reader.peel(&tip)? else {
                return Err(Error::corrupt(
                    "walk the refs",
                    format_args!("object {tip} of a ref is missing"),
                ));
            };
            tips.objects.extend(tags);
            tips.objects.insert(target);
            match kind {
                ObjectKind::Commit => history.add(reader, target)?,
                ObjectKind::Tree => tips.trees.push(target),
                ObjectKind::Blob | ObjectKind::Tag => {}
            }
        }
        Ok((history, tips))
    }

    fn add(&mut self, reader: &mut ObjectReader<'_>, id: ObjectId) -> Result<()> {
        if self.seen.insert(id) {
            let date = reader.commit(&id)?.date;
            self.queue.push((date, id));
        }
        Ok(())
    }

    fn next(&mut self, reader: &mut ObjectReader<'_>) -> Result<Option<ObjectId>> {
        let Some((_, id)) = self.queue.pop() else { return Ok(None) };
        for parent in reader.commit(&id)?.parents.clone() {
            self.add(reader, parent)?;
        }
        self.step()?;
        Ok(Some(id))
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > PROOF_OBJECTS_MAX {
            return Err(Error::too_large(
                "upload-pack: too much history to prove that what is asked for is reachable",
            ));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Tips {
    /// Everything a visible ref names, with the tags in between.
    objects: IdSet,
    trees: Vec<ObjectId>,
}

/// Those of `ids` that neither a visible ref nor one of `more` reaches, or that are not there at all.
///
/// `more` must be there. Ids that are not there cost nothing.
pub(crate) fn unreachable(
    reader: &mut ObjectReader<'_>,
    ids: &[ObjectId],
    more: &[ObjectId],
) -> Result<IdSet> {
    let refs = reader.snapshot();
    let mut tips: IdSet = refs.visible_refs().flat_map(|r| [Some(r.oid), r.peeled]).flatten().collect();
    tips.extend(more);
    let unknown = ids.iter().copied().filter(|id| !tips.contains(id));
    let (mut open, absent): (IdSet, IdSet) = unknown.partition(|id| refs.contains(id));
    if open.is_empty() {
        return Ok(absent);
    }
    let mut inner = IdSet::default();
    for want in &open {
        if reader.header(want)?.is_some_and(|(kind, _)| kind != ObjectKind::Commit) {
            inner.insert(*want);
        }
    }
    let (mut history, tips) = History::from_visible_refs(reader, more)?;
    let mut search = TreeSearch { open: &mut open, inner, seen: IdSet::default() };
    for id in &tips.objects {
        search.found(id);
    }
    for tree in tips.trees {
        search.tree(reader, &mut history, tree)?;
    }
    while !search.open.is_empty() {
        let Some(id) = history.next(reader)? else { break };
        search.found(&id);
        if !search.inner.is_empty() {
            let tree = reader.commit(&id)?.tree;
            search.tree(reader, &mut history, tree)?;
        }
    }
    open.extend(absent);
    Ok(open)
}

struct TreeSearch<'s> {
    /// Wants not found yet.
    open: &'s mut IdSet,
    /// Those of them that are no commits: trees must be looked into.
    inner: IdSet,
    seen: IdSet,
}

impl TreeSearch<'_> {
    fn found(&mut self, id: &ObjectId) {
        self.open.remove(id);
        self.inner.remove(id);
    }

    fn tree(&mut self, reader: &mut ObjectReader<'_>, history: &mut History, tree: ObjectId) -> Result<()> {
        let mut stack = vec![tree];
        while let Some(tree) = stack.pop() {
            if self.inner.is_empty() || !self.seen.insert(tree) {
                continue;
            }
            history.step()?;
            self.found(&tree);
            let data = reader.require(&tree, ObjectKind::Tree)?;
            for link in TreeLinks::new(&data) {
                match link {
                    Some(TreeLink::Blob(id)) => self.found(&id),
                    Some(TreeLink::Tree(id)) => stack.push(id),
                    Some(TreeLink::Submodule) => {}
                    None => return Err(Error::corrupt("walk the objects", format_args!("tree {tree}"))),
                }
            }
        }
        Ok(())
    }
}

/// Those of `ids` that are commits in the history of visible refs.
///
/// `roots` are known to be visible; most commits that clients ask about descend from what they ask for,
/// so these are tried before all refs. A commit much older than its own ancestors may be missed; the
/// client is then sent more than it needs, never less.
pub(crate) fn visible_commits(
    reader: &mut ObjectReader<'_>,
    roots: &[ObjectId],
    ids: &[ObjectId],
) -> Result<IdSet> {
    let snapshot = reader.snapshot();
    let mut open = Vec::new();
    for id in ids.iter().filter(|id| snapshot.contains(id)) {
        if reader.header(id)?.is_some_and(|(kind, _)| kind == ObjectKind::Commit) {
            open.push((reader.commit(id)?.date, *id));
        }
    }
    open.sort_unstable();
    open.dedup();
    let mut visible = IdSet::default();
    if !open.is_empty() {
        let tips: IdSet = snapshot.visible_refs().map(|r| r.peeled.unwrap_or(r.oid)).collect();
        visible.extend(open.iter().map(|(_, id)| *id).filter(|id| tips.contains(id)));
        let mut history = History::default();
        for root in roots {
            history.add(reader, *root)?;
        }
        search_history(reader, history, &mut open, &mut visible)?;
    }
    if !open.is_empty() {
        let (history, _) = History::from_visible_refs(reader, &[])?;
        search_history(reader, history, &mut open, &mut visible)?;
    }
    Ok(visible)
}

/// Adds to `visible` what of `open`, the oldest first, is in the history; leaves the rest in `open`.
fn search_history(
    reader: &mut ObjectReader<'_>,
    mut history: History,
    open: &mut Vec<(i64, ObjectId)>,
    visible: &mut IdSet,
) -> Result<()> {
    let wanted: IdSet = open.iter().map(|(_, id)| *id).collect();
    let mut oldest = 0;
    while let Some((date, _)) = history.queue.peek().copied() {
        while open.get(oldest).is_some_and(|(_, id)| visible.contains(id)) {
            oldest += 1;
        }
        let Some((cutoff, _)) = open.get(oldest) else { break };
        if date < cutoff.saturating_sub(CLOCK_SKEW_SECONDS) {
            break;
        }
        let Some(id) = history.next(reader)? else { break };
        if wanted.contains(&id) {
            visible.insert(id);
        }
    }
    open.retain(|(_, id)| !visible.contains(id));
    Ok(())
}
