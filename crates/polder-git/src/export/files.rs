//! Files that are whole or absent.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::{Error, Result};

/// Held while an export is at work.
pub(super) const LOCK_FILE: &str = "polder-export.lock";

/// Ends the name of a file that is not whole yet. Not git's `.lock`: that may be somebody's.
pub(super) const UNFINISHED: &str = ".polder-tmp";

const WRITE: &str = "write an export";

/// Makes a directory and those above it; being there already is fine.
pub(super) fn create_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| Error::io(WRITE, dir.display(), error))
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| Error::io(WRITE, dir.display(), error))
}

/// Replaces a file in one step, durably.
pub(super) fn replace_file(dir: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = dir.join(name);
    let failed = |error| Error::io(WRITE, path.display(), error);
    let temporary = dir.join(format!("{name}{UNFINISHED}"));
    let mut file = File::create(&temporary).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&temporary, &path).map_err(failed)?;
    sync_dir(dir)
}

/// Removes a file; not being there is fine.
pub(super) fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(WRITE, path.display(), error))
        }
        _ => Ok(()),
    }
}
