//! Every path that two trees hold differently.

use bytes::Bytes;
use polder_types::ObjectId;

use super::entry_changes::entry_changes;
use crate::tree::{MODE_FOLDER, RawEntry, TREE_DEPTH_MAX};
use crate::{Error, ObjectKind, ObjectReader, Result};

/// Most paths that may differ between two trees that are compared.
const CHANGES_MAX: usize = 100_000;

/// Mode and id of what stands at a path.
pub(crate) type Stands = (u32, ObjectId);

/// One path; never a folder. A file that became a symbolic link is one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeChange {
    pub(crate) path: Vec<u8>,
    pub(crate) old: Option<Stands>,
    pub(crate) new: Option<Stands>,
}

/// Lists what `git diff-tree -r` lists, in its order; `None` is the empty tree.
pub(crate) fn tree_changes(
    reader: &mut ObjectReader<'_>,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
) -> Result<Vec<TreeChange>> {
    let mut changes = Vec::new();
    collect(reader, &mut Vec::new(), 0, (old, new), &mut changes)?;
    Ok(changes)
}

type Trees = (Option<ObjectId>, Option<ObjectId>);

fn collect(
    reader: &mut ObjectReader<'_>,
    prefix: &mut Vec<u8>,
    depth: usize,
    (old, new): Trees,
    changes: &mut Vec<TreeChange>,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    if depth >= TREE_DEPTH_MAX {
        return Err(Error::corrupt("compare trees", "a folder, nested too deeply,"));
    }
    let (old_data, new_data) = (read(reader, old)?, read(reader, new)?);
    let name = |tree: Option<ObjectId>| tree.unwrap_or(ObjectId::ZERO);
    let length = prefix.len();
    for change in entry_changes((name(old), &old_data), (name(new), &new_data))? {
        prefix.extend_from_slice(change.name);
        let [old, new] =
            [change.old, change.new].map(|side| side.filter(|entry| !entry.is_folder()).map(stands));
        if old.is_some() || new.is_some() {
            if changes.len() >= CHANGES_MAX {
                return Err(Error::too_large(format!("more than {CHANGES_MAX} files differ")));
            }
            changes.push(TreeChange { path: prefix.clone(), old, new });
        }
        let folders = (folder(change.old), folder(change.new));
        if folders != (None, None) {
            prefix.push(b'/');
            collect(reader, prefix, depth + 1, folders, changes)?;
        }
        prefix.truncate(length);
    }
    Ok(())
}

fn read(reader: &mut ObjectReader<'_>, tree: Option<ObjectId>) -> Result<Bytes> {
    tree.map_or_else(|| Ok(Bytes::new()), |tree| reader.require(&tree, ObjectKind::Tree))
}

fn stands(entry: RawEntry<'_>) -> Stands {
    (entry.mode, entry.oid)
}

fn folder(entry: Option<RawEntry<'_>>) -> Option<ObjectId> {
    entry.filter(|entry| entry.mode == MODE_FOLDER).map(|entry| entry.oid)
}
