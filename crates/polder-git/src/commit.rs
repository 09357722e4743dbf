//! Writing a commit from file changes, without a working tree.

mod attributes;
mod blob_spool;
mod edit;
mod pack_stream;
mod path;
mod taken;
mod text;

use std::collections::BTreeMap;
use std::io::Read as _;

use bytes::Bytes;
use polder_types::limits::GIT_OBJECT_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId, UnixMillis};

use crate::tree::{MODE_EXECUTABLE, MODE_FILE, tree_of_commit};
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};
pub use attributes::keep_attributes;
pub use blob_spool::BlobSpool;
pub(crate) use edit::{Leaf, Removal, TreeEdit};
pub use pack_stream::CommitPack;
use pack_stream::HEADER_BYTES;
pub(crate) use pack_stream::{PackStream, object_id};
pub use path::check_path;
pub use taken::{folder_id, write_taken_commit};
pub(crate) use text::{message as checked_message, signature_line};

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
    /// Creates or replaces a file by a blob that is there already: in the repository, where the author may
    /// read it, or in the spool that the commit is written with.
    Place {
        /// From the root, parts joined by `/`.
        path: String,
        /// The blob.
        oid: ObjectId,
        /// Whether it may be run.
        executable: bool,
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
    header: [u8; HEADER_BYTES],
    /// What is not in the spool, compressed.
    objects: Bytes,
}

impl WrittenCommit {
    /// The complete pack of the new objects; `spool` is the one that the commit was written with.
    pub fn pack<'a>(&'a self, spool: Option<&'a BlobSpool>) -> CommitPack<'a> {
        CommitPack::new(self.header, spool, &self.objects)
    }

    /// The same in memory, of a commit written without a spool.
    ///
    /// # Errors
    /// [`Error::Io`] if its checksum cannot be made.
    pub fn whole_pack(&self) -> Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.objects.len());
        self.pack(None)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io("write a pack", self.commit_id, error))?;
        Ok(Bytes::from(bytes))
    }
}

/// Makes a commit on top of `parent` (`None` for the first one).
///
/// `spool` holds new files that the changes only place. Deletions apply to the parent's files first, in the order given; then the writes, of which the last
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
/// let written = write_commit(&empty, None, &[change], None, &author, "Add README").unwrap();
/// assert_eq!(written.tree_id.to_string(), "853694aae8816094a0d875fee7ea26278dbf5d0f");
/// assert!(written.whole_pack().unwrap().starts_with(b"PACK"));
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
    spool: Option<&BlobSpool>,
    author: &Signature,
    message: &str,
) -> Result<WrittenCommit> {
    let signature = signature_line(author)?;
    let message = checked_message(message)?;
    let mut reader = ObjectReader::new(snapshot);
    let base = parent.map(|commit_id| tree_of_commit(&mut reader, commit_id)).transpose()?;
    let mut pack = spool.map_or_else(PackStream::new, PackStream::after);
    let tree_id = write_tree(reader, base, changes, spool, &mut pack)?.filter(|tree| Some(*tree) != base);
    let Some(tree_id) = tree_id else {
        return Err(Error::refused(NOTHING_TO_COMMIT));
    };
    finish(tree_id, parent.as_slice(), &signature, &message, pack)
}

/// What [`write_commit`] refuses when no file would change.
pub const NOTHING_TO_COMMIT: &str = "nothing to commit: no file would change";

