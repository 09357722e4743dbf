//! Whether everything new tips need is there, and theirs to use.
//!
//! An object counts if it is in the incoming pack, or *reachable from a visible ref*. That it exists is not
//! enough: stock git lets a push publish a hidden ref's blob by naming it. All or nothing: while one
//! object is unproven, nothing learnt here may be used.
//!
//! Cost: a new tree is read side by side with its parents' trees, so a commit that changes one file in a
//! large tree reads the trees on that file's path. What is in neither is looked for in the whole
//! trees at the boundary, then in all history, within [`HISTORY_TREES_MAX`].

use polder_types::{LfsPointer, ObjectId, limits};

use super::check_tree::{RawEntries, RawEntry, sort_key};
use super::dot_names::DotFile;
use super::reachable::{Reachable, Wanted};
use super::tree_path::TreePath;
use crate::id_set::{IdMap, IdSet};
use crate::links::{CommitLinks, commit_links, tag_target};
use crate::reader::ObjectReader;
use crate::{Error, ObjectKind, Pack, Result, Snapshot};

/// Most objects that a push may name without bringing them; each must be looked for.
const OUTSIDE_MAX: usize = 500_000;
/// Of a merge with more parents, only so many are compared.
const PARENTS_COMPARED_MAX: usize = 8;

/// An LFS pointer that a push makes reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPointer {
    /// One path at which it is found.
    pub path: TreePath,
    /// The pointer file's own blob.
    pub blob: ObjectId,
    /// What it says.
    pub pointer: LfsPointer,
}

/// What a complete walk found.
#[derive(Debug, Default)]
pub(super) struct Connected {
    pub(super) pointers: Vec<NewPointer>,
    /// Blobs that trees newly call `.gitmodules`, in the pack or not.
    pub(super) modules: Vec<ObjectId>,
    /// Likewise `.gitattributes`.
    pub(super) attributes: Vec<ObjectId>,
}

/// Walks everything that `tips` need.
///
/// `view` is `snapshot` and the incoming pack.
pub(super) fn connect(
    snapshot: &Snapshot,
    view: &Snapshot,
    pack: Option<&Pack>,
    tips: &[ObjectId],
) -> Result<Connected> {
    let mut reachable = Reachable::new(snapshot);
    // First of all and by themselves: nothing about them may be told before they are proven.
    let (tips, named): (Vec<ObjectId>, Vec<ObjectId>) =
        tips.iter().partition(|tip| pack.is_some_and(|pack| pack.contains(tip)));
    reachable.prove_tips(&named)?;
    let mut walk = Walk {
        reader: ObjectReader::new(view),
        pack,
        commits: IdMap::default(),
        trees: Vec::new(),
        queued: IdSet::default(),
        outside: IdMap::default(),
        boundary: IdSet::default(),
        seen: IdSet::default(),
        found: Connected::default(),
    };
    walk.follow_tips(&tips)?;
    let outside = std::mem::take(&mut walk.outside);
    reachable.prove_commits(outside.clone())?;
    walk.finish_trees()?;
    for commit in walk.oldest_first(&tips) {
        walk.compare_commit(&commit)?;
        walk.finish_trees()?;
    }
    let mut wanted = walk.outside;
    wanted.extend(outside.into_iter().filter(|(_, w)| matches!(w.kind, ObjectKind::Tree | ObjectKind::Blob)));
    let boundary: Vec<ObjectId> = walk.boundary.into_iter().collect();
    reachable.prove_content(wanted, &boundary)?;
    Ok(walk.found)
}

/// A tree of the pack, its path, and the trees that stood there before.
struct TreeTask {
    tree: ObjectId,
    path: TreePath,
    bases: Vec<ObjectId>,
}

struct Walk<'a> {
    reader: ObjectReader<'a>,
    pack: Option<&'a Pack>,
    commits: IdMap<CommitLinks>,
    trees: Vec<TreeTask>,
    /// Trees that have been queued.
    queued: IdSet,
    /// Named by the pack, not in it.
    outside: IdMap<Wanted>,
    /// Root trees of the commits at which the new history starts.
    boundary: IdSet,
    seen: IdSet,
    found: Connected,
}

