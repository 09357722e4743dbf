//! Three versions of a tree become one.

use std::collections::BTreeMap;

use bytes::Bytes;
use git2::{MergeFileInput, MergeFileOptions};
use polder_types::{LfsPointer, ObjectId};

use crate::commit::{Leaf, PackStream, Removal, TreeEdit, check_path, object_id};
use crate::history::{Stands, TreeChange, tree_changes};
use crate::tree::{MODE_EXECUTABLE, MODE_FILE};
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};

/// Larger files are not merged line by line, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Most bytes of files, in all three versions, that are merged line by line for one merge.
const MERGED_BYTES_MAX: usize = 256 << 20;
/// A file with a NUL byte this early is binary, as in git.
const BINARY_LOOK_BYTES: usize = 8_000;
/// The part of a mode that says what kind of thing it is.
const TYPE_BITS: u32 = 0o170_000;
const MERGING: &str = "merge two versions of a file";

/// The three trees of a merge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides {
    pub(crate) base: ObjectId,
    pub(crate) ours: ObjectId,
    pub(crate) theirs: ObjectId,
}

/// A merged tree whose new objects are in the pack, or the paths that cannot be merged.
pub(crate) type MergedTree = std::result::Result<ObjectId, Vec<String>>;

/// Applies to our tree what they changed since the base. Files are followed by path: one that a side moved is
/// gone at the old path.
pub(crate) fn merge_trees(snapshot: &Snapshot, sides: Sides, pack: &mut PackStream) -> Result<MergedTree> {
    let mut reader = ObjectReader::new(snapshot);
    let ours = tree_changes(&mut reader, Some(sides.base), Some(sides.ours))?;
    let ours: BTreeMap<Vec<u8>, (Option<Stands>, Option<Stands>)> = by_path(ours);
    let theirs = by_path(tree_changes(&mut reader, Some(sides.base), Some(sides.theirs))?);
    let (mut removed, mut put, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    let mut by_lines = FileMerger { reader: &mut reader, pack, bytes_left: MERGED_BYTES_MAX };
    for (path, (base, theirs)) in theirs {
        let path = String::from_utf8(path).map_err(|_not_utf8| {
            Error::refused("a file with a name that is not UTF-8 cannot be merged here; merge with git")
        })?;
        let merged = match ours.get(path.as_bytes()) {
            None => Ok(theirs),
            Some((_, ours)) if *ours == theirs => continue,
            Some((_, ours)) => by_lines.merge([base, *ours, theirs])?,
        };
        match merged {
            Ok(Some((mode, oid))) => {
                check_path(&path)?;
                put.push((path, Leaf { mode, oid }));
            }
            Ok(None) => removed.push(path),
            Err(Conflict) => conflicts.push(path),
        }
    }
    if !conflicts.is_empty() {
        return Ok(Err(conflicts));
    }
    let mut edit = TreeEdit::new(reader, Some(sides.ours))?;
    for path in &removed {
        edit.remove(path, Removal::File)?;
    }
    for (path, leaf) in put {
        match edit.put(&path, leaf) {
            // A folder of ours stands there, or a file of ours on the way.
            Err(Error::Refused { .. }) => conflicts.push(path),
            done => done?,
        }
    }
    if !conflicts.is_empty() {
        return Ok(Err(conflicts));
    }
    Ok(Ok(edit.write(pack)?.unwrap_or(sides.ours)))
}

/// A file that became a folder of the same name is in the list once; its new files have paths of their own.
fn by_path(changes: Vec<TreeChange>) -> BTreeMap<Vec<u8>, (Option<Stands>, Option<Stands>)> {
    changes.into_iter().map(|change| (change.path, (change.old, change.new))).collect()
}

/// Both sides changed it, each in another way.
struct Conflict;

/// Merges what both sides changed.
struct FileMerger<'a, 'b> {
    reader: &'a mut ObjectReader<'b>,
    pack: &'a mut PackStream,
    bytes_left: usize,
}

impl FileMerger<'_, '_> {
    /// Only a file that all have can be merged.
    fn merge(
        &mut self,
        versions: [Option<Stands>; 3],
    ) -> Result<std::result::Result<Option<Stands>, Conflict>> {
        let [Some(base), Some(ours), Some(theirs)] = versions else { return Ok(Err(Conflict)) };
        // What became a symbolic link is not what the other side went on writing.
        if [ours, theirs].iter().any(|side| side.0 & TYPE_BITS != base.0 & TYPE_BITS) {
            return Ok(Err(Conflict));
        }
        let oid = match merge_value(base.1, ours.1, theirs.1) {
            Some(oid) => Some(oid),
            None => self.merge_lines([base, ours, theirs])?,
        };
        let mode = merge_value(base.0, ours.0, theirs.0);
        Ok(mode.zip(oid).map(Some).ok_or(Conflict))
    }

    fn merge_lines(&mut self, versions: [Stands; 3]) -> Result<Option<ObjectId>> {
        let mut texts = Vec::with_capacity(versions.len());
        for (mode, oid) in versions {
            let Some(text) = mergeable_text(self.reader, mode, oid)? else { return Ok(None) };
            self.bytes_left = self.bytes_left.checked_sub(text.len()).ok_or_else(|| {
                Error::too_large("both branches changed too many and too large files; merge them with git")
            })?;
            texts.push(text);
        }
        let [base, ours, theirs] = texts.as_slice() else { return Ok(None) };
        // The library must be started before this call of it, which does not do so itself.
        drop(git2::Buf::new());
        let [mut a, mut b, mut c] = [MergeFileInput::new(), MergeFileInput::new(), MergeFileInput::new()];
        a.content(base);
        b.content(ours);
        c.content(theirs);
        let mut options = MergeFileOptions::new();
        let failed = |error: git2::Error| Error::corrupt_by(MERGING, "a file", error);
        let merged = git2::merge_file(&a, &b, &c, Some(&mut options)).map_err(failed)?;
        if !merged.is_automergeable() {
            return Ok(None);
        }
        let oid = object_id(ObjectKind::Blob, merged.content())?;
        self.pack.add(oid, ObjectKind::Blob, merged.content())?;
        Ok(Some(oid))
    }
}

/// What one side changed, or both alike.
fn merge_value<T: PartialEq + Copy>(base: T, ours: T, theirs: T) -> Option<T> {
    if ours == theirs || theirs == base {
        return Some(ours);
    }
    (ours == base).then_some(theirs)
}

/// The content of a file whose lines may be merged: a pointer, whose lines belong together, is none.
fn mergeable_text(reader: &mut ObjectReader<'_>, mode: u32, oid: ObjectId) -> Result<Option<Bytes>> {
    if !matches!(mode, MODE_FILE | MODE_EXECUTABLE) {
        return Ok(None);
    }
    if reader.header(&oid)?.is_some_and(|(_, size_bytes)| size_bytes > FILE_BYTES_MAX) {
        return Ok(None);
    }
    let data = reader.require(&oid, ObjectKind::Blob)?;
    let is_binary = data.iter().take(BINARY_LOOK_BYTES).any(|byte| *byte == 0);
    Ok((!is_binary && LfsPointer::parse(&data).is_none()).then_some(data))
}
