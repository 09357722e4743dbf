//! Reading a repository on disk that other programs made.

mod clone;
mod config;
mod layout;
mod loose;
mod objects;
mod refs;
mod scratch_pack;
mod send;

use std::path::{Path, PathBuf};

pub use clone::{LocalClone, open_clone};
use polder_types::ObjectId;
pub use send::write_import_pack;

use crate::{Error, Result, Snapshot};

/// Largest object that is read from a source, in bytes; receiving it has bounds of its own.
const SOURCE_OBJECT_BYTES_MAX: u64 = 1 << 30;

/// A repository on disk, opened for reading.
#[derive(Debug)]
pub struct Source {
    /// Its refs (without `refs/pr/*` and `refs/polder/*`, which belong to a hub) and objects.
    pub snapshot: Snapshot,
    /// Where git-lfs keeps its objects, as `ab/cd/abcd…`; may not exist.
    pub lfs_objects: PathBuf,
    /// What was left out or guessed, in sentences for the person who imports.
    pub warnings: Vec<String>,
}

/// Opens a bare or ordinary repository, or a worktree of one, without changing it.
///
/// Loose objects are gathered into one pack in the directory `scratch`, which must exist and outlive
/// the answer. Alternates are read too. A detached `HEAD` names no branch: the default branch is then
/// `main`, or the only branch. An ordinary repository keeps `refs/remotes/*` and `refs/stash` to itself:
/// they are its notes about others and about work in progress. A bare one has all its refs read.
///
/// # Errors
/// [`Error::NotFound`] if there is nothing at `dir`; [`Error::Refused`], naming the reason, if it is no
/// repository, or is shallow, partial (promisor), of the reftable or SHA-256 format, or of an unknown one;
/// [`Error::Corrupt`] or [`Error::Io`] if it cannot be read.
pub fn open_source(dir: &Path, scratch: &Path) -> Result<Source> {
    open(dir, scratch, Notes::LeftOut).map(|opened| opened.source)
}

/// What becomes of an ordinary repository's notes about others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notes {
    LeftOut,
    Kept,
}

struct Opened {
    source: Source,
    is_bare: bool,
    origin_url: Option<String>,
    /// What is checked out, or would be.
    head: Option<ObjectId>,
}

fn open(dir: &Path, scratch: &Path, notes: Notes) -> Result<Opened> {
    let layout = layout::find(dir)?;
    let config = config::read(&layout)?;
    if std::fs::metadata(layout.common_dir.join("shallow")).is_ok_and(|file| file.len() > 0) {
        return Err(Error::refused(format!(
            "`{}` is a shallow clone; run `git fetch --unshallow` there first",
            dir.display()
        )));
    }
    let mut warnings = Vec::new();
    // Refs before objects: what is pushed there meanwhile is then not seen at all, never half.
    let mut ref_files = refs::read_files(&layout, &mut warnings)?;
    let is_bare = config.is_bare.unwrap_or_else(|| layout.looks_bare());
    if !is_bare && notes == Notes::LeftOut {
        ref_files.leave_out_bookkeeping(&mut warnings);
    }
    let packs = objects::open_all(&layout, scratch, &mut warnings)?;
    let objects =
        Snapshot::new(0, String::new(), Vec::new(), packs).with_object_bytes_max(SOURCE_OBJECT_BYTES_MAX);
    let found = refs::resolve_all(&ref_files, &objects, &mut warnings)?;
    let packs = objects.packs().to_vec();
    let snapshot =
        Snapshot::new(0, found.head, found.refs, packs).with_object_bytes_max(SOURCE_OBJECT_BYTES_MAX);
    let lfs_objects = config.lfs_storage.unwrap_or_else(|| layout.common_dir.join("lfs")).join("objects");
    let source = Source { snapshot, lfs_objects, warnings };
    Ok(Opened { source, is_bare, origin_url: config.origin_url, head: ref_files.head_commit() })
}

/// Reads a small file; `None` if there is none.
fn read_small(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let failed = |error| Error::io("read a repository's file", path.display(), error);
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut content = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut content).map_err(failed)?;
    if u64::try_from(content.len()).is_ok_and(|length| length > bytes_max) {
        return Err(Error::too_large(format!("`{}` has more than {bytes_max} bytes", path.display())));
    }
    Ok(Some(content))
}

/// A path written in a git file, without the line break.
fn path_from_line(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(line.trim_ascii_end()))
}
