//! What is reachable, by the plainest walk there is.

use polder_types::ObjectId;

use crate::id_set::IdSet;
use crate::links::{TreeLink, TreeLinks, commit_links, tag_target};
use crate::{ObjectKind, Snapshot};

/// Everything reachable from `roots`, where the commits of `ends` have no parents.
pub(crate) fn reachable(snapshot: &Snapshot, roots: &[ObjectId], ends: &IdSet) -> IdSet {
    let mut seen = IdSet::default();
    let mut stack = roots.to_vec();
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        let object = snapshot.read(&id).unwrap().unwrap();
        match object.kind {
            ObjectKind::Blob => {}
            ObjectKind::Tag => stack.push(tag_target(&object.data).unwrap().0),
            ObjectKind::Commit => {
                let links = commit_links(&object.data).unwrap();
                stack.push(links.tree);
                if !ends.contains(&id) {
                    stack.extend(links.parents);
                }
            }
            ObjectKind::Tree => stack.extend(TreeLinks::new(&object.data).filter_map(|link| match link {
                Some(TreeLink::Tree(id) | TreeLink::Blob(id)) => Some(id),
                Some(TreeLink::Submodule) | None => None,
            })),
        }
    }
    seen
}

/// The parents of a commit; of anything else none.
pub(super) fn parents(snapshot: &Snapshot, id: &ObjectId) -> Vec<ObjectId> {
    let object = snapshot.read(id).unwrap().unwrap();
    if object.kind == ObjectKind::Commit { commit_links(&object.data).unwrap().parents } else { Vec::new() }
}

/// The commits within `depth` of `tips`, and those of them at the end of that which have parents.
pub(crate) fn within(snapshot: &Snapshot, tips: &[ObjectId], depth: usize) -> (IdSet, IdSet) {
    let parents = |id: &ObjectId| parents(snapshot, id);
    let mut seen: IdSet = tips.iter().copied().collect();
    let mut level: Vec<ObjectId> = seen.iter().copied().collect();
    for _ in 1..depth {
        level = level.iter().flat_map(parents).filter(|parent| seen.insert(*parent)).collect();
    }
    let ends = level.into_iter().filter(|id| !parents(id).is_empty()).collect();
    (seen, ends)
}