impl Walk<'_> {
    fn is_new(&self, id: &ObjectId) -> bool {
        self.pack.is_some_and(|pack| pack.contains(id))
    }

    /// Follows tags and parents from tips of the pack as far as the pack goes.
    fn follow_tips(&mut self, tips: &[ObjectId]) -> Result<()> {
        let mut todo: Vec<(ObjectId, Option<ObjectKind>)> = tips.iter().map(|tip| (*tip, None)).collect();
        while let Some((id, expected)) = todo.pop() {
            if let (Some(kind), false) = (expected, self.is_new(&id)) {
                self.want(id, kind, TreePath::default())?;
                continue;
            }
            let Some((kind, data)) = self.reader.read(&id)? else {
                return Err(missing("object", &id, &TreePath::default()));
            };
            if let Some(expected) = expected.filter(|expected| *expected != kind) {
                return Err(wrong_kind(&id, kind, expected));
            }
            if !self.seen.insert(id) {
                continue;
            }
            match kind {
                ObjectKind::Commit => {
                    let links = commit_links(&data).ok_or_else(|| unreadable(kind, &id))?;
                    todo.extend(links.parents.iter().map(|parent| (*parent, Some(ObjectKind::Commit))));
                    self.commits.insert(id, links);
                }
                ObjectKind::Tag => {
                    let (target, kind) = tag_target(&data).ok_or_else(|| unreadable(kind, &id))?;
                    todo.push((target, Some(kind)));
                }
                ObjectKind::Tree => {
                    // The tree's own turn comes later; it must not count as done.
                    self.seen.remove(&id);
                    self.queue(id, TreePath::default(), Vec::new());
                }
                ObjectKind::Blob => {
                    self.seen.remove(&id);
                    self.blob(id, TreePath::default())?;
                }
            }
        }
        Ok(())
    }

    /// The new commits, parents before children.
    ///
    /// The order matters: what a tree shares with an older one is skipped, which is sound only because
    /// the older one has been dealt with before.
    fn oldest_first(&self, tips: &[ObjectId]) -> Vec<ObjectId> {
        let mut order = Vec::with_capacity(self.commits.len());
        let mut entered = IdSet::default();
        let mut todo: Vec<(ObjectId, bool)> = Vec::new();
        let starts = tips.iter().chain(self.commits.keys());
        for start in starts {
            todo.push((*start, false));
            while let Some((id, parents_done)) = todo.pop() {
                let Some(links) = self.commits.get(&id) else { continue };
                if parents_done {
                    order.push(id);
                } else if entered.insert(id) {
                    todo.push((id, true));
                    todo.extend(links.parents.iter().map(|parent| (*parent, false)));
                }
            }
        }
        order
    }

    /// Queues the root tree of a new commit beside those of its parents.
    fn compare_commit(&mut self, commit: &ObjectId) -> Result<()> {
        let Some(links) = self.commits.get(commit).cloned() else { return Ok(()) };
        let mut bases = Vec::new();
        for parent in &links.parents {
            let tree = match self.commits.get(parent) {
                Some(links) => links.tree,
                None => self.reader.commit(parent)?.tree,
            };
            if !self.is_new(parent) {
                self.boundary.insert(tree);
            }
            if bases.len() < PARENTS_COMPARED_MAX {
                bases.push(tree);
            }
        }
        if bases.contains(&links.tree) {
            return Ok(());
        }
        if self.is_new(&links.tree) {
            self.queue(links.tree, TreePath::default(), bases);
            return Ok(());
        }
        self.want(links.tree, ObjectKind::Tree, TreePath::default())
    }

    /// Queues a tree of the pack, once however often it is named.
    fn queue(&mut self, tree: ObjectId, path: TreePath, bases: Vec<ObjectId>) {
        if self.queued.insert(tree) {
            self.trees.push(TreeTask { tree, path, bases });
        }
    }

    fn finish_trees(&mut self) -> Result<()> {
        while let Some(task) = self.trees.pop() {
            self.tree(&task)?;
        }
        Ok(())
    }

    /// Notes an object that must be proven reachable.
    fn want(&mut self, id: ObjectId, kind: ObjectKind, path: TreePath) -> Result<()> {
        if self.outside.len() >= OUTSIDE_MAX {
            return Err(Error::too_large(format!(
                "the push names more than {OUTSIDE_MAX} objects that it does not bring; push in smaller steps"
            )));
        }
        let want = self.outside.entry(id).or_insert(Wanted { kind, path });
        if want.kind == kind { Ok(()) } else { Err(wrong_kind(&id, want.kind, kind)) }
    }

    fn tree(&mut self, task: &TreeTask) -> Result<()> {
        let data = match self.reader.read(&task.tree)? {
            Some((ObjectKind::Tree, data)) => data,
            Some((kind, _)) => return Err(wrong_kind(&task.tree, kind, ObjectKind::Tree)),
            None => return Err(missing("tree", &task.tree, &task.path)),
        };
        let mut base_data = Vec::new();
        for base in &task.bases {
            // One that is not there, or not a tree, is itself on the list of what must be proven.
            if let Some((ObjectKind::Tree, data)) = self.reader.read(base)? {
                base_data.push(data);
            }
        }
        let mut bases: Vec<SideBySide<'_>> = base_data.iter().map(|data| SideBySide::new(data)).collect();
        for entry in RawEntries::new(&data) {
            let entry = entry.ok_or_else(|| unreadable(ObjectKind::Tree, &task.tree))?;
            let before: Vec<RawEntry<'_>> = bases.iter_mut().filter_map(|base| base.find(&entry)).collect();
            let is_same =
                |old: &RawEntry<'_>| old.oid == entry.oid && old.is_directory() == entry.is_directory();
            if entry.is_gitlink() || before.iter().any(|old| is_same(old) && !old.is_gitlink()) {
                continue;
            }
            self.entry(&entry, &before, &task.path)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &RawEntry<'_>, before: &[RawEntry<'_>], parent: &TreePath) -> Result<()> {
        let path = parent.join(entry.name)?;
        if entry.is_directory() {
            if self.is_new(&entry.oid) {
                let bases = before.iter().filter(|old| old.is_directory()).map(|old| old.oid).collect();
                self.queue(entry.oid, path, bases);
            } else {
                self.want(entry.oid, ObjectKind::Tree, path)?;
            }
            return Ok(());
        }
        if DotFile::Modules.matches_any_part(entry.name) {
            self.found.modules.push(entry.oid);
        } else if DotFile::Attributes.matches(entry.name) && !entry.is_symlink() {
            self.found.attributes.push(entry.oid);
        }
        if self.is_new(&entry.oid) {
            return self.blob(entry.oid, path);
        }
        self.want(entry.oid, ObjectKind::Blob, path)
    }

    fn blob(&mut self, id: ObjectId, path: TreePath) -> Result<()> {
        if !self.seen.insert(id) {
            return Ok(());
        }
        let (kind, size) = self.reader.header(&id)?.ok_or_else(|| missing("blob", &id, &path))?;
        if kind != ObjectKind::Blob {
            return Err(wrong_kind(&id, kind, ObjectKind::Blob));
        }
        if usize::try_from(size).is_ok_and(|size| size <= limits::LFS_POINTER_BYTES_MAX)
            && let Some((_, data)) = self.reader.read(&id)?
            && let Some(pointer) = LfsPointer::parse(&data)
        {
            self.found.pointers.push(NewPointer { path, blob: id, pointer });
        }
        Ok(())
    }
}

