//! The store as the hub sees it: one enum over the places where bytes can live.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::{BlobId, PackId, PartId, Sha256, StagedXorbId, UnixMillis, UploadId};
use polder_xet::{Cut, Lister};

use crate::disk::Disk;
use crate::error::{Result, failed};
use crate::inspect::{FileKind, StoredFile};
use crate::list::ListClaim;
use crate::names;
use crate::parts::PartStage;
use crate::scratch::Scratch;
use crate::stage::Stage;
use crate::sweep::{SweepReport, SweepRules};
use crate::transfer::Transfer;
use crate::xorb::{XorbFile, XorbStage};

/// Where packs and large objects live. Cheap to clone; every call blocks.
///
/// ```
/// use polder_blob::Store;
/// use polder_types::BlobId;
/// # let directory = tempfile::tempdir()?;
/// let store = Store::open(directory.path())?;
/// let mut stage = store.stage(5)?;
/// stage.write(b"hello")?;
/// stage.finish()?.publish(BlobId(7))?;
/// assert_eq!(store.open_blob(BlobId(7))?.size_bytes, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub enum Store {
    /// A directory on a local disk.
    Disk(Disk),
}

/// A large object open for reading. It stays readable even when it is removed meanwhile.
#[derive(Debug, Clone)]
pub struct BlobFile {
    /// The file, to be read by position.
    pub file: Arc<File>,
    /// Its length in bytes.
    pub size_bytes: u64,
}

impl Store {
    /// Opens the store in `root`, making it when there is none, and removes what dead instances left
    /// in their quarantine. Several instances may have one store open.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Full`], [`crate::Error::SyncFailed`].
    pub fn open(root: &Path) -> Result<Self> {
        Disk::open(root).map(Self::Disk)
    }

    /// A number that no other process has while this store is open; see [`polder_types::IdSource`].
    pub fn node(&self) -> u16 {
        let Self::Disk(disk) = self;
        disk.inner.node.number
    }

