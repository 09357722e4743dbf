//! The entries of a tree object, as bytes.
//!
//! Source: git `tree-walk.c` (reading, lenient about modes) and `base_name_compare` (order).

use std::cmp::Ordering;

use polder_types::ObjectId;

use crate::{Error, ObjectKind, ObjectReader, Result};

/// Deepest nesting of folders that is followed (git `core.maxTreeDepth`).
pub(crate) const TREE_DEPTH_MAX: usize = 2_048;

/// File type bits of a mode.
const TYPE_MASK: u32 = 0o170_000;
/// A folder.
pub(crate) const MODE_FOLDER: u32 = 0o040_000;
/// A file.
pub(crate) const MODE_FILE: u32 = 0o100_644;
/// A file that may be run.
pub(crate) const MODE_EXECUTABLE: u32 = 0o100_755;
/// A symbolic link.
pub(crate) const MODE_SYMLINK: u32 = 0o120_000;
/// A commit of another repository.
pub(crate) const MODE_SUBMODULE: u32 = 0o160_000;

/// The mode that git would write today for a mode that is found in history (git `canon_mode`).
pub(crate) fn canonical_mode(mode: u32) -> u32 {
    match mode & TYPE_MASK {
        MODE_FOLDER => MODE_FOLDER,
        MODE_SYMLINK => MODE_SYMLINK,
        MODE_SUBMODULE => MODE_SUBMODULE,
        _ if mode & 0o100 != 0 => MODE_EXECUTABLE,
        _ => MODE_FILE,
    }
}

/// One entry, borrowed from its tree; the mode is canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawEntry<'a> {
    pub(crate) mode: u32,
    pub(crate) name: &'a [u8],
    pub(crate) oid: ObjectId,
}

impl RawEntry<'_> {
    pub(crate) fn is_folder(&self) -> bool {
        self.mode == MODE_FOLDER
    }

    pub(crate) fn is_submodule(&self) -> bool {
        self.mode == MODE_SUBMODULE
    }
}

/// Splits the first entry off a tree; `None` if it is malformed or cut.
pub(crate) fn split_entry(data: &[u8]) -> Option<(RawEntry<'_>, &[u8])> {
    let space = data.iter().take(8).position(|byte| *byte == b' ')?;
    let digits = str::from_utf8(data.get(..space)?).ok()?;
    let mode = u32::from_str_radix(digits, 8).ok()?;
    let rest = data.get(space + 1..)?;
    let nul = rest.iter().position(|byte| *byte == 0)?;
    let name = rest.get(..nul).filter(|name| !name.is_empty())?;
    let oid = ObjectId::from_slice(rest.get(nul + 1..nul + 1 + ObjectId::BYTES)?)?;
    let rest = rest.get(nul + 1 + ObjectId::BYTES..)?;
    Some((RawEntry { mode: canonical_mode(mode), name, oid }, rest))
}

/// All entries of a tree, in stored order.
pub(crate) fn parse_entries(tree_id: ObjectId, data: &[u8]) -> Result<Vec<RawEntry<'_>>> {
    let mut entries = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (entry, after) = split_entry(rest).ok_or_else(|| Error::corrupt("read a tree", tree_id))?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// Git's order: a folder sorts as if its name ended in `/`.
pub(crate) fn compare_entries((a, a_folder): (&[u8], bool), (b, b_folder): (&[u8], bool)) -> Ordering {
    let shared = a.len().min(b.len());
    let after = |name: &[u8], folder: bool| name.get(shared).copied().or(folder.then_some(b'/'));
    a.get(..shared).cmp(&b.get(..shared)).then_with(|| after(a, a_folder).cmp(&after(b, b_folder)))
}

/// The tree of a commit. A commit that is not there is the asker's mistake.
pub(crate) fn tree_of_commit(reader: &mut ObjectReader<'_>, commit_id: ObjectId) -> Result<ObjectId> {
    match reader.header(&commit_id)? {
        Some((ObjectKind::Commit, _)) => Ok(reader.commit(&commit_id)?.tree),
        _ => Err(Error::NotFound { what: format!("commit `{commit_id}`") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sort_as_if_they_ended_in_a_slash() {
        let sorted: [(&[u8], bool); 7] = [
            (b"a", false),
            (b"a.b", false),
            (b"a", true),
            (b"a0", false),
            (b"aa", true),
            (b"b", true),
            ("模型".as_bytes(), false),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare_entries(*a, *b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_cut_tree_is_malformed_and_historic_modes_are_read() {
        let mut tree = b"040000 dir\0".to_vec();
        tree.extend_from_slice(&[7; 20]);
        tree.extend_from_slice(b"100664 file\0");
        tree.extend_from_slice(&[8; 20]);
        let entries = parse_entries(ObjectId::ZERO, &tree).unwrap();
        assert_eq!(entries.iter().map(|e| e.mode).collect::<Vec<_>>(), [MODE_FOLDER, MODE_FILE]);
        for cut in [1, 7, 12, 30, 40, tree.len() - 1] {
            assert!(parse_entries(ObjectId::ZERO, &tree[..cut]).is_err(), "{cut}");
        }
    }
}
