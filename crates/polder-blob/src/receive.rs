//! Writing what arrives into a file of the quarantine, with its length known beforehand.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::Advice;

use crate::disk::Inner;
use crate::error::{Error, Result, failed};

/// Bytes looked at and then written before the next ones are, so that they are read from memory once
/// and from the processor's cache the second time.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// Zeros of this length or more take no room: they become a hole in the file, which reads as zeros.
const HOLE_BYTES_MIN: usize = 64 << 10;

static ZEROS: [u8; 4096] = [0; 4096];

/// Bytes written before the system is asked to send them to the disk. Without asking, gigabytes gather and the
/// sync at the end keeps a silent client waiting; git-lfs gives up after 30 s without activity.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// A file under the instance's quarantine whose name there goes when this is dropped.
#[derive(Debug)]
pub(crate) struct QuarantinedFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) store: Arc<Inner>,
}

impl QuarantinedFile {
    /// A new empty file.
    pub(crate) fn create(store: Arc<Inner>, prefix: &str) -> Result<Self> {
        store.require_writable()?;
        let path = store.instance.fresh_path(prefix);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        Ok(Self { file: file.map_err(failed("make", &path))?, path, store })
    }
}

impl Drop for QuarantinedFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a staged file was not removed; the next start does it");
        }
    }
}

/// A file being received. Nobody can see it; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Receiving {
    file: QuarantinedFile,
    declared_bytes: u64,
    received_bytes: u64,
    /// The system was asked to write these to the disk already.
    sent_bytes: u64,
    /// Whether the last bytes were a hole, which a file has only once its length says so.
    ends_in_hole: bool,
}

impl Receiving {
    pub(crate) fn create(store: Arc<Inner>, prefix: &str, declared_bytes: u64) -> Result<Self> {
        let file = QuarantinedFile::create(store, prefix)?;
        Ok(Self { file, declared_bytes, received_bytes: 0, sent_bytes: 0, ends_in_hole: false })
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Appends `chunk`, showing every piece to `see` before it is written.
    pub(crate) fn write(&mut self, chunk: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.count(chunk.len())?;
        for batch in chunk.chunks(BATCH_BYTES) {
            see(batch);
            if !self.skip(&[batch])? {
                self.file.file.write_all(batch).map_err(failed("write", &self.file.path))?;
            }
        }
        self.send_to_disk();
        Ok(())
    }

    /// Appends `chunks` in their order with as few writes as can be, without joining them in memory,
    /// showing each to `see` before it is written.
    pub(crate) fn write_batch(&mut self, chunks: &[Bytes], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.count(chunks.iter().map(Bytes::len).sum())?;
        let mut rest = chunks;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_len(rest));
            for chunk in batch {
                see(chunk);
            }
            if !self.skip(batch)? {
                write_vectored(&mut self.file.file, batch).map_err(failed("write", &self.file.path))?;
            }
            rest = after;
        }
        self.send_to_disk();
        Ok(())
    }

    /// The file, however much is in it.
    pub(crate) fn end(self) -> Result<QuarantinedFile> {
        let Self { file, received_bytes, ends_in_hole, .. } = self;
        if ends_in_hole {
            file.file.set_len(received_bytes).map_err(failed("lengthen", &file.path))?;
        }
        Ok(file)
    }

    /// The file, once everything that was declared is in it.
    pub(crate) fn finish(self) -> Result<QuarantinedFile> {
        let Self { declared_bytes, received_bytes, .. } = self;
        if declared_bytes == received_bytes {
            self.end()
        } else {
            Err(Error::SizeMismatch { declared_bytes, received_bytes })
        }
    }

    /// Leaves a hole in the place of `batch`, if it is one.
    fn skip(&mut self, batch: &[impl AsRef<[u8]>]) -> Result<bool> {
        let length: usize = batch.iter().map(|bytes| bytes.as_ref().len()).sum();
        self.ends_in_hole = length >= HOLE_BYTES_MIN && batch.iter().all(|bytes| is_zero(bytes.as_ref()));
        if self.ends_in_hole {
            let over = SeekFrom::Current(i64::try_from(length).unwrap_or(i64::MAX));
            self.file.file.seek(over).map_err(failed("skip zeros in", &self.file.path))?;
        }
        Ok(self.ends_in_hole)
    }

    /// Starts the writing of what has gathered, without waiting for it. The advice means "not needed in
    /// memory"; that begins the writing of changed pages, and lets go of none that are being written.
    fn send_to_disk(&mut self) {
        let gathered_bytes = self.received_bytes.saturating_sub(self.sent_bytes);
        if gathered_bytes < WRITEBACK_BYTES {
            return;
        }
        let range = (self.sent_bytes, std::num::NonZeroU64::new(gathered_bytes));
        if let Err(error) = rustix::fs::fadvise(&self.file.file, range.0, range.1, Advice::DontNeed) {
            tracing::debug!(%error, "no early writing here; the sync does it all");
        }
        self.sent_bytes = self.received_bytes;
    }

    fn count(&mut self, more: usize) -> Result<()> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let received_bytes = self.received_bytes.saturating_add(more);
        if received_bytes > self.declared_bytes {
            return Err(Error::SizeMismatch { declared_bytes: self.declared_bytes, received_bytes });
        }
        self.received_bytes = received_bytes;
        Ok(())
    }
}

/// Whether there are nothing but zeros; other bytes are seen at once.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|some| ZEROS.get(..some.len()) == Some(some))
}

/// How many leading chunks make up one batch; at least one.
fn batch_len(chunks: &[Bytes]) -> usize {
    let mut bytes = 0_usize;
    let within = |chunk: &&Bytes| {
        bytes = bytes.saturating_add(chunk.len());
        bytes <= BATCH_BYTES
    };
    chunks.iter().take(SLICES_MAX).take_while(within).count().max(1)
}

/// Most slices the kernel takes in one `writev` (`UIO_MAXIOV`).
const SLICES_MAX: usize = 1024;

fn write_vectored(file: &mut File, chunks: &[Bytes]) -> std::io::Result<()> {
    let mut slices: Vec<_> = chunks.iter().map(|chunk| std::io::IoSlice::new(chunk)).collect();
    let mut left = slices.as_mut_slice();
    std::io::IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => std::io::IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
