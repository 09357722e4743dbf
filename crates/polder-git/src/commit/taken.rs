//! Commits that hold what another server shows, and the ids of its folders.

use polder_types::ObjectId;

use super::pack_stream::{PackStream, object_id};
use super::{BlobSpool, Change, Signature, WrittenCommit, finish, text, write_tree};
use crate::tree::{MODE_EXECUTABLE, MODE_FILE, MODE_FOLDER, compare_entries, tree_of_commit};
use crate::{EntryKind, ObjectKind, ObjectReader, Result, Snapshot};

/// Makes a commit as [`write_commit`](super::write_commit) does, and one without a change where nothing
/// changes: what it says may be new all the same.
///
/// # Errors
/// As there.
pub fn write_taken_commit(
    snapshot: &Snapshot,
    parent: Option<ObjectId>,
    changes: &[Change],
    spool: &BlobSpool,
    author: &Signature,
    message: &str,
) -> Result<WrittenCommit> {
    let (signature, message) = (text::signature_line(author)?, text::message(message)?);
    let mut reader = ObjectReader::new(snapshot);
    let base = parent.map(|commit_id| tree_of_commit(&mut reader, commit_id)).transpose()?;
    let mut pack = PackStream::after(spool);
    let written = write_tree(reader, base, changes, Some(spool), &mut pack)?.or(base);
    let tree_id = if let Some(tree_id) = written {
        tree_id
    } else {
        let empty = object_id(ObjectKind::Tree, b"")?;
        pack.add(empty, ObjectKind::Tree, b"")?;
        empty
    };
    finish(tree_id, parent.as_slice(), &signature, &message, pack)
}

/// The id of a folder that holds these names. What is no folder and may not be run is an ordinary file.
///
/// ```
/// use polder_git::{EntryKind, folder_id};
/// let hello = "ce013625030ba8dba906f756967f9e9ca394464a".parse().unwrap();
/// let id = folder_id(&[("README.md", EntryKind::File, hello)]).unwrap();
/// assert_eq!(id.to_string(), "853694aae8816094a0d875fee7ea26278dbf5d0f");
/// ```
///
/// # Errors
/// [`crate::Error::Refused`] for half of a SHA-1 collision.
pub fn folder_id(entries: &[(&str, EntryKind, ObjectId)]) -> Result<ObjectId> {
    let folder = |kind: EntryKind| kind == EntryKind::Directory;
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by(|(a, x, _), (b, y, _)| {
        compare_entries((a.as_bytes(), folder(*x)), (b.as_bytes(), folder(*y)))
    });
    let mut data = Vec::new();
    for (name, kind, oid) in sorted {
        let mode = match kind {
            EntryKind::Directory => MODE_FOLDER,
            EntryKind::Executable => MODE_EXECUTABLE,
            _ => MODE_FILE,
        };
        data.extend_from_slice(format!("{mode:o} {name}\0").as_bytes());
        data.extend_from_slice(oid.as_bytes());
    }
    object_id(ObjectKind::Tree, &data)
}
