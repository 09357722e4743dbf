//! Writing a commit from file changes, without a working tree.

mod edit;
mod pack_stream;
mod path;
mod text;

use std::collections::BTreeMap;

use bytes::Bytes;
use polder_types::limits::GIT_OBJECT_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId, UnixMillis};

use crate::tree::{MODE_EXECUTABLE, MODE_FILE, tree_of_commit};
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};
use edit::{Leaf, Removal, TreeEdit};
use pack_stream::PackStream;
pub use path::check_path;

/// Most changes in one commit.
pub const COMMIT_CHANGES_MAX: usize = 100_000;

/// One change to the files of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Creates or replaces a file.
    Write {
        /// From the root, parts joined by `/`.
        path: String,
        /// The whole new content.
        content: Bytes,
        /// Whether it may be run.
        executable: bool,
    },
    /// Creates or replaces a file by the pointer to a large object.
    WritePointer {
        /// From the root, parts joined by `/`.
        path: String,
        /// The large object.
        pointer: LfsPointer,
    },
    /// Removes a file, symbolic link or submodule.
    Delete {
        /// From the root, parts joined by `/`.
        path: String,
    },
    /// Removes a folder with all that is in it.
    DeleteFolder {
        /// From the root, parts joined by `/`; one `/` at the end is allowed.
        path: String,
    },
}

/// Who writes a commit, and when; the time is recorded as UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// A person's name; characters that git cannot hold there are dropped.
    pub name: String,
    /// An address; characters that git cannot hold there are dropped.
    pub email: String,
    /// When.
    pub time: UnixMillis,
}

/// A commit that exists in its pack only, until that is received as a push is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenCommit {
    /// The new commit.
    pub commit_id: ObjectId,
    /// Its root tree.
    pub tree_id: ObjectId,
    /// A complete pack stream of the new objects.
    pub pack: Bytes,
}

/// Makes a commit on top of `parent` (`None` for the first one).
///
/// Deletions apply to the parent's files first, in the order given; then the writes, of which the last
/// one to a path counts. Folders come and go with their files. Only trees on the way to a change are read
/// and written; a blob that a tree read on the way already holds (a rename) is not written again.
///
/// The pack is self-contained, as receiving demands. A delta of a large tree on the parent's would need
/// the parent's tree in the pack too, which is larger than the new tree alone, so every object is whole;
/// deltas are made when packs are compacted.
///
/// ```
/// use polder_git::{Change, Signature, Snapshot, write_commit};
/// use polder_types::UnixMillis;
/// let empty = Snapshot::new(0, "refs/heads/main".into(), Vec::new(), Vec::new());
/// let author = Signature { name: "Ada".into(), email: "ada@example.org".into(), time: UnixMillis(0) };
/// let change = Change::Write { path: "README.md".into(), content: "hello\n".into(), executable: false };
/// let written = write_commit(&empty, None, &[change], &author, "Add README").unwrap();
/// assert_eq!(written.tree_id.to_string(), "853694aae8816094a0d875fee7ea26278dbf5d0f");
/// assert!(written.pack.starts_with(b"PACK"));
/// ```
///
/// # Errors
/// [`Error::NotFound`] if the parent or a path to delete does not exist (for a file with the words "A file with
/// this name doesn't exist", which `huggingface_hub` looks for); [`Error::Refused`] for a path that git or
/// a file system cannot hold, a file where a folder is, a folder where a file is, an author without a
/// name, and when nothing would change; [`Error::TooLarge`] over [`COMMIT_CHANGES_MAX`] changes or
/// [`GIT_OBJECT_BYTES_MAX`] for one file.
pub fn write_commit(
    snapshot: &Snapshot,
    parent: Option<ObjectId>,
    changes: &[Change],
    author: &Signature,
    message: &str,
) -> Result<WrittenCommit> {
    if changes.len() > COMMIT_CHANGES_MAX {
        return Err(Error::too_large(format!("a commit may have at most {COMMIT_CHANGES_MAX} changes")));
    }
    let signature = text::signature_line(author)?;
    let message = text::message(message)?;
    let mut reader = ObjectReader::new(snapshot);
    let base = parent.map(|commit_id| tree_of_commit(&mut reader, commit_id)).transpose()?;
    let mut edit = TreeEdit::new(reader, base)?;
    let mut pack = PackStream::new();
    for change in changes {
        match change {
            Change::Delete { path } => edit.remove(path, Removal::File)?,
            Change::DeleteFolder { path } => edit.remove(path, Removal::Folder)?,
            Change::Write { .. } | Change::WritePointer { .. } => {}
        }
    }
    for (path, write) in last_writes(changes) {
        check_size(path, write.content.len())?;
        let oid = pack_stream::object_id(ObjectKind::Blob, &write.content)?;
        edit.put(path, Leaf { mode: write.mode, oid })?;
        if !edit.knows(&oid) {
            pack.add(oid, ObjectKind::Blob, &write.content)?;
        }
    }
    let tree_id = edit.write(&mut pack)?.filter(|tree_id| Some(*tree_id) != base);
    let Some(tree_id) = tree_id else {
        return Err(Error::refused("nothing to commit: no file would change"));
    };
    let commit = text::commit(tree_id, parent, &signature, &message);
    let commit_id = pack_stream::object_id(ObjectKind::Commit, &commit)?;
    pack.add(commit_id, ObjectKind::Commit, &commit)?;
    Ok(WrittenCommit { commit_id, tree_id, pack: pack.finish()? })
}

struct Write {
    content: Bytes,
    mode: u32,
}

/// The writes by path; a later one replaces an earlier one.
fn last_writes(changes: &[Change]) -> BTreeMap<&str, Write> {
    let writes = changes.iter().filter_map(|change| match change {
        Change::Write { path, content, executable } => {
            let mode = if *executable { MODE_EXECUTABLE } else { MODE_FILE };
            Some((path.as_str(), Write { content: content.clone(), mode }))
        }
        Change::WritePointer { path, pointer } => {
            Some((path.as_str(), Write { content: Bytes::from(pointer.to_string()), mode: MODE_FILE }))
        }
        Change::Delete { .. } | Change::DeleteFolder { .. } => None,
    });
    writes.collect()
}

/// Whether git may hold a file of this many bytes.
fn check_size(path: &str, size_bytes: usize) -> Result<()> {
    if u64::try_from(size_bytes).is_ok_and(|size| size <= GIT_OBJECT_BYTES_MAX) {
        return Ok(());
    }
    let message =
        format!("`{path}` has more than {} MiB; upload it as an LFS file", GIT_OBJECT_BYTES_MAX >> 20);
    Err(Error::too_large(message))
}
