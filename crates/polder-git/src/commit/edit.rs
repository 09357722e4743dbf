//! A tree that is read where it is touched, changed, and written where it changed.

use std::collections::{BTreeMap, HashSet};

use polder_types::ObjectId;

use super::pack_stream::{PackStream, object_id};
use super::path::split_for_write;
use crate::tree::{MODE_FOLDER, compare_entries, parse_entries};
use crate::{Error, ObjectKind, ObjectReader, Result};

/// A file's place in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) mode: u32,
    pub(crate) oid: ObjectId,
}

/// What a deletion expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    File,
    Folder,
}

impl Removal {
    fn missing(self, path: &str) -> Error {
        let what = match self {
            Self::File => format!("A file with this name doesn't exist: `{path}`"),
            Self::Folder => format!("A folder with this name doesn't exist: `{path}`"),
        };
        Error::NotFound { what }
    }
}

/// The root folder and what was learned while changing it.
pub(crate) struct TreeEdit<'a> {
    trees: Trees<'a>,
    root: Folder,
}

impl<'a> TreeEdit<'a> {
    /// Starts from the tree `base`, or from nothing.
    pub(crate) fn new(reader: ObjectReader<'a>, base: Option<ObjectId>) -> Result<Self> {
        let mut trees = Trees { reader, known: HashSet::new() };
        let root = match base {
            Some(tree_id) => trees.open(tree_id)?,
            None => Folder::default(),
        };
        Ok(Self { trees, root })
    }

    /// Sets what stands at a path.
    pub(crate) fn put(&mut self, path: &str, leaf: Leaf) -> Result<()> {
        let parts = split_for_write(path)?;
        self.root.put(&mut self.trees, &parts, path, leaf)
    }

    /// Removes what stands at a path.
    pub(crate) fn remove(&mut self, path: &str, what: Removal) -> Result<()> {
        let trimmed = if what == Removal::Folder { path.strip_suffix('/').unwrap_or(path) } else { path };
        let parts: Vec<&str> = trimmed.split('/').collect();
        self.root.remove(&mut self.trees, &parts, path, what)
    }

    /// Whether a folder read so far held this blob.
    pub(crate) fn knows(&self, oid: &ObjectId) -> bool {
        self.trees.known.contains(oid)
    }

    /// Writes every folder that changed; the new root, or `None` if nothing changed.
    pub(crate) fn write(self, pack: &mut PackStream) -> Result<Option<ObjectId>> {
        if self.root.changed { self.root.write(pack).map(Some) } else { Ok(None) }
    }
}

struct Trees<'a> {
    reader: ObjectReader<'a>,
    known: HashSet<ObjectId>,
}

impl Trees<'_> {
    fn open(&mut self, tree_id: ObjectId) -> Result<Folder> {
        let data = self.reader.require(&tree_id, ObjectKind::Tree)?;
        let mut folder = Folder { stored: Some(tree_id), ..Folder::default() };
        for entry in parse_entries(tree_id, &data)? {
            if !entry.is_folder() {
                self.known.insert(entry.oid);
            }
            let leaf = Leaf { mode: entry.mode, oid: entry.oid };
            folder.entries.insert(entry.name.to_vec(), Node::Stored(leaf));
        }
        Ok(folder)
    }
}

enum Node {
    /// A file, or a folder nobody looked into.
    Stored(Leaf),
    Open(Folder),
}

impl Node {
    fn is_folder(&self) -> bool {
        match self {
            Self::Stored(leaf) => leaf.mode == MODE_FOLDER,
            Self::Open(_) => true,
        }
    }
}

#[derive(Default)]
struct Folder {
    entries: BTreeMap<Vec<u8>, Node>,
    /// The tree it was read from.
    stored: Option<ObjectId>,
    /// Whether the folder differs from what was stored.
    changed: bool,
}

