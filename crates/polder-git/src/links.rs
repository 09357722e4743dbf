//! What an object points at.
//!
//! As lenient as git's own reading of stored objects; whether an object is well-formed is decided when
//! it is received.

use polder_types::ObjectId;

use crate::ObjectKind;

/// What a commit points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitLinks {
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    /// Committer date in seconds since 1970; 0 if unreadable.
    pub(crate) date: i64,
}

fn header_id<'a>(data: &'a [u8], name: &[u8]) -> Option<(ObjectId, &'a [u8])> {
    let rest = data.strip_prefix(name)?;
    let (hex, rest) = rest.split_at_checked(2 * ObjectId::BYTES)?;
    Some((ObjectId::from_hex(hex).ok()?, rest.strip_prefix(b"\n")?))
}

/// Reads a commit's links; `None` if it has no tree.
pub(crate) fn commit_links(data: &[u8]) -> Option<CommitLinks> {
    let (tree, mut rest) = header_id(data, b"tree ")?;
    let mut parents = Vec::new();
    while let Some((parent, after)) = header_id(rest, b"parent ") {
        parents.push(parent);
        rest = after;
    }
    Some(CommitLinks { tree, parents, date: committer_date(rest).unwrap_or_default() })
}

fn committer_date(headers: &[u8]) -> Option<i64> {
    let lines = headers.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = lines.take(2).find_map(|line| line.strip_prefix(b"committer "))?;
    let after = line.rsplit(|byte| *byte == b'>').next()?;
    str::from_utf8(after).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

/// Reads what a tag points at, and which kind it says that is.
pub(crate) fn tag_target(data: &[u8]) -> Option<(ObjectId, ObjectKind)> {
    let (id, rest) = header_id(data, b"object ")?;
    let kind = rest.strip_prefix(b"type ")?.split(|byte| *byte == b'\n').next()?;
    let kind = match kind {
        b"commit" => ObjectKind::Commit,
        b"tree" => ObjectKind::Tree,
        b"blob" => ObjectKind::Blob,
        b"tag" => ObjectKind::Tag,
        _ => return None,
    };
    Some((id, kind))
}

/// What a tree entry points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TreeLink {
    Tree(ObjectId),
    /// A file or symbolic link.
    Blob(ObjectId),
    /// A submodule's commit, which lives elsewhere.
    Submodule,
}

/// The links of a tree, in its order.
#[derive(Debug, Clone)]
pub(crate) struct TreeLinks<'a> {
    rest: &'a [u8],
}

impl<'a> TreeLinks<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    fn take_entry(&mut self) -> Option<TreeLink> {
        let space = self.rest.iter().position(|byte| *byte == b' ')?;
        let (mode, rest) = self.rest.split_at_checked(space)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (id, rest) = rest.get(end + 1..)?.split_first_chunk::<{ ObjectId::BYTES }>()?;
        self.rest = rest;
        let id = ObjectId::new(*id);
        let mode = u32::from_str_radix(str::from_utf8(mode).ok()?, 8).ok()?;
        Some(match mode & 0o170_000 {
            0o040_000 => TreeLink::Tree(id),
            0o160_000 => TreeLink::Submodule,
            _ => TreeLink::Blob(id),
        })
    }
}

/// Yields `None` once, then ends, where the tree is malformed.
impl Iterator for TreeLinks<'_> {
    type Item = Option<TreeLink>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.take_entry();
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_names_its_tree_parents_and_date() {
        let (tree, parent) = ("1".repeat(40), "2".repeat(40));
        let text = format!(
            "tree {tree}\nparent {parent}\nparent {tree}\nauthor A <a> 5 +0000\ncommitter B <b> 17 +0100\n\nm"
        );
        let links = commit_links(text.as_bytes()).unwrap();
        assert_eq!(links.tree.to_string(), tree);
        assert_eq!(links.parents, [parent.parse().unwrap(), tree.parse().unwrap()]);
        assert_eq!(links.date, 17);
        assert_eq!(commit_links(b"parent x"), None);
        let message_only = format!("tree {tree}\n\ncommitter X <x> 9 +0000");
        assert_eq!(commit_links(message_only.as_bytes()).unwrap().date, 0);
    }

    #[test]
    fn a_cut_tree_says_so_once() {
        let mut tree = b"40000 dir\0".to_vec();
        tree.extend([1; 20]);
        tree.extend(b"160000 sub\0");
        tree.extend([2; 20]);
        tree.extend(b"100644 cut\0abc");
        let links: Vec<_> = TreeLinks::new(&tree).collect();
        let first = TreeLink::Tree(ObjectId::new([1; 20]));
        assert_eq!(links, [Some(first), Some(TreeLink::Submodule), None]);
    }
}
