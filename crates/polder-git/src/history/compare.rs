//! What lies between two commits, as people read it.

use std::collections::VecDeque;

use polder_types::ObjectId;

use super::tree_changes::{Stands, TreeChange, tree_changes};
use crate::id_set::IdMap;
use crate::tree::{MODE_EXECUTABLE, MODE_FILE, describe, tree_of_commit};
use crate::{ObjectKind, ObjectReader, Result, Snapshot, TreeEntry};

/// Most changes of one page.
const PAGE_CHANGES_MAX: usize = 1_000;
/// Most removed files of the same content that an added one is compared with.
const CANDIDATES_MAX: usize = 100;

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// What was there; at another path if it was moved. `None` for a new file.
    pub old: Option<TreeEntry>,
    /// What is there; `None` for a file that is gone.
    pub new: Option<TreeEntry>,
}

impl FileChange {
    /// Where it is now, or where it was.
    pub fn path(&self) -> &str {
        self.new.as_ref().or(self.old.as_ref()).map_or("", |entry| entry.path.as_str())
    }
}

/// One page of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// In the order of git's own.
    pub changes: Vec<FileChange>,
    /// How many there are on all pages.
    pub total: usize,
}

/// Compares two commits or trees, file by file; `None` is the empty tree. A file that is gone and one that came
/// with the same content are one change, a move, paired as `git diff-tree -r -M100%` does.
///
/// Gives at most `limit` changes, and at most 1,000, after the first `skip`.
///
/// # Errors
/// [`crate::Error::NotFound`] if one is neither a commit nor a tree; [`crate::Error::TooLarge`] where more than 100,000 files
/// differ; [`crate::Error::Corrupt`] if an object on the way is missing or malformed.
pub fn compare(
    snapshot: &Snapshot,
    old: Option<ObjectId>,
    new: ObjectId,
    skip: usize,
    limit: usize,
) -> Result<Comparison> {
    let mut reader = ObjectReader::new(snapshot);
    let old = old.map(|id| tree_of(&mut reader, id)).transpose()?;
    let new = tree_of(&mut reader, new)?;
    let pairs = pair_moves(tree_changes(&mut reader, old, Some(new))?);
    let total = pairs.len();
    let mut changes = Vec::new();
    for (old, new) in pairs.into_iter().skip(skip).take(limit.min(PAGE_CHANGES_MAX)) {
        let mut entry = |side: Option<Side>| side.map(|side| shown(&mut reader, side)).transpose();
        changes.push(FileChange { old: entry(old)?, new: entry(new)? });
    }
    Ok(Comparison { changes, total })
}

fn tree_of(reader: &mut ObjectReader<'_>, id: ObjectId) -> Result<ObjectId> {
    match reader.header(&id)? {
        Some((ObjectKind::Tree, _)) => Ok(id),
        _ => tree_of_commit(reader, id),
    }
}

type Side = (Vec<u8>, Stands);

fn shown(reader: &mut ObjectReader<'_>, (path, (mode, oid)): Side) -> Result<TreeEntry> {
    describe(reader, &path, mode, oid)
}

/// Makes one pair of each removed file and an added one of the same content, in the place of the added one.
///
/// Source: git `diffcore-rename.c` `find_identical_files`: each removed file is used once; one of the same
/// name in another folder is taken before others.
fn pair_moves(changes: Vec<TreeChange>) -> Vec<(Option<Side>, Option<Side>)> {
    let mut removed: IdMap<VecDeque<(usize, Side)>> = IdMap::default();
    for (at, change) in changes.iter().enumerate() {
        if let (Some(old), None) = (change.old, change.new) {
            removed.entry(old.1).or_default().push_back((at, (change.path.clone(), old)));
        }
    }
    let mut is_source = vec![false; changes.len()];
    let mut pairs = Vec::with_capacity(changes.len());
    for change in changes {
        let mut old = change.old.map(|old| (change.path.clone(), old));
        if let (None, Some(new)) = (&old, change.new) {
            let source = removed.get_mut(&new.1).and_then(|sources| take_source(sources, &change.path, new));
            if let Some((at, side)) = source {
                is_source.get_mut(at).into_iter().for_each(|used| *used = true);
                old = Some(side);
            }
        }
        pairs.push((old, change.new.map(|new| (change.path, new))));
    }
    let mut sources = is_source.into_iter();
    pairs.retain(|_| sources.next() != Some(true));
    pairs
}

fn take_source(sources: &mut VecDeque<(usize, Side)>, path: &[u8], new: Stands) -> Option<(usize, Side)> {
    let is_regular = |mode: u32| matches!(mode, MODE_FILE | MODE_EXECUTABLE);
    let fits = |old: Stands| old.0 == new.0 || (is_regular(old.0) && is_regular(new.0));
    let candidates = || sources.iter().take(CANDIDATES_MAX).enumerate().filter(|(_, (_, side))| fits(side.1));
    let same_name = candidates().find(|(_, (_, (old, _)))| name_of(old) == name_of(path));
    let (at, _) = same_name.or_else(|| candidates().next())?;
    sources.remove(at)
}

fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