    /// The text last given to [`Store::set_epoch`], if any. The database keeps the same text; when the
    /// two differ, one of them was restored from a backup.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn epoch(&self) -> Result<Option<String>> {
        let Self::Disk(disk) = self;
        disk.epoch()
    }

    /// Remembers `epoch` (1 to 256 bytes, random) durably in place of the one before.
    ///
    /// # Errors
    /// As [`Store::publish_pack`].
    pub fn set_epoch(&self, epoch: &str) -> Result<()> {
        let Self::Disk(disk) = self;
        disk.set_epoch(epoch)
    }

    /// A new empty directory for work in progress, on the file system of the store.
    ///
    /// # Errors
    /// [`crate::Error::Full`], [`crate::Error::Io`]; [`crate::Error::SyncFailed`] when the store takes
    /// no more writes.
    pub fn quarantine(&self) -> Result<Scratch> {
        let Self::Disk(disk) = self;
        disk.inner.require_writable()?;
        Scratch::create(Arc::clone(&disk.inner))
    }

    /// Begins to receive a large object of exactly `size_bytes` bytes.
    ///
    /// # Errors
    /// As [`Store::quarantine`].
    pub fn stage(&self, size_bytes: u64) -> Result<Stage> {
        let Self::Disk(disk) = self;
        Stage::create(Arc::clone(&disk.inner), size_bytes, Lister::default())
    }

    /// The same, where the object is not cut here: its chunks are given ([`Stage::give`]), proven.
    ///
    /// # Errors
    /// As [`Store::quarantine`].
    pub fn stage_chunks(&self, size_bytes: u64) -> Result<Stage> {
        let Self::Disk(disk) = self;
        Stage::create(Arc::clone(&disk.inner), size_bytes, Lister::of_given())
    }

    /// Begins to receive one part, of exactly `size_bytes` bytes, of an object that comes in parts.
    ///
    /// # Errors
    /// As [`Store::quarantine`].
    pub fn stage_part(&self, size_bytes: u64) -> Result<PartStage> {
        let Self::Disk(disk) = self;
        PartStage::create(Arc::clone(&disk.inner), size_bytes)
    }

    /// Opens a part that was kept.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Io`].
    pub fn open_part(&self, upload: UploadId, part: PartId) -> Result<BlobFile> {
        let Self::Disk(disk) = self;
        disk.inner.open_part(upload, part)
    }

    /// Removes a part; false when there was none.
    ///
    /// # Errors
    /// As [`Store::remove_blob`].
    pub fn remove_part(&self, upload: UploadId, part: PartId) -> Result<bool> {
        let Self::Disk(disk) = self;
        disk.inner.remove_part(upload, part)
    }

    /// Removes all parts of an upload; false when there was none.
    ///
    /// # Errors
    /// As [`Store::remove_blob`].
    pub fn remove_upload(&self, upload: UploadId) -> Result<bool> {
        let Self::Disk(disk) = self;
        disk.inner.remove_upload(upload)
    }

    /// Every upload that has a place for its parts.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn uploads(&self) -> Result<Vec<UploadId>> {
        let Self::Disk(disk) = self;
        disk.inner.uploads()
    }

    /// Begins to receive an xorb of a client of Xet.
    ///
    /// # Errors
    /// As [`Store::quarantine`].
    pub fn stage_xorb(&self) -> Result<XorbStage> {
        let Self::Disk(disk) = self;
        XorbStage::create(Arc::clone(&disk.inner))
    }

    /// Opens an xorb that was kept, which has `chunks` chunks.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Io`].
    pub fn open_xorb(&self, id: StagedXorbId, chunks: u64) -> Result<XorbFile> {
        let Self::Disk(disk) = self;
        disk.inner.open_xorb(id, chunks)
    }

    /// Puts the file of `by`, which is the same xorb, in the place of that of `id`.
    ///
    /// # Errors
    /// As [`Store::remove_blob`].
    pub fn replace_xorb(&self, id: StagedXorbId, by: StagedXorbId) -> Result<()> {
        let Self::Disk(disk) = self;
        disk.inner.replace_xorb(id, by)
    }

    /// Removes an xorb; false when there was none.
    ///
    /// # Errors
    /// As [`Store::remove_blob`].
    pub fn remove_xorb(&self, id: StagedXorbId) -> Result<bool> {
        let Self::Disk(disk) = self;
        disk.inner.remove_xorb(id)
    }

    /// Every xorb that is kept, and since when.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn staged_xorbs(&self) -> Result<Vec<(StagedXorbId, UnixMillis)>> {
        let Self::Disk(disk) = self;
        disk.inner.staged_xorbs()
    }

    /// Opens or begins the transfer of an object of `size_bytes` bytes from elsewhere. `key` names it: letters,
    /// digits and hyphens. `None` when someone has it open.
    ///
    /// # Errors
    /// As [`Store::quarantine`].
    pub fn open_transfer(&self, key: &str, size_bytes: u64) -> Result<Option<Transfer>> {
        let Self::Disk(disk) = self;
        disk.inner.open_transfer(key, size_bytes)
    }

    /// Keys of transfers that are not whole yet, and when each last went on.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn transfers(&self) -> Result<Vec<(String, UnixMillis)>> {
        let Self::Disk(disk) = self;
        disk.inner.transfers()
    }

    /// Removes a transfer that nobody has open; false when there was none.
    ///
    /// # Errors
    /// As [`Store::remove_blob`].
    pub fn remove_transfer(&self, key: &str) -> Result<bool> {
        let Self::Disk(disk) = self;
        disk.inner.remove_transfer(key)
    }

    /// Makes a pack and its index, files in a [`Scratch`] of this store, durable under `id`: when this
    /// returns, a power cut cannot undo it. Nothing under another id changes, and never a file that exists.
    ///
    /// # Errors
    /// [`crate::Error::Exists`] when the id is taken; [`crate::Error::SyncFailed`], after which the
    /// process should end; [`crate::Error::Full`]; [`crate::Error::Io`].
    pub fn publish_pack(&self, id: PackId, pack: &Path, index: &Path) -> Result<()> {
        let Self::Disk(disk) = self;
        disk.inner.publish_pack(id, pack, index)
    }

    /// Where a published pack and its index are.
    pub fn pack_paths(&self, id: PackId) -> (PathBuf, PathBuf) {
        let Self::Disk(disk) = self;
        names::pack_paths(&disk.inner.root, id)
    }

    /// Where a published large object is.
    pub fn blob_path(&self, id: BlobId) -> PathBuf {
        let Self::Disk(disk) = self;
        names::blob_path(&disk.inner.root, id)
    }

    /// Opens a large object.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Io`].
    pub fn open_blob(&self, id: BlobId) -> Result<BlobFile> {
        let Self::Disk(disk) = self;
        disk.inner.open_blob(id)
    }

    /// Reads a large object from end to end: its SHA-256 and its length in bytes as they are now.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Io`].
    pub fn hash_blob(&self, id: BlobId) -> Result<(Sha256, u64)> {
        let Self::Disk(disk) = self;
        disk.inner.hash_blob(id)
    }

    /// Where the chunk list of a published large object is.
    pub fn list_path(&self, id: BlobId) -> PathBuf {
        let Self::Disk(disk) = self;
        names::list_path(&disk.inner.root, id)
    }

    /// Opens the chunk list of a large object.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Io`].
    pub fn open_list(&self, id: BlobId) -> Result<BlobFile> {
        let Self::Disk(disk) = self;
        disk.inner.open_list(id)
    }

    /// What is wrong with the chunk list of a large object, if anything is; with `deep`, all of it is
    /// read, else only how it begins and how long it is.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn check_list(&self, id: BlobId, claim: &ListClaim, deep: bool) -> Result<Option<String>> {
        let Self::Disk(disk) = self;
        disk.inner.check_list(id, claim, deep)
    }

    /// Reads a large object and makes its chunk list, durable, in place of one that may be there. Does
    /// nothing and answers `None` if its bytes are not `sha256`.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`]; as [`Store::publish_pack`].
    pub fn make_list(&self, id: BlobId, sha256: &Sha256) -> Result<Option<Cut>> {
        let Self::Disk(disk) = self;
        disk.inner.make_list(id, sha256)
    }

    /// Makes a copy of `from`, read from its start, the chunk list of a large object, durable, in place of
    /// one that may be there. Does nothing and says what is wrong if it is not the list of `claim`.
    ///
    /// # Errors
    /// As [`Store::publish_pack`].
    pub fn take_list(&self, id: BlobId, claim: &ListClaim, from: &File) -> Result<Option<String>> {
        let Self::Disk(disk) = self;
        disk.inner.take_list(id, claim, from)
    }

    /// Removes a large object and its chunk list; false when there was none. Not durable by itself: after a power cut the
    /// file may be back, unknown to every row.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::SyncFailed`] when the store takes no more writes.
    pub fn remove_blob(&self, id: BlobId) -> Result<bool> {
        let Self::Disk(disk) = self;
        disk.inner.remove_blob(id)
    }

    /// Removes a pack and its index, as [`Store::remove_blob`] does.
    ///
    /// # Errors
    /// As [`Store::remove_blob`].
    pub fn remove_pack(&self, id: PackId) -> Result<bool> {
        let Self::Disk(disk) = self;
        disk.inner.remove_pack(id)
    }

    /// Calls `visit` for every published file, shard after shard, in the order of names. Files
    /// published meanwhile may be missed.
    ///
    /// # Errors
    /// [`crate::Error::Io`], and what `visit` returns.
    pub fn for_each_file(&self, visit: &mut dyn FnMut(StoredFile) -> Result<()>) -> Result<()> {
        let Self::Disk(disk) = self;
        disk.inner.for_each_file(visit)
    }

    /// Moves published files that `is_known` denies to `lost/`, unless they are younger than a day, and
    /// deletes those that have been there for 14 days.
    ///
    /// # Errors
    /// [`crate::Error::EpochMismatch`] before anything is touched; [`crate::Error::Io`].
    pub fn sweep(
        &self,
        rules: &SweepRules,
        is_known: &mut dyn FnMut(FileKind) -> bool,
    ) -> Result<SweepReport> {
        let Self::Disk(disk) = self;
        disk.sweep(rules, is_known)
    }

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn free_bytes(&self) -> Result<u64> {
        let Self::Disk(disk) = self;
        let root = &disk.inner.root;
        let figures = rustix::fs::statvfs(root).map_err(failed("look at", root))?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }

    /// Whether a sync failed since the store was opened, so that it takes no more writes.
    pub fn has_sync_failed(&self) -> bool {
        let Self::Disk(disk) = self;
        disk.inner.has_sync_failed()
    }
}