impl Folder {
    /// The folder of this name, opened; `None` if there is nothing or a file.
    fn open(&mut self, trees: &mut Trees<'_>, name: &str) -> Result<Option<&mut Self>> {
        let Some(node) = self.entries.get_mut(name.as_bytes()) else { return Ok(None) };
        if let Node::Stored(leaf) = node {
            if leaf.mode != MODE_FOLDER {
                return Ok(None);
            }
            *node = Node::Open(trees.open(leaf.oid)?);
        }
        match node {
            Node::Open(folder) => Ok(Some(folder)),
            Node::Stored(_) => Ok(None),
        }
    }

    /// Depth is bounded by `split_for_write`.
    fn put(&mut self, trees: &mut Trees<'_>, parts: &[&str], path: &str, leaf: Leaf) -> Result<()> {
        let Some((name, rest)) = parts.split_first() else { return Ok(()) };
        let found = self.entries.get(name.as_bytes());
        if rest.is_empty() {
            match found {
                Some(node) if node.is_folder() => {
                    return Err(Error::refused(format!(
                        "`{path}` is a folder, so no file can have this name"
                    )));
                }
                Some(Node::Stored(old)) if *old == leaf => return Ok(()),
                _ => {}
            }
            self.entries.insert(name.as_bytes().to_vec(), Node::Stored(leaf));
            self.changed = true;
            return Ok(());
        }
        match found {
            None => {
                self.entries.insert(name.as_bytes().to_vec(), Node::Open(Self::default()));
            }
            Some(node) if !node.is_folder() => {
                let file = path.get(..path.len() - rest.join("/").len() - 1).unwrap_or(path);
                return Err(Error::refused(format!("`{file}` is a file, so `{path}` cannot be written")));
            }
            Some(_) => {}
        }
        if let Some(folder) = self.open(trees, name)? {
            folder.put(trees, rest, path, leaf)?;
            self.changed |= folder.changed;
        }
        Ok(())
    }

    /// Depth is bounded by that of the stored tree: a part that is not there ends it.
    fn remove(&mut self, trees: &mut Trees<'_>, parts: &[&str], path: &str, what: Removal) -> Result<()> {
        let Some((name, rest)) = parts.split_first() else { return Err(what.missing(path)) };
        if rest.is_empty() {
            let expected = |node: &Node| node.is_folder() == (what == Removal::Folder);
            if !self.entries.get(name.as_bytes()).is_some_and(expected) {
                return Err(what.missing(path));
            }
            self.entries.remove(name.as_bytes());
        } else {
            let folder = self.open(trees, name)?.ok_or_else(|| what.missing(path))?;
            folder.remove(trees, rest, path, what)?;
            if folder.entries.is_empty() {
                self.entries.remove(name.as_bytes());
            }
        }
        self.changed = true;
        Ok(())
    }

    fn write(self, pack: &mut PackStream) -> Result<ObjectId> {
        if let (Some(stored), false) = (self.stored, self.changed) {
            return Ok(stored);
        }
        let mut leaves = Vec::with_capacity(self.entries.len());
        for (name, node) in self.entries {
            let leaf = match node {
                Node::Stored(leaf) => leaf,
                Node::Open(folder) => Leaf { mode: MODE_FOLDER, oid: folder.write(pack)? },
            };
            leaves.push((name, leaf));
        }
        let folder = |leaf: &Leaf| leaf.mode == MODE_FOLDER;
        leaves.sort_by(|(a, x), (b, y)| compare_entries((a, folder(x)), (b, folder(y))));
        let mut data = Vec::new();
        for (name, leaf) in leaves {
            data.extend_from_slice(format!("{:o} ", leaf.mode).as_bytes());
            data.extend_from_slice(&name);
            data.push(0);
            data.extend_from_slice(leaf.oid.as_bytes());
        }
        let tree_id = object_id(ObjectKind::Tree, &data)?;
        if self.stored != Some(tree_id) {
            pack.add(tree_id, ObjectKind::Tree, &data)?;
        }
        Ok(tree_id)
    }
}
