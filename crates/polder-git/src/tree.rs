//! Looking at the files of a commit.

mod entries;
mod list;

use polder_types::limits::LFS_POINTER_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId};

pub(crate) use entries::{
    MODE_EXECUTABLE, MODE_FILE, MODE_FOLDER, RawEntry, TREE_DEPTH_MAX, compare_entries, parse_entries,
    split_entry, tree_of_commit,
};
pub use list::{FileList, TreePage, list_files, list_tree};

use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that may be run.
    Executable,
    /// A symbolic link; its blob is the target.
    Symlink,
    /// A folder.
    Directory,
    /// A commit of another repository.
    Submodule,
}

impl EntryKind {
    fn from_mode(mode: u32) -> Self {
        match mode {
            MODE_FOLDER => Self::Directory,
            MODE_EXECUTABLE => Self::Executable,
            entries::MODE_SYMLINK => Self::Symlink,
            entries::MODE_SUBMODULE => Self::Submodule,
            _ => Self::File,
        }
    }

    /// Whether its content is a file's.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }

    /// Whether it has bytes: a file's, or the target of a link.
    pub fn is_blob(self) -> bool {
        self.is_file() || self == Self::Symlink
    }
}

/// One path of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// From the root, parts joined by `/`. A name that is not UTF-8 shows U+FFFD for what is not.
    pub path: String,
    /// Whether that is the path to the letter.
    pub is_exact: bool,
    /// What stands there.
    pub kind: EntryKind,
    /// The blob, tree or (submodule) commit.
    pub oid: ObjectId,
    /// Length of the blob as git holds it; `None` for directories and submodules.
    pub size_bytes: Option<u64>,
    /// The LFS object that the file stands for.
    pub pointer: Option<LfsPointer>,
}

impl TreeEntry {
    /// Whether it can be asked for by its path: no commit of another repository, and no name that text cannot say.
    pub fn can_be_asked_for(&self) -> bool {
        self.is_exact && self.kind != EntryKind::Submodule
    }
}

/// Finds one path; the empty path is the root folder.
///
/// Size and kind come without inflating the blob, unless it is small enough to be a pointer.
///
/// # Errors
/// [`Error::NotFound`] if the commit or the path does not exist; [`Error::Corrupt`] if an object on the
/// way is missing or malformed.
pub fn entry(snapshot: &Snapshot, commit_id: ObjectId, path: &str) -> Result<TreeEntry> {
    let reader = &mut ObjectReader::new(snapshot);
    let root = tree_of_commit(reader, commit_id)?;
    let (mode, oid) = find(reader, root, path)?;
    describe(reader, path.as_bytes(), mode, oid)
}

/// Mode and id of what stands at `path` below the tree `root`.
pub(crate) fn find(reader: &mut ObjectReader<'_>, root: ObjectId, path: &str) -> Result<(u32, ObjectId)> {
    let missing = || Error::NotFound { what: format!("`{path}`") };
    let mut found = (MODE_FOLDER, root);
    if path.is_empty() {
        return Ok(found);
    }
    for (depth, name) in path.split('/').enumerate() {
        if found.0 != MODE_FOLDER || depth >= TREE_DEPTH_MAX {
            return Err(missing());
        }
        let data = reader.require(&found.1, ObjectKind::Tree)?;
        let entries = parse_entries(found.1, &data)?;
        let entry = entries.iter().find(|entry| entry.name == name.as_bytes()).ok_or_else(missing)?;
        found = (entry.mode, entry.oid);
    }
    Ok(found)
}

pub(crate) fn describe(
    reader: &mut ObjectReader<'_>,
    path: &[u8],
    mode: u32,
    oid: ObjectId,
) -> Result<TreeEntry> {
    let kind = EntryKind::from_mode(mode);
    let (is_exact, path) = (str::from_utf8(path).is_ok(), String::from_utf8_lossy(path).into_owned());
    let mut entry = TreeEntry { path, is_exact, kind, oid, size_bytes: None, pointer: None };
    if matches!(kind, EntryKind::Directory | EntryKind::Submodule) {
        return Ok(entry);
    }
    let Some((ObjectKind::Blob, size_bytes)) = reader.header(&oid)? else {
        return Err(Error::corrupt("read a file's header", format!("blob {oid} at `{}`", entry.path)));
    };
    entry.size_bytes = Some(size_bytes);
    let could_be_pointer = usize::try_from(size_bytes).is_ok_and(|size| size <= LFS_POINTER_BYTES_MAX);
    if kind.is_file() && could_be_pointer {
        entry.pointer = LfsPointer::parse(&reader.require(&oid, ObjectKind::Blob)?);
    }
    Ok(entry)
}
