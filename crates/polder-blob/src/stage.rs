//! Receiving one large object: written and hashed in one pass.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use polder_types::{BlobId, Sha256, failpoint};
use rustix::fs::Advice;
use sha2::Digest;

use crate::disk::Inner;
use crate::error::{Error, Result, failed};
use crate::names::{Area, blob_path, shard};
use crate::publish::{link, remove_own};

/// Bytes hashed and then written before the next ones are looked at, so that they are read from
/// memory once and from the processor's cache the second time.
const BATCH_BYTES: usize = 256 << 10;

/// Bytes written before the system is asked to send them to the disk. Without asking, gigabytes gather and the
/// sync at the end keeps a silent client waiting; git-lfs gives up after 30 s without activity.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// A large object being received. Nobody can see it; dropping it removes it.
///
/// Give it batches of 256 KiB to 1 MiB: each call blocks for a hash and a write.
#[derive(Debug)]
pub struct Stage {
    file: QuarantinedFile,
    hash: sha2::Sha256,
    declared_bytes: u64,
    received_bytes: u64,
    /// The system was asked to write these to the disk already.
    sent_bytes: u64,
}

/// A large object received whole and hashed, still invisible; dropping it removes it.
#[derive(Debug)]
pub struct Staged {
    file: QuarantinedFile,
    sha256: Sha256,
    size_bytes: u64,
}

/// A file under the instance's quarantine whose name there goes when this is dropped.
#[derive(Debug)]
struct QuarantinedFile {
    file: File,
    path: PathBuf,
    store: Arc<Inner>,
}

impl Drop for QuarantinedFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a staged file was not removed; the next start does it");
        }
    }
}

impl Stage {
    pub(crate) fn create(store: Arc<Inner>, declared_bytes: u64) -> Result<Self> {
        store.require_writable()?;
        let path = store.instance.fresh_path("object");
        let file = File::create_new(&path).map_err(failed("make", &path))?;
        let file = QuarantinedFile { file, path, store };
        Ok(Self { file, hash: sha2::Sha256::new(), declared_bytes, received_bytes: 0, sent_bytes: 0 })
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`] when more comes than was declared, before any of `chunk` is written;
    /// [`Error::Full`]; [`Error::Io`]. After an error the stage is only good for dropping.
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        self.count(chunk.len())?;
        for batch in chunk.chunks(BATCH_BYTES) {
            self.hash.update(batch);
            self.file.file.write_all(batch).map_err(failed("write", &self.file.path))?;
        }
        self.send_to_disk();
        Ok(())
    }

    /// Appends `chunks` in their order with as few writes as can be, without joining them in memory.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn write_batch(&mut self, chunks: &[Bytes]) -> Result<()> {
        self.count(chunks.iter().map(Bytes::len).sum())?;
        let mut rest = chunks;
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_len(rest));
            for chunk in batch {
                self.hash.update(chunk);
            }
            write_vectored(&mut self.file.file, batch).map_err(failed("write", &self.file.path))?;
            rest = after;
        }
        self.send_to_disk();
        Ok(())
    }

    /// Bytes received so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Ends receiving. The caller compares [`Staged::sha256`] with what it was told.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`] when fewer bytes came than were declared.
    pub fn finish(self) -> Result<Staged> {
        let Self { file, hash, declared_bytes, received_bytes, .. } = self;
        if declared_bytes != received_bytes {
            return Err(Error::SizeMismatch { declared_bytes, received_bytes });
        }
        let sha256 = Sha256::new(hash.finalize().into());
        Ok(Staged { file, sha256, size_bytes: received_bytes })
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

impl Staged {
    /// The SHA-256 of the bytes.
    pub fn sha256(&self) -> &Sha256 {
        &self.sha256
    }

    /// How many bytes there are.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Makes the object durable under `id`: when this returns, a power cut cannot undo it.
    ///
    /// # Errors
    /// [`Error::Exists`] when the id is taken; [`Error::SyncFailed`], after which the process should
    /// end; [`Error::Full`]; [`Error::Io`]. After any of them nothing is visible under `id` that was not before.
    pub fn publish(self, id: BlobId) -> Result<()> {
        let store = &self.file.store;
        store.require_writable()?;
        store.seal(&self.file.file, &self.file.path)?;
        failpoint::hit("lfs.fsynced");
        let directory = store.shard_directory(Area::Blobs, shard(id.0))?;
        let name = blob_path(&store.root, id);
        link(&self.file.path, &name, || format!("object {id}"))?;
        failpoint::hit("lfs.renamed");
        if let Err(error) = store.sync_directory(&directory) {
            remove_own(&name);
            return Err(error);
        }
        failpoint::hit("lfs.dir_synced");
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
