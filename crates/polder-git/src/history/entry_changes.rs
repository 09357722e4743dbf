//! Where two trees differ, one level deep.

use std::cmp::Ordering;

use polder_types::ObjectId;

use crate::tree::{RawEntry, compare_entries, split_entry};
use crate::{Error, Result};

/// One name of a folder that two trees hold differently. A file that became a folder is two changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryChange<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) old: Option<RawEntry<'a>>,
    pub(crate) new: Option<RawEntry<'a>>,
}

/// A tree object: its id, for messages, and its bytes.
pub(crate) type RawTree<'a> = (ObjectId, &'a [u8]);

/// Every name that differs, in git's order.
///
/// Two states of a folder mostly agree, so entries that are the same bytes are passed without a second look,
/// and equal ends are compared at once.
pub(crate) fn entry_changes<'a>(old: RawTree<'a>, new: RawTree<'a>) -> Result<Vec<EntryChange<'a>>> {
    let mut changes = Vec::new();
    let ((old_id, mut old), (new_id, mut new)) = (old, new);
    while !(old.is_empty() && new.is_empty()) {
        if let Some(length) = entry_bytes(old) {
            let (entry, after) = old.split_at_checked(length).ok_or_else(|| malformed(old_id))?;
            if let Some(rest) = new.strip_prefix(entry) {
                (old, new) = (after, rest);
                continue;
            }
        }
        let (left, right) = (first(old_id, old)?, first(new_id, new)?);
        let order = match (&left, &right) {
            (Some((a, _)), Some((b, _))) => compare_entries((a.name, a.is_folder()), (b.name, b.is_folder())),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let mut change = EntryChange { name: &[], old: None, new: None };
        if let (Some((entry, after)), Ordering::Less | Ordering::Equal) = (left, order) {
            (change.name, change.old, old) = (entry.name, Some(entry), after);
        }
        if let (Some((entry, after)), Ordering::Greater | Ordering::Equal) = (right, order) {
            (change.name, change.new, new) = (entry.name, Some(entry), after);
        }
        // Historic modes may be spelled differently and mean the same.
        if change.old != change.new {
            changes.push(change);
        }
        if old.len() == new.len() && old == new {
            break;
        }
    }
    Ok(changes)
}

/// Length of the first entry; `None` if it is cut or there is none.
fn entry_bytes(data: &[u8]) -> Option<usize> {
    let nul = data.iter().position(|byte| *byte == 0)?;
    Some(nul + 1 + ObjectId::BYTES)
}

fn first(tree_id: ObjectId, data: &[u8]) -> Result<Option<(RawEntry<'_>, &[u8])>> {
    if data.is_empty() {
        return Ok(None);
    }
    split_entry(data).map(Some).ok_or_else(|| malformed(tree_id))
}

fn malformed(tree_id: ObjectId) -> Error {
    Error::corrupt("compare trees", format_args!("tree {tree_id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::MODE_FOLDER;

    fn tree(entries: &[(&str, &str, u8)]) -> Vec<u8> {
        let mut data = Vec::new();
        for (mode, name, byte) in entries {
            data.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            data.extend_from_slice(&[*byte; ObjectId::BYTES]);
        }
        data
    }

    fn changes(old: &[u8], new: &[u8]) -> Vec<(String, bool, bool)> {
        let found = entry_changes((ObjectId::ZERO, old), (ObjectId::ZERO, new)).unwrap();
        let shown = |c: &EntryChange<'_>| {
            (String::from_utf8(c.name.to_vec()).unwrap(), c.old.is_some(), c.new.is_some())
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn only_names_that_differ_are_listed_in_gits_order() {
        let old = tree(&[("100644", "a", 1), ("100644", "a.b", 2), ("100644", "m", 3), ("100644", "z", 9)]);
        let new = tree(&[("100644", "a.b", 2), ("40000", "a", 1), ("100755", "m", 3), ("100644", "z", 9)]);
        let expected = [("a", true, false), ("a", false, true), ("m", true, true)];
        assert_eq!(changes(&old, &new), expected.map(|(name, old, new)| (name.to_owned(), old, new)));
        assert_eq!(changes(&new, &old).len(), 3);
        assert_eq!(changes(&old, &old), []);
        assert_eq!(changes(&[], &old).len(), 4);
        let (plain, padded) = (tree(&[("40000", "d", 1)]), tree(&[("040000", "d", 1)]));
        assert_eq!(changes(&plain, &padded), [], "a historic mode means the same");
        let both = entry_changes((ObjectId::ZERO, &old), (ObjectId::ZERO, &new)).unwrap();
        assert_eq!(both[1].new.unwrap().mode, MODE_FOLDER);
    }

    #[test]
    fn a_cut_tree_is_malformed() {
        let (old, new) = (tree(&[("100644", "a", 1)]), tree(&[("100644", "a", 2), ("100644", "b", 2)]));
        for cut in 1..old.len() {
            let found = entry_changes((ObjectId::ZERO, &old[..cut]), (ObjectId::ZERO, &new));
            assert!(matches!(found, Err(Error::Corrupt { .. })), "{cut}");
        }
    }
}
