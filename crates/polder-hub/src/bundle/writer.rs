//! The stream of items as it is written, cut into parts.
//!
//! A part that is full is made durable, then the items so far are written down in the journal with its hash: what
//! the journal tells of need not be written again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use polder_types::failpoint;
use sha2::Digest as _;

use super::layout::{INDEX, JOURNAL, PARTS_MAX, Whole, hex, length, part_name, write_whole};
use super::row::{Key, Kind, ROWS_MAX, Row, Span};
use crate::backup::{cannot, sync};
use crate::error::{Error, Kind as ErrorKind, Result};

/// A part under way.
pub(super) struct OpenPart {
    pub(super) file: File,
    pub(super) hash: sha2::Sha256,
    pub(super) bytes: u64,
}

/// Writes items.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) file_size: u64,
    pub(super) parts: Vec<Whole>,
    pub(super) open: Option<OpenPart>,
    /// Bytes written so far.
    pub(super) offset: u64,
    /// Every item that is whole.
    pub(super) items: BTreeMap<Key, Span>,
    pub(super) journal: File,
    /// Items that the journal does not have.
    pub(super) unsaved: Vec<Row>,
    /// Why writing failed.
    pub(super) failure: Option<Error>,
}

impl Writer {
    /// Whether an item is there.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.items.contains_key(key)
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.offset
    }

    /// Adds an item, unless it is there.
    pub(super) fn put(&mut self, key: Key, content: &[u8]) -> Result<()> {
        if self.has(&key) {
            return Ok(());
        }
        self.add(key, |out| out.write_all(content).map_err(Error::internal))
    }

    /// Adds an item that `write` writes.
    ///
    /// # Errors
    /// What went wrong here, or else what `write` says.
    pub(super) fn add(&mut self, key: Key, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.items.len() >= ROWS_MAX {
            let message = format!("a bundle has {ROWS_MAX} items at most: select fewer repositories");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let offset = self.offset;
        let written = write(self);
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        written?;
        let span = Span { offset, bytes: self.offset - offset };
        self.items.insert(key, span);
        self.unsaved.push(Row { key, span });
        Ok(())
    }

    /// Lets an export that goes on here begin anew: something that was written is not what it must be.
    pub(super) fn forget(&self) -> Result<()> {
        let path = self.dir.join(JOURNAL);
        std::fs::remove_file(&path).map_err(|error| cannot("remove", &path, error))?;
        sync(&self.dir)
    }

    /// Ends the last part and writes the index: all parts, and what the index is.
    pub(super) fn finish(mut self) -> Result<(Vec<Whole>, Whole)> {
        self.close_part()?;
        let index: Vec<u8> =
            self.items.iter().flat_map(|(key, span)| Row { key: *key, span: *span }.encode()).collect();
        write_whole(&self.dir, INDEX, &index)?;
        Ok((self.parts, Whole::of(&index)))
    }

    fn write_some(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut part = match self.open.take() {
            Some(part) => part,
            None => self.begin_part()?,
        };
        let room = usize::try_from(self.file_size.saturating_sub(part.bytes)).unwrap_or(usize::MAX);
        let some = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        let count = part.file.write(some).map_err(|error| cannot("write", &self.part_path(), error))?;
        part.hash.update(some.get(..count).unwrap_or_default());
        part.bytes += length(count);
        self.offset += length(count);
        let is_full = part.bytes >= self.file_size;
        self.open = Some(part);
        if is_full {
            self.close_part()?;
        }
        Ok(count)
    }

    /// Where the part is that is written.
    fn part_path(&self) -> PathBuf {
        self.dir.join(part_name(self.parts.len() + 1))
    }

    fn begin_part(&self) -> Result<OpenPart> {
        if self.parts.len() >= PARTS_MAX {
            let message = format!("a bundle has {PARTS_MAX} parts at most: let each be larger");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let path = self.part_path();
        let file = File::create(&path).map_err(|error| cannot("write", &path, error))?;
        Ok(OpenPart { file, hash: sha2::Sha256::new(), bytes: 0 })
    }

    fn close_part(&mut self) -> Result<()> {
        let Some(OpenPart { file, hash, bytes }) = self.open.take() else { return Ok(()) };
        let path = self.part_path();
        file.sync_all().map_err(|error| cannot("sync", &path, error))?;
        sync(&self.dir)?;
        let hash: [u8; 32] = hash.finalize().into();
        let key =
            Key { kind: Kind::Part, id: polder_types::Sha256::new(hash), at: length(self.parts.len() + 1) };
        self.unsaved.push(Row { key, span: Span { offset: self.offset - bytes, bytes } });
        let rows: Vec<u8> = self.unsaved.drain(..).flat_map(|row| row.encode()).collect();
        write_journal(&self.dir, &mut self.journal, &rows)?;
        self.parts.push(Whole { bytes, sha256: hex(hash) });
        failpoint::hit("bundle.part_done");
        Ok(())
    }
}

/// Adds to the journal, durably.
pub(super) fn write_journal(dir: &Path, journal: &mut File, rows: &[u8]) -> Result<()> {
    let written = journal.write_all(rows).and_then(|()| journal.sync_data());
    written.map_err(|error| cannot("write", &dir.join(JOURNAL), error))
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.write_some(bytes).map_err(|error| {
            self.failure.get_or_insert(error);
            io::Error::from(io::ErrorKind::BrokenPipe)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
