//! One running instance's own part of the quarantine, and the clearing of dead ones.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result, failed};

/// Empty directories kept for the next one who needs one.
const SPARE_DIRECTORIES_MAX: usize = 64;
/// How often a new instance tries to find a free name.
const NAME_TRIES_MAX: u32 = 1_000;

/// A directory that is ours as long as the lock on it is held; a dead process holds none.
#[derive(Debug)]
pub(crate) struct Instance {
    path: PathBuf,
    _lock: File,
    next: AtomicU64,
    spare: Mutex<Vec<PathBuf>>,
}

impl Instance {
    /// Removes what dead instances left under `quarantine` and makes a new directory there.
    pub(crate) fn create(quarantine: &Path) -> Result<Self> {
        clear_dead(quarantine)?;
        for attempt in 0..NAME_TRIES_MAX {
            let path = quarantine.join(format!("{}-{attempt}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed("make", &path)(error)),
            }
            // Between the two calls another instance may take it for a dead one's and remove it.
            if let Some(lock) = lock(&path)?
                && is_still_there(&path, &lock)
            {
                return Ok(Self { path, _lock: lock, next: AtomicU64::new(0), spare: Mutex::default() });
            }
        }
        Err(Error::Exists { what: format!("every name for an instance in `{}`", quarantine.display()) })
    }

    /// A path under this instance that no other call gets.
    pub(crate) fn fresh_path(&self, prefix: &str) -> PathBuf {
        self.path.join(format!("{prefix}-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// An empty directory under this instance that nobody else has.
    pub(crate) fn fresh_directory(&self) -> Result<PathBuf> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(path) = spare {
            return Ok(path);
        }
        let path = self.fresh_path("work");
        fs::create_dir(&path).map_err(failed("make", &path))?;
        Ok(path)
    }

    /// Takes a directory back. Most pushes never write to theirs, and making one is among the costliest
    /// things a small push does; so an empty one is kept, any other removed.
    pub(crate) fn take_back(&self, path: &Path) -> io::Result<()> {
        if fs::read_dir(path)?.next().is_none() {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE_DIRECTORIES_MAX {
                spare.push(path.to_owned());
                return Ok(());
            }
        }
        fs::remove_dir_all(path)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "quarantine was not removed; the next start does it");
        }
    }
}

/// Takes the lock on a directory; `None` when another holds it or the directory has gone.
fn lock(path: &Path) -> Result<Option<File>> {
    let directory = match File::open(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(directory)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed("lock", path)(error)),
    }
}

fn is_still_there(path: &Path, lock: &File) -> bool {
    let (Ok(named), Ok(held)) = (fs::metadata(path), lock.metadata()) else { return false };
    (named.dev(), named.ino()) == (held.dev(), held.ino())
}

fn clear_dead(quarantine: &Path) -> Result<()> {
    for entry in fs::read_dir(quarantine).map_err(failed("list", quarantine))? {
        let path = entry.map_err(failed("list", quarantine))?.path();
        if !path.is_dir() {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        } else if let Some(held) = lock(&path)? {
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed the quarantine of a dead instance"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("remove", &path)(error)),
            }
            drop(held);
        }
    }
    Ok(())
}
