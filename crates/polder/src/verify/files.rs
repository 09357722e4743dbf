//! Whether the large files of a clone are those that its commits name.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use polder_git::{LocalClone, list_tree};
use polder_types::limits::{LFS_POINTER_BYTES_MAX, TREE_ENTRIES_MAX};
use polder_types::{LfsPointer, Sha256};
use sha2::{Digest as _, Sha256 as Hasher};

use crate::Error;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Most files of one commit that are looked at.
const FILES_MAX: usize = 10_000_000;

/// What looking found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FilesFound {
    /// Files that are what their pointers say, in git-lfs's own store and checked out.
    pub(super) right: u64,
    /// Large files that the clone knows of and has not.
    pub(super) not_downloaded: u64,
    /// What is wrong, in sentences.
    pub(super) problems: Vec<String>,
}

/// Reads every large file of the clone, in git-lfs's own store and where it is checked out.
pub(super) fn check<'p>(
    clone: &LocalClone,
    pointers: impl IntoIterator<Item = &'p LfsPointer>,
) -> Result<FilesFound, Error> {
    let mut found = FilesFound::default();
    let mut absent = BTreeSet::new();
    for pointer in pointers {
        let hex = pointer.oid.to_string();
        let folders = hex.get(..2).zip(hex.get(2..4)).unwrap_or_default();
        let path = clone.lfs_objects.join(folders.0).join(folders.1).join(&hex);
        if !found.look(&path, pointer)? {
            absent.insert(pointer.oid);
        }
    }
    for (path, pointer) in checked_out(clone)? {
        if found.look(&path, &pointer)? {
            absent.remove(&pointer.oid);
        }
    }
    found.not_downloaded = u64::try_from(absent.len()).unwrap_or(u64::MAX);
    Ok(found)
}

impl FilesFound {
    /// Whether there is a file, right or wrong, and not just its pointer.
    fn look(&mut self, path: &Path, pointer: &LfsPointer) -> Result<bool, Error> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(false);
            }
            Err(error) => return Err(Error::io("cannot open", path, error)),
        };
        let failed = |error| Error::io("cannot read", path, error);
        let (mut hasher, mut size, mut start) = (Hasher::new(), 0_u64, Vec::new());
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = file.read(&mut buffer).map_err(failed)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            if start.len() <= LFS_POINTER_BYTES_MAX {
                start.extend(read.iter().take(LFS_POINTER_BYTES_MAX + 1));
            }
            hasher.update(read);
            size += u64::try_from(count).unwrap_or_default();
        }
        let hash = Sha256::new(hasher.finalize().into());
        if hash == pointer.oid && size == pointer.size_bytes {
            self.right += 1;
            return Ok(true);
        }
        // Nobody has asked git-lfs to put the file in place of its pointer.
        if LfsPointer::parse(&start).is_some_and(|there| there == *pointer) {
            return Ok(false);
        }
        let shown = path.display();
        let (oid, wanted) = (pointer.oid, pointer.size_bytes);
        self.problems.push(format!(
            "`{shown}` has {size} bytes, sha256 {hash}; its commit names {wanted} bytes, {oid}"
        ));
        Ok(true)
    }
}

/// Where the large files of the commit that is checked out are.
fn checked_out(clone: &LocalClone) -> Result<Vec<(PathBuf, LfsPointer)>, Error> {
    let (Some(files), Some(head)) = (&clone.files, clone.head) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut cursor = None;
    for _page in 0..=FILES_MAX / TREE_ENTRIES_MAX {
        let page = list_tree(&clone.snapshot, head, "", true, cursor.as_deref(), TREE_ENTRIES_MAX)
            .map_err(|error| Error::caused_by("cannot list what is checked out", error))?;
        let large =
            page.entries.into_iter().filter_map(|entry| Some((files.join(entry.path), entry.pointer?)));
        found.extend(large);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
    Err(Error::plain(format!("what is checked out has more than {FILES_MAX} files")))
}
