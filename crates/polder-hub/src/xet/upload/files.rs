//! The files of a shard, from where their chunks lie to objects.

use std::os::unix::fs::FileExt as _;

use polder_blob::Stage;
use polder_db::Blob;
use polder_types::{BlobId, ReservationId, Sha256, failpoint};
use polder_xet::{Cut, ProvenFile};
use tokio::runtime::Handle;

use super::number;
use super::sources::Sources;
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::lfs_transfer::WRITE_BATCH_BYTES;
use crate::quota::Bill;

/// What has become of a file before it is linked.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) sha256: Sha256,
    size_bytes: i64,
    /// Whether it is cut into the chunks here that the shard says.
    pub(super) is_cut_so: bool,
    at: At,
}

#[derive(Debug)]
enum At {
    /// The repository links it already.
    Linked,
    /// It is here.
    Here,
    /// Its bytes are durable, but no row says so.
    File(BlobId, Box<Cut>),
}

impl Placed {
    /// A file that the repository has.
    pub(super) fn linked(blob: &Blob) -> Self {
        Self { at: At::Linked, ..Self::here(blob) }
    }

    /// A file that another repository has.
    pub(super) fn here(blob: &Blob) -> Self {
        Self { sha256: blob.sha256, size_bytes: blob.size_bytes, is_cut_so: true, at: At::Here }
    }
}

/// Collects pieces of bytes into batches.
struct Batch {
    bytes: Vec<u8>,
    filled: usize,
}

impl Batch {
    /// Room for as much of `wanted` bytes as fits.
    fn room(&mut self, wanted: u64) -> &mut [u8] {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let end = self.bytes.len().min(self.filled.saturating_add(wanted));
        let start = std::mem::replace(&mut self.filled, end);
        self.bytes.get_mut(start..end).unwrap_or_default()
    }

    fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    fn write_to(&mut self, stage: &mut Stage) -> Result<()> {
        stage.write(self.bytes.get(..self.filled).unwrap_or_default())?;
        self.filled = 0;
        Ok(())
    }
}

impl Hub {
    /// Reads a file, proves its SHA-256 and makes it durable. `see` is told of bytes that were read.
    pub(super) fn place_file(
        &self,
        sources: &mut Sources,
        file: &ProvenFile<'_>,
        see: &mut dyn FnMut(u64),
    ) -> Result<Placed> {
        let mut stage = self.store.stage(file.size_bytes)?;
        let mut batch = Batch { bytes: vec![0; WRITE_BATCH_BYTES], filled: 0 };
        for term in file.terms() {
            for extent in sources.extents(&term)? {
                let from = sources.open(extent.place)?;
                let (mut offset, mut left) = (extent.offset, extent.size_bytes);
                while left > 0 {
                    let room = batch.room(left);
                    from.file.read_exact_at(room, offset).map_err(Error::internal)?;
                    let read = u64::try_from(room.len()).unwrap_or(left);
                    (offset, left) = (offset + read, left - read);
                    if batch.is_full() {
                        batch.write_to(&mut stage)?;
                        see(u64::try_from(batch.bytes.len()).unwrap_or_default());
                    }
                }
            }
        }
        batch.write_to(&mut stage)?;
        let staged = stage.finish()?;
        let sha256 = *staged.sha256();
        file.settle(*sha256.as_bytes()).map_err(|refused| Error::invalid(refused.to_string()))?;
        let (is_cut_so, size_bytes) = (staged.cut().file_hash == file.hash(), number(file.size_bytes));
        let here = Handle::current().block_on(self.db.find_blob(&sha256))?;
        if here.is_some_and(|blob| blob.size_bytes == size_bytes && !blob.damaged) {
            return Ok(Placed { sha256, size_bytes, is_cut_so, at: At::Here });
        }
        let (id, cut) = (BlobId(self.db.next_id()), Box::new(staged.cut().clone()));
        staged.publish(id)?;
        failpoint::hit("xet.file_placed");
        Ok(Placed { sha256, size_bytes, is_cut_so, at: At::File(id, cut) })
    }

    /// Links a file to the repository: from now on it is one of its objects.
    pub(super) async fn link_placed(
        &self,
        bill: Bill,
        placed: &Placed,
        promised: Option<ReservationId>,
        entry: Entry,
    ) -> Result<()> {
        let (sha256, size_bytes) = (placed.sha256, placed.size_bytes);
        let entry = entry.with("oid", sha256.to_string()).with("size_bytes", size_bytes);
        let (db, repo) = (bill.counting(&self.audited(entry).spending(promised)), bill.repo);
        match &placed.at {
            At::Linked => Ok(()),
            At::Here if db.link_blob(repo, &sha256).await? => Ok(()),
            At::Here => Err(Error::unavailable("an object was removed meanwhile; try again")),
            At::File(id, cut) => {
                let cut = Some(Cut::clone(cut));
                self.record_blob(&db, *id, (sha256, size_bytes), repo, cut).await.map(drop)
            }
        }
    }

    /// Takes files back that no row knows.
    pub(super) fn take_back_placed(&self, placed: &[Placed]) {
        for placed in placed {
            if let At::File(id, _) = placed.at
                && let Err(error) = self.store.remove_blob(id)
            {
                tracing::warn!(%id, %error, "a blob file without a row stays for the sweep");
            }
        }
    }
}

/// What a shard is told that is refused.
pub(super) fn refused(error: polder_xet::AcceptError<Error>) -> Error {
    match error {
        polder_xet::AcceptError::Refused(refused) => Error::new(Kind::Invalid, refused.to_string()),
        polder_xet::AcceptError::Lookup(error) => error,
    }
}
