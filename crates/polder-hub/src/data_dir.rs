//! The data directory: made private, owned by one process. And the store, which several may share.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Kind, Result};

const LOCK_FILE: &str = "polder.lock";
/// In a directory that a backup is being restored to: it is not whole before this is gone.
pub(crate) const RESTORING: &str = "restoring";

/// In the store: locked by the one process that starts.
const STARTING_FILE: &str = "starting.lock";
/// In every store, those of older versions too.
const STORE_MARK: &str = "quarantine";
/// What may be in a directory that is to become a store: the root of a fresh ext4 has it.
const HARMLESS: &str = "lost+found";
/// How long a start waits for that of another node, and how often it looks.
const STARTING_WAIT: Duration = Duration::from_mins(1);
const STARTING_POLL: Duration = Duration::from_millis(20);

/// Makes the directory when it is not there, and takes it for this process.
///
/// # Errors
/// [`Kind::Conflict`] when another process has it, [`Kind::Invalid`] when a backup was not restored to the end.
pub(crate) fn take(dir: &Path) -> Result<File> {
    create(dir)?;
    let lock = lock(dir)?;
    require_whole(dir)?;
    Ok(lock)
}

/// Refuses a directory to which a backup was not restored to the end.
///
/// # Errors
/// [`Kind::Invalid`].
fn require_whole(dir: &Path) -> Result<()> {
    if dir.join(RESTORING).exists() {
        let message = format!(
            "a restore into `{}` was interrupted: remove what is in there and restore again",
            dir.display()
        );
        return Err(Error::invalid(message));
    }
    Ok(())
}

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

/// Makes a store's directory when it is not there. One that is there must be a store, or empty: then it
/// is closed to other users too.
///
/// # Errors
/// [`Kind::Conflict`] when it holds something else.
pub(crate) fn create_store(dir: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_store = [STARTING_FILE, STORE_MARK].iter().any(|mark| dir.join(mark).exists());
    if !is_store && entries.any(|name| name != HARMLESS) {
        let message = format!("`{}` is not empty and not a store of Polder", dir.display());
        return Err(Error::new(Kind::Conflict, message));
    }
    create(dir)
}

/// Takes the directory for this process.
///
/// # Errors
/// [`Kind::Conflict`] when another process has it.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let file = open(&dir.join(LOCK_FILE))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        Error::new(Kind::Conflict, format!("another process owns the data directory `{}`", dir.display()))
            .caused_by(error)
    })?;
    Ok(file)
}

/// Waits until no other node is starting on the store: until the answer is dropped, none will.
///
/// # Errors
/// [`Kind::Conflict`] when another takes more than a minute.
pub(crate) async fn start_alone(store_dir: &Path) -> Result<File> {
    let file = open(&store_dir.join(STARTING_FILE))?;
    let taken = async {
        while rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            tokio::time::sleep(STARTING_POLL).await;
        }
    };
    match tokio::time::timeout(STARTING_WAIT, taken).await {
        Ok(()) => Ok(file),
        Err(error) => {
            let message = format!("another node has been starting on `{}` for a minute", store_dir.display());
            Err(Error::new(Kind::Conflict, message).caused_by(error))
        }
    }
}

fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.map_err(|error| {
        Error::new(Kind::Internal, format!("cannot open `{}`", path.display())).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_directory_or_a_store_becomes_the_store() {
        let dir = tempfile::tempdir().expect("tempdir");
        let store = dir.path().join("store");
        create_store(&store).expect("made");
        create_store(&store).expect("empty");
        std::fs::create_dir(store.join(STORE_MARK)).expect("made");
        std::fs::write(store.join("note"), "").expect("written");
        create_store(&store).expect("a store");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
        assert_eq!(create_store(dir.path()).expect_err("refused").kind(), Kind::Conflict);
        let mode = std::fs::metadata(dir.path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "and left as it is");
    }
}
