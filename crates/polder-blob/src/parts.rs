//! Parts of large objects, kept apart from what is published until the whole is put together.
//!
//! A part lies in its upload's own directory, outside every instance's quarantine: another instance, or
//! this one after a restart, can go on with it. Each time a part is received it is a new file; the row
//! says which one counts.

use std::fs;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use polder_types::{PartId, UploadId, failpoint};

use crate::disk::Inner;
use crate::error::{Result, failed};
use crate::inspect::{open, remove};
use crate::names::{UPLOADS, parse_stem, part_path, upload_path};
use crate::publish::{link, remove_own};
use crate::receive::{QuarantinedFile, Receiving};
use crate::store::BlobFile;

/// A part being received. Nobody can see it; dropping it removes it.
#[derive(Debug)]
pub struct PartStage(Receiving);

/// A part received whole; dropping it removes it.
#[derive(Debug)]
pub struct StagedPart(QuarantinedFile);

impl PartStage {
    pub(crate) fn create(store: Arc<Inner>, declared_bytes: u64) -> Result<Self> {
        Receiving::create(store, "part", declared_bytes).map(Self)
    }

    /// Appends `chunks` in their order.
    ///
    /// # Errors
    /// As [`Stage::write`](crate::Stage::write).
    pub fn write_batch(&mut self, chunks: &[Bytes]) -> Result<()> {
        self.0.write_batch(chunks, &mut |_| {})
    }

    /// Ends receiving.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`](crate::Error::SizeMismatch) when fewer bytes came than were declared.
    pub fn finish(self) -> Result<StagedPart> {
        self.0.finish().map(StagedPart)
    }
}

impl StagedPart {
    /// Makes the part durable as `part` of `upload`.
    ///
    /// # Errors
    /// As [`Staged::publish`](crate::Staged::publish).
    pub fn keep(self, upload: UploadId, part: PartId) -> Result<()> {
        let store = &self.0.store;
        store.require_writable()?;
        store.seal(&self.0.file, &self.0.path)?;
        let directory = upload_path(&store.root, upload);
        match fs::create_dir(&directory) {
            Ok(()) => store.sync_directory(&store.root.join(UPLOADS))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &directory)(error)),
        }
        let name = part_path(&store.root, upload, part);
        link(&self.0.path, &name, || format!("part {part}"))?;
        if let Err(error) = store.sync_directory(&directory) {
            remove_own(&name);
            return Err(error);
        }
        failpoint::hit("lfs.part_kept");
        Ok(())
    }
}

impl Inner {
    pub(crate) fn open_part(&self, upload: UploadId, part: PartId) -> Result<BlobFile> {
        open(&part_path(&self.root, upload, part), || format!("part {part}"))
    }

    pub(crate) fn remove_part(&self, upload: UploadId, part: PartId) -> Result<bool> {
        self.require_writable()?;
        remove(&part_path(&self.root, upload, part))
    }

    pub(crate) fn remove_upload(&self, upload: UploadId) -> Result<bool> {
        self.require_writable()?;
        let path = upload_path(&self.root, upload);
        match fs::remove_dir_all(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    pub(crate) fn uploads(&self) -> Result<Vec<UploadId>> {
        let path = self.root.join(UPLOADS);
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed("list", &path))? {
            let name = entry.map_err(failed("list", &path))?.file_name();
            found.extend(name.to_str().and_then(parse_stem).map(UploadId));
        }
        Ok(found)
    }
}
