//! Receiving one large object: written, hashed and cut into chunks in one pass.

use std::sync::Arc;

use bytes::Bytes;
use polder_types::{BlobId, Sha256, failpoint};
use polder_xet::{Chunk, Cut, Lister};
use sha2::Digest;

use crate::disk::Inner;
use crate::error::Result;
use crate::list::Listing;
use crate::names::{Area, blob_path, list_path, shard};
use crate::publish::{link, remove_own};
use crate::receive::{QuarantinedFile, Receiving};

/// A large object being received. Nobody can see it; dropping it removes it.
///
/// Give it batches of 256 KiB to 1 MiB: each call blocks for a hash and a write.
#[derive(Debug)]
pub struct Stage {
    receiving: Receiving,
    hash: sha2::Sha256,
    listing: Listing,
}

/// A large object received whole and hashed, still invisible; dropping it removes it.
#[derive(Debug)]
pub struct Staged {
    file: QuarantinedFile,
    list: QuarantinedFile,
    sha256: Sha256,
    size_bytes: u64,
    cut: Cut,
}

impl Stage {
    pub(crate) fn create(store: Arc<Inner>, declared_bytes: u64, lister: Lister) -> Result<Self> {
        let listing = Listing::create(Arc::clone(&store), lister)?;
        let receiving = Receiving::create(store, "object", declared_bytes)?;
        Ok(Self { receiving, hash: sha2::Sha256::new(), listing })
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`](crate::Error::SizeMismatch) when more comes than was declared, before any of
    /// `chunk` is written; [`Error::Full`](crate::Error::Full); [`Error::Io`](crate::Error::Io). After an
    /// error the stage is only good for dropping.
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let (hash, listing) = (&mut self.hash, &mut self.listing);
        self.receiving.write(chunk, &mut |bytes| see(hash, listing, bytes))?;
        self.listing.write()
    }

    /// Appends `chunks` in their order with as few writes as can be, without joining them in memory.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn write_batch(&mut self, chunks: &[Bytes]) -> Result<()> {
        let (hash, listing) = (&mut self.hash, &mut self.listing);
        self.receiving.write_batch(chunks, &mut |bytes| see(hash, listing, bytes))?;
        self.listing.write()
    }

    /// Appends the next chunks to the list of an object that is not cut here ([`Store::stage_chunks`]).
    ///
    /// # Errors
    /// [`Error::Full`](crate::Error::Full); [`Error::Io`](crate::Error::Io).
    ///
    /// [`Store::stage_chunks`]: crate::Store::stage_chunks
    pub fn give(&mut self, chunks: &[Chunk]) -> Result<()> {
        self.listing.give(chunks);
        self.listing.write()
    }

    /// Bytes received so far.
    pub fn received_bytes(&self) -> u64 {
        self.receiving.received_bytes()
    }

    /// Ends receiving. The caller compares [`Staged::sha256`] with what it was told.
    ///
    /// # Errors
    /// [`Error::SizeMismatch`](crate::Error::SizeMismatch) when fewer bytes came than were declared;
    /// [`Error::Io`](crate::Error::Io) when chunks that were given have others in all.
    pub fn finish(self) -> Result<Staged> {
        let size_bytes = self.receiving.received_bytes();
        let file = self.receiving.finish()?;
        let sha256 = Sha256::new(self.hash.finalize().into());
        let (list, cut) = self.listing.finish(&sha256, size_bytes)?;
        Ok(Staged { file, list, sha256, size_bytes, cut })
    }
}

fn see(hash: &mut sha2::Sha256, listing: &mut Listing, bytes: &[u8]) {
    hash.update(bytes);
    listing.see(bytes);
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

    /// What is to be remembered of its chunks.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Makes the object and its chunk list durable under `id`: when this returns, a power cut cannot undo it.
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) when the id is taken; [`Error::SyncFailed`](crate::Error::SyncFailed), after which the process should
    /// end; [`Error::Full`](crate::Error::Full); [`Error::Io`](crate::Error::Io). After any of them nothing is visible under `id` that was not before.
    pub fn publish(self, id: BlobId) -> Result<()> {
        let store = &self.file.store;
        store.require_writable()?;
        store.seal(&self.list.file, &self.list.path)?;
        store.seal(&self.file.file, &self.file.path)?;
        failpoint::hit("lfs.fsynced");
        let directory = store.shard_directory(Area::Blobs, shard(id.0))?;
        let (list_name, name) = (list_path(&store.root, id), blob_path(&store.root, id));
        let what = || format!("object {id}");
        link(&self.list.path, &list_name, what)?;
        failpoint::hit("lfs.listed");
        if let Err(error) = link(&self.file.path, &name, what) {
            remove_own(&list_name);
            return Err(error);
        }
        failpoint::hit("lfs.renamed");
        if let Err(error) = store.sync_directory(&directory) {
            remove_own(&name);
            remove_own(&list_name);
            return Err(error);
        }
        failpoint::hit("lfs.dir_synced");
        Ok(())
    }
}
