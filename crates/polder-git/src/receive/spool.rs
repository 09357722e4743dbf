//! Where the bytes of an incoming pack go: memory while it is small, then a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::index::{Place, RECEIVE};
use crate::{Error, Result};

/// Name of a spooled pack inside the quarantine directory.
const PACK_FILE: &str = "incoming.pack";
/// Name of its index.
const INDEX_FILE: &str = "incoming.idx";
/// Bytes gathered before each write to the file.
const WRITE_BYTES: usize = 256 << 10;

pub(super) struct Spool<'a> {
    quarantine: &'a Path,
    memory_bytes_max: u64,
    /// All of the pack while there is no file, then what the file does not have yet.
    buffer: Vec<u8>,
    file: Option<File>,
    written: u64,
}

impl<'a> Spool<'a> {
    pub(super) fn new(quarantine: &'a Path, memory_bytes_max: u64) -> Self {
        Self { quarantine, memory_bytes_max, buffer: Vec::new(), file: None, written: 0 }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let held = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        if self.file.is_none() && held > self.memory_bytes_max {
            let path = self.path(PACK_FILE);
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).open(&path);
            self.file = Some(file.map_err(|error| failed(&path, error))?);
        }
        if self.file.is_some() && self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands the rest to the file, if there is one; to be called before reading.
    pub(super) fn flush(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.buffer).map_err(|error| failed(&self.quarantine.join(PACK_FILE), error))?;
            self.written = self.written.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX));
            self.buffer.clear();
        }
        Ok(())
    }

    /// The bytes of a range that has been written and flushed.
    pub(super) fn read(&self, range: std::ops::Range<u64>) -> Result<Cow<'_, [u8]>> {
        let outside = || Error::corrupt(RECEIVE, "incoming pack");
        let start = usize::try_from(range.start).map_err(|_error| outside())?;
        let end = usize::try_from(range.end).map_err(|_error| outside())?;
        match &self.file {
            None => self.buffer.get(start..end).map(Cow::Borrowed).ok_or_else(outside),
            Some(file) => {
                let mut bytes = vec![0; end.checked_sub(start).ok_or_else(outside)?];
                file.read_exact_at(&mut bytes, range.start)
                    .map_err(|error| failed(&self.path(PACK_FILE), error))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Puts the index beside the pack and tells where both are.
    pub(super) fn finish(self, write_index: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<Place> {
        let (pack, index) = (self.path(PACK_FILE), self.path(INDEX_FILE));
        if self.file.is_none() {
            let mut bytes = Vec::new();
            write_index(&mut bytes)?;
            return Ok(Place::Memory { pack: Bytes::from(self.buffer), index: Bytes::from(bytes) });
        }
        let file = File::create_new(&index).map_err(|error| failed(&index, error))?;
        let mut out = std::io::BufWriter::with_capacity(WRITE_BYTES, file);
        write_index(&mut out)?;
        out.flush().map_err(|error| failed(&index, error))?;
        Ok(Place::Files { pack, index })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.quarantine.join(name)
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::io(RECEIVE, path.display(), error)
}
