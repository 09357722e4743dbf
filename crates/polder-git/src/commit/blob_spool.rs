//! The new files of a commit as they arrive: compressed at once, in memory while they are few, then in a file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use polder_types::ObjectId;
use polder_types::limits::PACK_BYTES_MAX;

use super::pack_stream::{append_entry, object_id};
use crate::{Error, ObjectKind, Result};

/// Compressed bytes that are held in memory before they go to the file.
const MEMORY_BYTES_MAX: usize = 1 << 20;
/// Name of the file.
const FILE: &str = "commit.blobs";

/// Blobs that will be part of a commit's pack, whichever commit that becomes: when a branch moves and the
/// changes are applied again, they need not be sent or compressed again.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let mut spool = polder_git::BlobSpool::new(dir.path());
/// let id = spool.add(b"hello\n").unwrap();
/// assert_eq!(id.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
/// ```
#[derive(Debug)]
pub struct BlobSpool {
    path: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
    file_bytes: u64,
    ids: HashSet<ObjectId>,
}

impl BlobSpool {
    /// An empty spool; its file, if it comes to that, is made in `dir`, which the spool has to itself and
    /// the caller clears.
    pub fn new(dir: &Path) -> Self {
        let path = dir.join(FILE);
        Self { path, memory: Vec::new(), file: None, file_bytes: 0, ids: HashSet::new() }
    }

    /// Adds a blob; a second time is nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when all together are more than a pack may have; [`Error::Refused`] for half of a
    /// SHA-1 collision; [`Error::Io`].
    pub fn add(&mut self, content: &[u8]) -> Result<ObjectId> {
        let id = object_id(ObjectKind::Blob, content)?;
        if !self.ids.insert(id) {
            return Ok(id);
        }
        append_entry(&mut self.memory, id, ObjectKind::Blob, content)?;
        let held = u64::try_from(self.memory.len()).unwrap_or(u64::MAX);
        if self.file_bytes.saturating_add(held) > PACK_BYTES_MAX {
            let message = format!("a commit may have at most {} MiB of new files", PACK_BYTES_MAX >> 20);
            return Err(Error::too_large(message));
        }
        if self.memory.len() > MEMORY_BYTES_MAX {
            self.flush(held)
                .map_err(|error| Error::io("hold a commit's files", self.path.display(), error))?;
        }
        Ok(id)
    }

    fn flush(&mut self, held: u64) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => File::options().read(true).write(true).create_new(true).open(&self.path)?,
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        self.file_bytes += held;
        self.file = Some(file);
        Ok(())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.ids.iter()
    }

    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        self.ids.contains(id)
    }

    /// All entries, in the order in which they came.
    pub(crate) fn reader(&self) -> impl Read + '_ {
        let file = SpoolFile { file: self.file.as_ref(), at: 0, end: self.file_bytes };
        file.chain(self.memory.as_slice())
    }
}

/// Reads by position, so that it can be read again.
struct SpoolFile<'a> {
    file: Option<&'a File>,
    at: u64,
    end: u64,
}

impl Read for SpoolFile<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(file) = self.file else { return Ok(0) };
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = out.len().min(left);
        let count = file.read_at(out.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += u64::try_from(count).unwrap_or_default();
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(count)
    }
}
