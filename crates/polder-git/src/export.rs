//! A repository as files that stock git opens.

mod files;
mod packs;
mod refs;
mod view;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use polder_types::{ObjectId, failpoint};

pub use view::write_view;

use crate::{Error, KEPT_PREFIX, Ref, Result, Snapshot};
use files::{create_dir, replace_file, sync_dir};

/// One pack to be copied.
#[derive(Debug, Clone)]
pub struct ExportPack {
    /// The pack's own hash: its last 20 bytes, and the name it gets.
    pub hash: ObjectId,
    /// Where its bytes are.
    pub pack: PackBytes,
}

/// The bytes of a pack and of its index.
#[derive(Debug, Clone)]
pub enum PackBytes {
    /// In memory: the pack, the index.
    Memory(Bytes, Bytes),
    /// In files: the pack, the index.
    Files(PathBuf, PathBuf),
}

/// How a directory shows that an export made it, and may be changed by the next.
const MARK: &str = "[polder]\n\texport = true\n";
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
/// What the hub may have put there before the first export.
const LFS_DIR: &str = "lfs";
/// Largest configuration of an export, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Writes a plain bare repository with the visible refs of `snapshot`, and its kept tips, into `dir`, or updates the one that
/// an earlier export made there to exactly these refs and this `HEAD`.
///
/// `packs` must hold every object that the refs reach. They are copied, never linked, so nothing done to
/// the export can harm the store. Order: new packs, durable; `packed-refs` and `HEAD`, each replaced in one
/// step; then what is gone is removed. A reader at any moment finds every object of the refs it sees.
///
/// # Errors
/// [`Error::Refused`] if `dir` holds anything that no export made, or another export is at work there;
/// [`Error::Corrupt`] if a pack is not what its hash says; [`Error::Io`] if writing fails.
pub fn export(snapshot: &Snapshot, dir: &Path, packs: &[ExportPack]) -> Result<()> {
    check_export_target(dir)?;
    let _lock = lock(dir)?;
    for part in ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"] {
        create_dir(&dir.join(part))?;
    }
    if !dir.join("config").exists() {
        replace_file(dir, "config", format!("{CONFIG}{MARK}").as_bytes())?;
    }
    packs::add(&dir.join("objects/pack"), packs, packs::Durability::Synced)?;
    sync_dir(&dir.join("objects"))?;
    failpoint::hit("export.packs_synced");
    let is_exported = |r: &&Ref| r.is_visible() || r.name.starts_with(KEPT_PREFIX);
    replace_file(dir, "packed-refs", &refs::packed(snapshot.refs().iter().filter(is_exported)))?;
    failpoint::hit("export.refs_replaced");
    replace_file(dir, "HEAD", format!("ref: {}\n", snapshot.head()).as_bytes())?;
    refs::remove_loose(&dir.join("refs"))?;
    sync_dir(dir)?;
    failpoint::hit("export.head_replaced");
    packs::remove_others(&dir.join("objects"), packs)
}

/// Makes the directory of an export if it is missing, and refuses one with contents of unknown origin:
/// what must be asked before anything is written beside the repository.
///
/// # Errors
/// As [`export`].
pub fn check_export_target(dir: &Path) -> Result<()> {
    create_dir(dir)?;
    let failed = |error| Error::io("open an export", dir.display(), error);
    let marked = match std::fs::metadata(dir.join("config")) {
        Ok(metadata) if metadata.len() <= CONFIG_BYTES_MAX => {
            std::fs::read_to_string(dir.join("config")).map_err(failed)?.contains(MARK)
        }
        _ => false,
    };
    if marked {
        return Ok(());
    }
    for file in std::fs::read_dir(dir).map_err(failed)? {
        let name = file.map_err(failed)?.file_name();
        let ours = name.as_encoded_bytes().ends_with(files::UNFINISHED.as_bytes())
            || [LFS_DIR, files::LOCK_FILE].iter().any(|ours| name == *ours)
            || ["objects", "refs"].iter().any(|part| name == *part && is_empty_skeleton(&dir.join(part)));
        if !ours {
            return Err(Error::refused(format!(
                "`{}` is not empty and was not made by an export; name a new or empty directory",
                dir.display()
            )));
        }
    }
    Ok(())
}

/// Whether there are only directories in a directory: an export that stopped before its first file.
fn is_empty_skeleton(dir: &Path) -> bool {
    let children = |dir: &Path| -> Option<Vec<PathBuf>> {
        std::fs::read_dir(dir).ok()?.map(|file| file.ok().map(|file| file.path())).collect()
    };
    children(dir)
        .is_some_and(|inner| inner.iter().all(|path| children(path).is_some_and(|files| files.is_empty())))
}

fn lock(dir: &Path) -> Result<std::fs::File> {
    let path = dir.join(files::LOCK_FILE);
    let failed = |error| Error::io("lock an export", path.display(), error);
    let file =
        std::fs::File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::refused(format!("another export is writing to `{}`", dir.display())))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
