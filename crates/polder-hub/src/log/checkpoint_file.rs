//! The newest signed checkpoint in a file beside the keys, where no restore of a database rolls it back.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use polder_log::{Checkpoint, NOTE_BYTES_MAX, split_note};
use polder_types::failpoint;

use crate::error::{Error, Kind, Result};

const FILE: &str = "log.checkpoint";
const STAGED: &str = "log.checkpoint.new";
const LOCK: &str = "log.lock";

/// Reads what was signed last.
///
/// # Errors
/// When the file is there and cannot be understood: then nothing may be signed.
pub(super) fn read(dir: &Path) -> Result<Option<(Checkpoint, String)>> {
    let path = dir.join(FILE);
    let mut note = String::new();
    match File::open(&path) {
        Ok(file) => {
            let most = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
            file.take(most).read_to_string(&mut note).map_err(|error| cannot("read", &path, error))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", &path, error)),
    }
    let checkpoint = split_note(&note).and_then(|(text, _)| Checkpoint::parse(text));
    let checkpoint = checkpoint.map_err(|error| {
        let message = format!("`{}` is damaged: nothing more is signed", path.display());
        Error::new(Kind::Internal, message).caused_by(error)
    })?;
    Ok(Some((checkpoint, note)))
}

/// Puts a newer checkpoint in the place of an older one and makes it durable.
///
/// # Errors
/// [`Kind::Conflict`] when one is there that this one does not come after.
pub(super) fn replace(dir: &Path, next: &Checkpoint, note: &str) -> Result<()> {
    // Nodes take turns: what is compared is what is replaced.
    let lock_path = dir.join(LOCK);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
    let lock = lock.map_err(|error| cannot("open", &lock_path, error))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|error| cannot("lock", &lock_path, error.into()))?;
    if let Some((held, _)) = read(dir)?
        && !follows(&held, next)
    {
        let message = format!("a checkpoint of {} leaves is signed already", held.size);
        return Err(Error::new(Kind::Conflict, message));
    }
    let (staged, path) = (dir.join(STAGED), dir.join(FILE));
    let opened = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&staged);
    let mut file = opened.map_err(|error| cannot("write", &staged, error))?;
    let written = file.write_all(note.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| cannot("write", &staged, error))?;
    failpoint::hit("log.checkpoint_written");
    fs::rename(&staged, &path).map_err(|error| cannot("write", &path, error))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| cannot("sync", &path, error))
}

/// Whether signing `next` contradicts nothing that was signed.
fn follows(held: &Checkpoint, next: &Checkpoint) -> bool {
    if held.log != next.log {
        return held.log.epoch < next.log.epoch;
    }
    held.size < next.size || *held == *next
}

fn cannot(doing: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("cannot {doing} `{}`", path.display())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_log::{SecretKey, SignerKey};
    use polder_types::Sha256;

    fn checkpoint(epoch: u32, size: u64, root: u8) -> (Checkpoint, String) {
        let log = format!("hub.example.org/polder/{epoch}").parse().unwrap();
        let checkpoint = Checkpoint { log, size, root: Sha256::new([root; 32]) };
        let key = SignerKey::new("hub.example.org", SecretKey::new(&[7; 32])).unwrap();
        let note = checkpoint.sign(&[&key]);
        (checkpoint, note)
    }

    #[test]
    fn what_is_signed_only_grows_and_never_contradicts_itself() {
        let dir = tempfile::tempdir().unwrap();
        let put = |(checkpoint, note): (Checkpoint, String)| replace(dir.path(), &checkpoint, &note);
        assert!(read(dir.path()).unwrap().is_none());
        put(checkpoint(1, 5, 1)).unwrap();
        put(checkpoint(1, 5, 1)).unwrap();
        assert_eq!(put(checkpoint(1, 5, 2)).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(put(checkpoint(1, 4, 1)).unwrap_err().kind(), Kind::Conflict);
        put(checkpoint(1, 6, 3)).unwrap();
        put(checkpoint(2, 1, 4)).unwrap();
        assert_eq!(put(checkpoint(1, 9, 3)).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(read(dir.path()).unwrap().unwrap(), checkpoint(2, 1, 4));
    }

    #[test]
    fn a_damaged_file_is_no_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "").unwrap();
        let (next, note) = checkpoint(1, 1, 1);
        assert!(replace(dir.path(), &next, &note).is_err());
    }
}
