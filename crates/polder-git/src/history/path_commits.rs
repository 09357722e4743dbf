//! The commits that changed a path.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use polder_types::ObjectId;

use crate::id_set::{IdMap, IdSet};
use crate::tree::{find, tree_of_commit};
use crate::{Error, ObjectReader, Result, Snapshot};

/// Most commits walked for one page.
const COMMITS_WALKED_MAX: usize = 1_000_000;

/// One page of a path's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathCommits {
    /// Newest first.
    pub commit_ids: Vec<ObjectId>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// Lists the commits before and at `commit_id` that changed what stands at `path`, as `git log COMMIT -- PATH`
/// does: `limit` of them after the first `skip`. A folder changes with everything below it.
///
/// # Errors
/// [`Error::NotFound`] if the commit does not exist; [`Error::TooLarge`] when 1,000,000 commits were not enough
/// to fill the page; [`Error::Corrupt`] if an object on the way is missing or malformed.
pub fn path_commits(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    path: &str,
    skip: usize,
    limit: usize,
) -> Result<PathCommits> {
    let mut walk = Walk { reader: ObjectReader::new(snapshot), path, found: IdMap::default() };
    tree_of_commit(&mut walk.reader, commit_id)?;
    let mut seen = IdSet::default();
    let mut queue = BinaryHeap::new();
    let mut page = PathCommits { commit_ids: Vec::new(), has_more: false };
    let mut passed = 0_usize;
    seen.insert(commit_id);
    // Of commits of one second the one found first comes first, as in git.
    queue.push((walk.reader.commit(&commit_id)?.date, Reverse(0_usize), commit_id));
    while let Some((_, _, id)) = queue.pop() {
        let (changed, parents) = walk.simplify(&id)?;
        if changed {
            if page.commit_ids.len() >= limit {
                page.has_more = true;
                break;
            }
            if passed >= skip {
                page.commit_ids.push(id);
            }
            passed += 1;
        }
        for parent in parents {
            if seen.insert(parent) {
                queue.push((walk.reader.commit(&parent)?.date, Reverse(seen.len()), parent));
            }
        }
        if seen.len() > COMMITS_WALKED_MAX {
            return Err(Error::too_large("this history is too long to be searched for one path"));
        }
    }
    Ok(page)
}

struct Walk<'a, 'p> {
    reader: ObjectReader<'a>,
    path: &'p str,
    /// What stands at the path, by root tree.
    found: IdMap<Option<(u32, ObjectId)>>,
}

impl Walk<'_, '_> {
    /// Whether the commit changed the path, and which parents its history goes on with.
    fn simplify(&mut self, id: &ObjectId) -> Result<(bool, Vec<ObjectId>)> {
        let commit = self.reader.commit(id)?;
        let here = self.at_path(commit.tree)?;
        for parent in &commit.parents {
            let parent_tree = self.reader.commit(parent)?.tree;
            if self.at_path(parent_tree)? == here {
                return Ok((false, vec![*parent]));
            }
        }
        let changed = here.is_some() || !commit.parents.is_empty();
        Ok((changed, commit.parents.clone()))
    }

    fn at_path(&mut self, root: ObjectId) -> Result<Option<(u32, ObjectId)>> {
        if let Some(found) = self.found.get(&root) {
            return Ok(*found);
        }
        let found = match find(&mut self.reader, root, self.path) {
            Ok(found) => Some(found),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        self.found.insert(root, found);
        Ok(found)
    }
}
