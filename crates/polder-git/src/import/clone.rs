//! A clone on disk, with what it notes of the repository it came from.

use std::path::{Path, PathBuf};

use polder_types::ObjectId;

use super::{Notes, open};
use crate::{Result, Snapshot};

/// A clone, opened for reading.
#[derive(Debug)]
pub struct LocalClone {
    /// Its refs, `refs/remotes/*` among them, and objects.
    pub snapshot: Snapshot,
    /// Where git-lfs keeps its objects, as `ab/cd/abcd…`; may not exist.
    pub lfs_objects: PathBuf,
    /// The directory with the files; `None` for a bare repository.
    pub files: Option<PathBuf>,
    /// Where it was cloned from, as its configuration says.
    pub origin_url: Option<String>,
    /// What is checked out.
    pub head: Option<ObjectId>,
    /// What was left out or guessed, in sentences.
    pub warnings: Vec<String>,
}

/// Opens a clone as [`open_source`](super::open_source) opens a source, but with its notes of others' branches.
///
/// # Errors
/// As [`open_source`](super::open_source).
pub fn open_clone(dir: &Path, scratch: &Path) -> Result<LocalClone> {
    let opened = open(dir, scratch, Notes::Kept)?;
    Ok(LocalClone {
        snapshot: opened.source.snapshot,
        lfs_objects: opened.source.lfs_objects,
        files: (!opened.is_bare).then(|| dir.to_owned()),
        origin_url: opened.origin_url,
        head: opened.head,
        warnings: opened.source.warnings,
    })
}
