//! Tree objects: how entries are written, ordered and named.
//!
//! Source: git 2.47 `fsck.c` `fsck_tree`, `verify_ordered`; `tree-walk.c` `decode_tree_entry`.

use polder_types::ObjectId;

use super::check::Problem;
use super::dot_names::{DotFile, after_backslashes, is_dot_git, is_ntfs_dot_git};

/// Longest name of one entry, in bytes (git's `fsck.largePathname` default).
const ENTRY_NAME_BYTES_MAX: usize = 4096;

/// The blobs that a tree gives a name git treats specially.
#[derive(Debug, Default)]
pub(super) struct NamedFiles {
    pub(super) modules: Vec<ObjectId>,
    pub(super) attributes: Vec<ObjectId>,
}

/// One entry as it stands in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawEntry<'a> {
    /// The octal number.
    pub(super) mode: u32,
    pub(super) name: &'a [u8],
    pub(super) oid: ObjectId,
    zero_padded: bool,
}

/// More octal digits than any mode has; git itself would wrap around.
const MODE_DIGITS_MAX: usize = 10;
const TYPE_MASK: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const DIRECTORY: u32 = 0o040_000;
const GITLINK: u32 = 0o160_000;

impl RawEntry<'_> {
    pub(super) fn is_directory(&self) -> bool {
        self.mode & TYPE_MASK == DIRECTORY
    }

    pub(super) fn is_symlink(&self) -> bool {
        self.mode & TYPE_MASK == SYMLINK
    }

    /// A submodule's commit, which is never in this repository.
    pub(super) fn is_gitlink(&self) -> bool {
        self.mode & TYPE_MASK == GITLINK
    }
}

/// Entries of a tree, in order, as leniently as git reads them; `None` inside for a malformed rest.
pub(super) struct RawEntries<'a> {
    rest: &'a [u8],
}

impl<'a> RawEntries<'a> {
    pub(super) fn new(tree: &'a [u8]) -> Self {
        Self { rest: tree }
    }

    fn parse(&self) -> Option<(RawEntry<'a>, &'a [u8])> {
        let space = self.rest.iter().position(|byte| *byte == b' ')?;
        let (digits, rest) = self.rest.split_at_checked(space)?;
        let (_, rest) = rest.split_first()?;
        let octal = |byte: &u8| matches!(byte, b'0'..=b'7');
        if digits.is_empty() || digits.len() > MODE_DIGITS_MAX || !digits.iter().all(octal) {
            return None;
        }
        let mode = digits.iter().fold(0_u32, |mode, byte| mode << 3 | u32::from(byte - b'0'));
        let nul = rest.iter().position(|byte| *byte == 0)?;
        let (name, rest) = rest.split_at_checked(nul)?;
        let (oid, rest) = rest.get(1..)?.split_at_checked(ObjectId::BYTES)?;
        if name.is_empty() {
            return None;
        }
        let oid = ObjectId::from_slice(oid)?;
        Some((RawEntry { mode, name, oid, zero_padded: digits.first() == Some(&b'0') }, rest))
    }
}

impl<'a> Iterator for RawEntries<'a> {
    type Item = Option<RawEntry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((entry, rest)) = self.parse() else {
            self.rest = &[];
            return Some(None);
        };
        self.rest = rest;
        Some(Some(entry))
    }
}

/// Checks one tree; each problem is reported once however many entries have it.
pub(super) fn check_tree(tree: &[u8], report: &mut dyn FnMut(Problem)) -> NamedFiles {
    let mut named = NamedFiles::default();
    let mut found: Vec<Problem> = Vec::new();
    let mut note = |problem| {
        if !found.contains(&problem) {
            found.push(problem);
        }
    };
    let mut order = Order::default();
    for entry in RawEntries::new(tree) {
        let Some(entry) = entry else {
            note(Problem::BadTree);
            break;
        };
        check_entry(&entry, &mut named, &mut note);
        order.next(&entry, &mut note);
    }
    for problem in found {
        report(problem);
    }
    named
}

fn check_entry(entry: &RawEntry<'_>, named: &mut NamedFiles, note: &mut dyn FnMut(Problem)) {
    let name = entry.name;
    let mut note_if = |is_so: bool, problem| {
        if is_so {
            note(problem);
        }
    };
    note_if(entry.oid.is_zero(), Problem::NullSha1);
    note_if(name.contains(&b'/'), Problem::FullPathname);
    note_if(name == b".", Problem::HasDot);
    note_if(name == b"..", Problem::HasDotdot);
    note_if(is_dot_git(name), Problem::HasDotgit);
    note_if(entry.zero_padded, Problem::ZeroPaddedFilemode);
    note_if(name.len() > ENTRY_NAME_BYTES_MAX, Problem::LargePathname);
    let known = matches!(entry.mode, 0o100_755 | 0o100_644 | SYMLINK | DIRECTORY | GITLINK);
    note_if(!known, Problem::BadFilemode);
    // git's own walk stops at an entry that is neither file, link, directory nor submodule.
    let class = entry.mode & TYPE_MASK;
    note_if(!matches!(class, FILE | SYMLINK | DIRECTORY | GITLINK), Problem::BadTree);

    note_if(after_backslashes(name).any(is_ntfs_dot_git), Problem::HasDotgit);
    if DotFile::Modules.matches_any_part(name) {
        if entry.is_symlink() {
            note(Problem::GitmodulesSymlink);
        } else {
            named.modules.push(entry.oid);
        }
    }
    if DotFile::Attributes.matches(name) {
        if entry.is_symlink() {
            note(Problem::GitattributesSymlink);
        } else {
            named.attributes.push(entry.oid);
        }
    }
}

/// Follows the order of entries and finds names that occur twice, as a file and as a directory.
#[derive(Default)]
struct Order<'a> {
    last: Option<(&'a [u8], bool)>,
    /// Files whose name a later directory may repeat: `a`, `a-b`, `a/`.
    files: Vec<&'a [u8]>,
}

impl<'a> Order<'a> {
    fn next(&mut self, entry: &RawEntry<'a>, note: &mut dyn FnMut(Problem)) {
        let this = (entry.name, entry.is_directory());
        if let Some(last) = self.last.replace(this) {
            match sort_key(last).cmp(sort_key(this)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => note(Problem::DuplicateEntries),
                std::cmp::Ordering::Greater if last.0 == this.0 => note(Problem::DuplicateEntries),
                std::cmp::Ordering::Greater => note(Problem::TreeNotSorted),
            }
        }
        // Only a file whose name is a prefix of what follows can still be repeated by a directory.
        while self.files.last().is_some_and(|file| !entry.name.starts_with(file)) {
            self.files.pop();
        }
        if self.files.contains(&entry.name) {
            note(Problem::DuplicateEntries);
        }
        if !entry.is_directory() {
            self.files.push(entry.name);
        }
    }
}

/// Git's order of tree entries: a directory compares as if its name ended in `/`.
pub(super) fn sort_key((name, is_directory): (&[u8], bool)) -> impl Iterator<Item = u8> + '_ {
    name.iter().copied().chain(is_directory.then_some(b'/'))
}
