//! Which objects a pack must hold.

use polder_types::ObjectId;

use crate::filter::Filter;
use crate::id_set::{IdMap, IdSet};
use crate::links::{TreeLink, TreeLinks};
use crate::walk_commits::walk_commits;
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};

/// Most objects one walk lists or passes.
const WALKED_OBJECTS_MAX: usize = 50_000_000;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct WalkRequest {
    /// Objects of any kind to list with all they reach. They, and what wanted tags lead to, are exempt
    /// from the filter.
    pub wants: Vec<ObjectId>,
    /// Commits the receiver has, with all they reach.
    pub haves: Vec<ObjectId>,
    /// Commits taken to have no parents: where the receiver's history ends.
    pub grafts: IdSet,
    /// Leave out what is in the trees of any of `haves`, not only of those that a listed commit has as
    /// parents. Where history is cut no commit has any.
    pub hold_all_haves: bool,
    /// What to leave out.
    pub filter: Filter,
    /// Objects of any kind the receiver has; their own links are not followed.
    pub complete: IdSet,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walked {
    /// The objects to send, each once.
    pub objects: Vec<ObjectId>,
    /// Objects the receiver has for certain, as far as the walk met them.
    pub held: IdSet,
}

struct Walker<'r, 'a> {
    reader: &'r mut ObjectReader<'a>,
    filter: Filter,
    complete: &'r IdSet,
    held: IdSet,
    listed: IdSet,
    /// Trees followed, with the smallest depth at which that was done.
    followed: IdMap<u32>,
    objects: Vec<ObjectId>,
    walked: usize,
}

/// Lists everything reachable from the wants that the receiver lacks.
///
/// # Errors
/// [`Error::NotFound`] if a want is not in the snapshot; [`Error::Corrupt`] if anything reachable is
/// missing or malformed; [`Error::TooLarge`] when there are too many objects.
pub fn walk(snapshot: &Snapshot, request: &WalkRequest) -> Result<Walked> {
    walk_with(&mut ObjectReader::new(snapshot), request)
}

/// Lists everything that `tips` reach and `had` do not, for someone who has all that `had` reach. Either are
/// objects of any kind; those of `had` that are not here are passed over.
///
/// # Errors
/// As [`walk`].
pub fn objects_between(snapshot: &Snapshot, tips: &[ObjectId], had: &[ObjectId]) -> Result<Vec<ObjectId>> {
    let mut reader = ObjectReader::new(snapshot);
    let mut request = WalkRequest { wants: tips.to_vec(), ..WalkRequest::default() };
    for tip in had {
        let Some((tags, target, kind)) = reader.peel(tip)? else { continue };
        request.complete.extend(tags);
        match kind {
            ObjectKind::Commit => request.haves.push(target),
            _ => {
                request.complete.insert(target);
            }
        }
    }
    Ok(walk_with(&mut reader, &request)?.objects)
}

/// Every object reachable from `tips`, as a set for [`WalkRequest::complete`].
///
/// # Errors
/// As [`walk`].
pub fn reachable_objects(snapshot: &Snapshot, tips: &[ObjectId]) -> Result<IdSet> {
    let request = WalkRequest { wants: tips.to_vec(), ..WalkRequest::default() };
    Ok(walk(snapshot, &request)?.objects.into_iter().collect())
}

pub(crate) fn walk_with(reader: &mut ObjectReader<'_>, request: &WalkRequest) -> Result<Walked> {
    let mut walker = Walker {
        reader,
        filter: request.filter,
        complete: &request.complete,
        held: IdSet::default(),
        listed: IdSet::default(),
        followed: IdMap::default(),
        objects: Vec::new(),
        walked: 0,
    };
    let commits = walker.start(&request.wants)?;
    let range = walk_commits(walker.reader, &commits, &request.haves, &request.grafts, &request.complete)?;
    walker.held.extend(range.hidden.iter().copied());
    let all_haves = if request.hold_all_haves { request.haves.as_slice() } else { &[] };
    for id in range.boundary.iter().chain(all_haves) {
        let tree = walker.reader.commit(id)?.tree;
        walker.hold_tree(tree)?;
    }
    for id in range.commits {
        walker.list(id)?;
        let tree = walker.reader.commit(&id)?.tree;
        walker.follow(tree, 0)?;
    }
    Ok(Walked { objects: walker.objects, held: walker.held })
}

impl Walker<'_, '_> {
    /// Lists the wants that are not commits, and returns those that are.
    fn start(&mut self, wants: &[ObjectId]) -> Result<Vec<ObjectId>> {
        let mut commits = Vec::new();
        for want in wants {
            let Some((tags, target, kind)) = self.reader.peel(want)? else {
                return Err(Error::NotFound { what: format!("object {want}") });
            };
            for tag in tags {
                if !self.complete.contains(&tag) {
                    self.list(tag)?;
                }
            }
            match kind {
                ObjectKind::Commit => commits.push(target),
                ObjectKind::Tree => {
                    self.list(target)?;
                    self.expand(target, 0)?;
                }
                ObjectKind::Blob | ObjectKind::Tag => self.list(target)?,
            }
        }
        Ok(commits)
    }

    fn step(&mut self) -> Result<()> {
        self.walked += 1;
        if self.walked > WALKED_OBJECTS_MAX {
            return Err(Error::too_large(format!("more than {WALKED_OBJECTS_MAX} objects to walk")));
        }
        Ok(())
    }

    fn list(&mut self, id: ObjectId) -> Result<()> {
        if self.listed.insert(id) {
            self.step()?;
            self.objects.push(id);
        }
        Ok(())
    }

    fn is_held(&self, id: &ObjectId) -> bool {
        self.held.contains(id) || self.complete.contains(id)
    }

    fn list_blob(&mut self, id: ObjectId, depth: u32) -> Result<()> {
        if self.listed.contains(&id) || self.is_held(&id) || !self.filter.admits_depth(depth) {
            return Ok(());
        }
        if let Some(limit) = self.filter.blob_bytes_limit() {
            if limit == 0 {
                return Ok(());
            }
            let header = self.reader.header(&id)?;
            let Some((_, size)) = header else {
                return Err(Error::corrupt("walk the objects", format_args!("blob {id} is missing")));
            };
            if size >= limit {
                return Ok(());
            }
        }
        self.list(id)
    }

    /// Lists a tree at `depth` and all below, as far as the filter lets it.
    fn follow(&mut self, tree: ObjectId, depth: u32) -> Result<()> {
        if self.is_held(&tree) || !self.filter.admits_depth(depth) {
            return Ok(());
        }
        self.list(tree)?;
        self.expand(tree, depth.saturating_add(1))
    }

    /// Lists what is below `tree`, whose entries are at `depth`.
    fn expand(&mut self, tree: ObjectId, depth: u32) -> Result<()> {
        let mut stack = vec![(tree, depth)];
        while let Some((tree, depth)) = stack.pop() {
            if !self.filter.admits_depth(depth) || !self.first_time(tree, depth) {
                continue;
            }
            self.step()?;
            let data = self.reader.require(&tree, ObjectKind::Tree)?;
            for link in TreeLinks::new(&data) {
                match link.ok_or_else(|| malformed(&tree))? {
                    TreeLink::Blob(id) => self.list_blob(id, depth)?,
                    TreeLink::Tree(id) if !self.is_held(&id) => {
                        self.list(id)?;
                        stack.push((id, depth.saturating_add(1)));
                    }
                    TreeLink::Tree(_) | TreeLink::Submodule => {}
                }
            }
        }
        Ok(())
    }

    /// Whether a tree must still be followed at this depth; a filter by depth may follow it again.
    fn first_time(&mut self, tree: ObjectId, depth: u32) -> bool {
        let depth = if self.filter.tree_depth_limit().is_some() { depth } else { 0 };
        match self.followed.get_mut(&tree) {
            Some(before) if *before <= depth => false,
            Some(before) => {
                *before = depth;
                true
            }
            None => {
                self.followed.insert(tree, depth);
                true
            }
        }
    }

    /// Notes a tree of the receiver's and all below as held.
    fn hold_tree(&mut self, tree: ObjectId) -> Result<()> {
        let mut stack = vec![tree];
        while let Some(tree) = stack.pop() {
            if self.complete.contains(&tree) || !self.held.insert(tree) {
                continue;
            }
            self.step()?;
            let data = self.reader.require(&tree, ObjectKind::Tree)?;
            for link in TreeLinks::new(&data) {
                match link.ok_or_else(|| malformed(&tree))? {
                    TreeLink::Blob(id) => {
                        self.held.insert(id);
                    }
                    TreeLink::Tree(id) => stack.push(id),
                    TreeLink::Submodule => {}
                }
            }
        }
        Ok(())
    }
}

fn malformed(tree: &ObjectId) -> Error {
    Error::corrupt("walk the objects", format_args!("tree {tree} is malformed"))
}
