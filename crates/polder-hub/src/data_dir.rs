//! The data directory: made private, owned by one process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::error::{Error, Kind, Result};

const LOCK_FILE: &str = "polder.lock";

/// Makes the directory when it is not there, and closes it to other users (mode 0700) in any case: it
/// holds keys, token hashes and private repositories.
pub(crate) fn create(dir: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        Error::new(Kind::Internal, format!("cannot make the data directory `{}`", dir.display()))
            .caused_by(error)
    })?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(|error| {
        let message = format!("cannot close the data directory `{}` to other users", dir.display());
        Error::new(Kind::Internal, message).caused_by(error)
    })
}

/// Takes the directory for this process.
///
/// # Errors
/// [`Kind::Conflict`] when another process has it.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(
        |error| Error::new(Kind::Internal, format!("cannot open `{}`", path.display())).caused_by(error),
    )?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        Error::new(Kind::Conflict, format!("another process owns the data directory `{}`", dir.display()))
            .caused_by(error)
    })?;
    Ok(file)
}