/// Whether `commit_id` is what these changes made on top of its parent, by the same author and with the same
/// message: a client that did not hear the answer asks again.
///
/// # Errors
/// [`Error::Corrupt`] if the commit or its trees cannot be read; as [`write_commit`] for what is wrong with
/// the changes by themselves.
pub fn is_commit_of(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    changes: &[Change],
    spool: Option<&BlobSpool>,
    author: &Signature,
    message: &str,
) -> Result<bool> {
    let mut reader = ObjectReader::new(snapshot);
    let links = reader.commit(&commit_id)?;
    let parent = match links.parents.as_slice() {
        [] => None,
        [parent] => Some(*parent),
        _ => return Ok(false),
    };
    let time = UnixMillis(links.date.saturating_mul(1000));
    let signature = signature_line(&Signature { time, ..author.clone() })?;
    let expected = text::commit(links.tree, parent.as_slice(), &signature, &checked_message(message)?);
    if reader.require(&commit_id, ObjectKind::Commit)? != expected {
        return Ok(false);
    }
    let base = parent.map(|commit_id| tree_of_commit(&mut reader, commit_id)).transpose()?;
    let mut pack = spool.map_or_else(PackStream::new, PackStream::after);
    match write_tree(reader, base, changes, spool, &mut pack) {
        Ok(tree_id) => Ok(tree_id == Some(links.tree)),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a commit without parents that holds the files of `commit_id`, or none.
///
/// # Errors
/// [`Error::Refused`] for an author without a name or no message; [`Error::Corrupt`] if it cannot be read.
pub fn write_root_commit(
    snapshot: &Snapshot,
    commit_id: Option<ObjectId>,
    author: &Signature,
    message: &str,
) -> Result<WrittenCommit> {
    let (signature, message) = (signature_line(author)?, checked_message(message)?);
    let mut pack = PackStream::new();
    let tree_id = if let Some(commit_id) = commit_id {
        tree_of_commit(&mut ObjectReader::new(snapshot), commit_id)?
    } else {
        let empty = object_id(ObjectKind::Tree, b"")?;
        pack.add(empty, ObjectKind::Tree, b"")?;
        empty
    };
    finish(tree_id, &[], &signature, &message, pack)
}

/// Makes an annotated tag of a commit; the id and its pack are where a commit's would be.
///
/// # Errors
/// [`Error::Refused`] for an author without a name or no message.
pub fn write_tag(
    commit_id: ObjectId,
    name: &str,
    author: &Signature,
    message: &str,
) -> Result<(ObjectId, Bytes)> {
    let (signature, message) = (signature_line(author)?, checked_message(message)?);
    let data = text::tag(commit_id, name, &signature, &message);
    let tag_id = object_id(ObjectKind::Tag, &data)?;
    let mut pack = PackStream::new();
    pack.add(tag_id, ObjectKind::Tag, &data)?;
    Ok((tag_id, pack.whole()?))
}

/// Ends a pack with its commit.
pub(crate) fn finish(
    tree_id: ObjectId,
    parents: &[ObjectId],
    signature: &str,
    message: &str,
    mut pack: PackStream,
) -> Result<WrittenCommit> {
    let commit = text::commit(tree_id, parents, signature, message);
    let commit_id = object_id(ObjectKind::Commit, &commit)?;
    pack.add(commit_id, ObjectKind::Commit, &commit)?;
    let (header, objects) = pack.finish()?;
    Ok(WrittenCommit { commit_id, tree_id, header, objects })
}

/// Applies changes to the tree `base`; `None` if nothing was touched.
fn write_tree(
    reader: ObjectReader<'_>,
    base: Option<ObjectId>,
    changes: &[Change],
    spool: Option<&BlobSpool>,
    pack: &mut PackStream,
) -> Result<Option<ObjectId>> {
    if changes.len() > COMMIT_CHANGES_MAX {
        return Err(Error::too_large(format!("a commit may have at most {COMMIT_CHANGES_MAX} changes")));
    }
    let snapshot = reader.snapshot();
    let mut edit = TreeEdit::new(reader, base)?;
    for change in changes {
        match change {
            Change::Delete { path } => edit.remove(path, Removal::File)?,
            Change::DeleteFolder { path } => edit.remove(path, Removal::Folder)?,
            Change::Write { .. } | Change::WritePointer { .. } | Change::Place { .. } => {}
        }
    }
    for (path, write) in last_writes(changes) {
        let oid = match &write.content {
            Content::Bytes(content) => {
                check_size(path, content.len())?;
                object_id(ObjectKind::Blob, content)?
            }
            Content::There(oid) => {
                let spooled = spool.is_some_and(|spool| spool.has(oid));
                if !spooled && !matches!(snapshot.header(oid)?, Some((ObjectKind::Blob, _))) {
                    return Err(Error::NotFound { what: format!("blob `{oid}`") });
                }
                *oid
            }
        };
        edit.put(path, Leaf { mode: write.mode, oid })?;
        if let Content::Bytes(content) = &write.content
            && !edit.knows(&oid)
        {
            pack.add(oid, ObjectKind::Blob, content)?;
        }
    }
    edit.write(pack)
}

enum Content {
    Bytes(Bytes),
    There(ObjectId),
}

struct Write {
    content: Content,
    mode: u32,
}

/// The writes by path; a later one replaces an earlier one.
fn last_writes(changes: &[Change]) -> BTreeMap<&str, Write> {
    let mode = |executable: bool| if executable { MODE_EXECUTABLE } else { MODE_FILE };
    let writes = changes.iter().filter_map(|change| match change {
        Change::Write { path, content, executable } => {
            Some((path.as_str(), Write { content: Content::Bytes(content.clone()), mode: mode(*executable) }))
        }
        Change::WritePointer { path, pointer } => {
            let content = Content::Bytes(Bytes::from(pointer.to_string()));
            Some((path.as_str(), Write { content, mode: MODE_FILE }))
        }
        Change::Place { path, oid, executable } => {
            Some((path.as_str(), Write { content: Content::There(*oid), mode: mode(*executable) }))
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
