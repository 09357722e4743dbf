//! Writing what arrives into a file of the quarantine, with its length known beforehand.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::Advice;

use crate::disk::Inner;
use crate::error::{Error, Result, failed};

/// Bytes looked at and then written before the next ones are, so that they are read from memory once
/// and from the processor's cache the second time.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

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
}

impl Receiving {
    pub(crate) fn create(store: Arc<Inner>, prefix: &str, declared_bytes: u64) -> Result<Self> {
        let file = QuarantinedFile::create(store, prefix)?;
        Ok(Self { file, declared_bytes, received_bytes: 0, sent_bytes: 0 })
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Appends `chunk`, showing every piece to `see` before it is written.
    pub(crate) fn write(&mut self, chunk: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.count(chunk.len())?;
        for batch in chunk.chunks(BATCH_BYTES) {
            see(batch);
            self.file.file.write_all(batch).map_err(failed("write", &self.file.path))?;
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
            write_vectored(&mut self.file.file, batch).map_err(failed("write", &self.file.path))?;
            rest = after;
        }
        self.send_to_disk();
        Ok(())
    }

    /// The file, however much is in it.
    pub(crate) fn end(self) -> QuarantinedFile {
        self.file
    }

    /// The file, once everything that was declared is in it.
    pub(crate) fn finish(self) -> Result<QuarantinedFile> {
        let Self { file, declared_bytes, received_bytes, .. } = self;
        if declared_bytes == received_bytes {
            Ok(file)
        } else {
            Err(Error::SizeMismatch { declared_bytes, received_bytes })
        }
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