/// Reads an older tree in step with a newer one.
struct SideBySide<'a> {
    entries: RawEntries<'a>,
    next: Option<RawEntry<'a>>,
}

impl<'a> SideBySide<'a> {
    fn new(data: &'a [u8]) -> Self {
        let mut entries = RawEntries::new(data);
        let next = entries.next().flatten();
        Self { entries, next }
    }

    /// The entry of the same name and sort, if it is still ahead.
    fn find(&mut self, newer: &RawEntry<'_>) -> Option<RawEntry<'a>> {
        while let Some(older) = self.next {
            if older.name == newer.name && older.is_directory() == newer.is_directory() {
                self.next = self.entries.next().flatten();
                return Some(older);
            }
            let (old_key, new_key) = ((older.name, older.is_directory()), (newer.name, newer.is_directory()));
            if sort_key(old_key).gt(sort_key(new_key)) {
                return None;
            }
            self.next = self.entries.next().flatten();
        }
        None
    }
}

/// Git's words, then which object; never whether it exists where the pusher may not look.
pub(super) fn missing(kind: &str, id: &ObjectId, path: &TreePath) -> Error {
    let at = if path.is_root() { String::new() } else { format!(" (`{path}`)") };
    let advice = match kind {
        "commit" => "; if your clone is shallow, run `git fetch --unshallow` and push again",
        _ => "",
    };
    Error::refused(format!(
        "missing necessary objects: {kind} {id}{at} is neither in the push nor in any branch or tag here{advice}"
    ))
}

fn wrong_kind(id: &ObjectId, is: ObjectKind, should_be: ObjectKind) -> Error {
    Error::refused(format!("object {id} is a {}, not a {}", is.as_str(), should_be.as_str()))
}

fn unreadable(kind: ObjectKind, id: &ObjectId) -> Error {
    Error::refused(format!("{} {id} cannot be parsed", kind.as_str()))
}
