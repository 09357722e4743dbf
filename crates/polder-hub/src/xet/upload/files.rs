//! The files of a shard, from where their chunks lie to objects.

use std::os::unix::fs::FileExt as _;

use polder_blob::Stage;
use polder_db::Blob;
use polder_types::{BlobId, Sha256, failpoint};
use polder_xet::{CHUNK_BYTES_MAX, Chunk, ChunkHash, Cut, FileHash, ProvenFile, Refused};
use tokio::runtime::Handle;

use super::number;
use super::sources::{Place, Sources};
use crate::Hub;
use crate::error::{Error, Result};
use crate::lfs_transfer::WRITE_BATCH_BYTES;
use crate::xet::memory::NotHere;

/// What has become of a file.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) sha256: Sha256,
    pub(super) size_bytes: i64,
    pub(super) at: At,
    /// How the object is cut here. Known for sure once it is linked.
    pub(super) xet: Option<FileHash>,
}

#[derive(Debug)]
pub(super) enum At {
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
        Self { sha256: blob.sha256, size_bytes: blob.size_bytes, xet: blob.xet, at: At::Here }
    }

    /// Whether it is cut here into the chunks that the shard says.
    pub(super) fn is_cut_as(&self, file: &ProvenFile<'_>) -> bool {
        self.xet == Some(file.hash())
    }
}

/// Collects chunks, and their bytes, into batches.
struct Batch {
    bytes: Vec<u8>,
    filled: usize,
    chunks: Vec<Chunk>,
}

impl Batch {
    fn new() -> Self {
        Self { bytes: vec![0; WRITE_BATCH_BYTES], filled: 0, chunks: Vec::new() }
    }

    /// Takes as many of `chunks` as there is room for, and the room for their bytes.
    fn take(&mut self, chunks: &mut &[Chunk]) -> (&mut [u8], &[Chunk]) {
        const { assert!(WRITE_BATCH_BYTES >= CHUNK_BYTES_MAX) };
        let (start, first) = (self.filled, self.chunks.len());
        while let Some((chunk, rest)) = chunks.split_first() {
            let end = self.filled.saturating_add(usize::try_from(chunk.size_bytes).unwrap_or(usize::MAX));
            if end > self.bytes.len() {
                break;
            }
            self.filled = end;
            self.chunks.push(*chunk);
            *chunks = rest;
        }
        let room = self.bytes.get_mut(start..self.filled).unwrap_or_default();
        (room, self.chunks.get(first..).unwrap_or_default())
    }

    /// Writes what there is; how many bytes.
    fn write_to(&mut self, stage: &mut Stage) -> Result<u64> {
        stage.write(self.bytes.get(..self.filled).unwrap_or_default())?;
        stage.give(&self.chunks)?;
        Ok(self.clear())
    }

    /// Makes room; how many bytes there were.
    fn clear(&mut self) -> u64 {
        self.chunks.clear();
        u64::try_from(std::mem::take(&mut self.filled)).unwrap_or_default()
    }
}

impl Hub {
    /// Reads a file, proves its SHA-256 and makes it durable, cut as the shard says. `see` is told of bytes that
    /// were read.
    pub(super) fn place_file(
        &self,
        sources: &mut Sources,
        file: &ProvenFile<'_>,
        see: &mut dyn FnMut(u64),
    ) -> Result<Placed> {
        let mut stage = self.store.stage_chunks(file.size_bytes)?;
        // Where its sender says the SHA-256, it shows whether what came just now has changed meanwhile.
        let is_sure = |place: Place| place.is_staged() && file.said_sha256().is_some();
        read_file(sources, file, is_sure, &mut |batch| {
            see(batch.write_to(&mut stage)?);
            Ok(())
        })?;
        let staged = stage.finish()?;
        let sha256 = *staged.sha256();
        if let Err(refused) = file.settle(*sha256.as_bytes()) {
            // What has changed is sent again; only what is all there was said wrong.
            read_file(sources, file, |_| false, &mut |batch| {
                batch.clear();
                see(0);
                Ok(())
            })?;
            return Err(Error::invalid(refused.to_string()));
        }
        let size_bytes = number(file.size_bytes);
        let here = Handle::current().block_on(self.db.find_blob(&sha256))?;
        if let Some(blob) = here.filter(|blob| blob.size_bytes == size_bytes && !blob.damaged) {
            return Ok(Placed::here(&blob));
        }
        let (id, cut) = (BlobId(self.db.next_id()), Box::new(staged.cut().clone()));
        staged.publish(id)?;
        self.note_stored(id);
        failpoint::hit("xet.file_placed");
        Ok(Placed { sha256, size_bytes, xet: None, at: At::File(id, cut) })
    }
}

/// Gives the bytes of a file to `take`, batch by batch; it makes room for the next one. Chunks are proven where it is
/// not sure by their place that they are themselves.
fn read_file(
    sources: &mut Sources,
    file: &ProvenFile<'_>,
    is_sure: impl Fn(Place) -> bool,
    take: &mut dyn FnMut(&mut Batch) -> Result<()>,
) -> Result<()> {
    let mut batch = Batch::new();
    for term in file.terms() {
        for extent in sources.extents(&term)? {
            let from = sources.open(extent.place)?;
            let is_sure = is_sure(extent.place);
            let (mut offset, mut chunks) = (extent.offset, extent.chunks.as_slice());
            while !chunks.is_empty() {
                let (room, taken) = batch.take(&mut chunks);
                from.file.read_exact_at(room, offset).map_err(Error::internal)?;
                if !is_sure && !are_chunks(room, taken) {
                    let damaged = "bytes of the file are damaged here; send them again";
                    return Err(Error::unavailable(damaged).caused_by(NotHere));
                }
                offset += u64::try_from(room.len()).unwrap_or_default();
                if !chunks.is_empty() {
                    take(&mut batch)?;
                }
            }
        }
    }
    take(&mut batch)
}

/// Whether `bytes` are these chunks, one after the other.
fn are_chunks(mut bytes: &[u8], chunks: &[Chunk]) -> bool {
    chunks.iter().all(|chunk| {
        let length = usize::try_from(chunk.size_bytes).unwrap_or(usize::MAX);
        let Some((own, rest)) = bytes.split_at_checked(length) else { return false };
        bytes = rest;
        ChunkHash::of(own) == chunk.hash
    })
}

/// What a shard is told that is refused.
pub(super) fn refused(error: polder_xet::AcceptError<Error>) -> Error {
    let refused = match error {
        polder_xet::AcceptError::Refused(refused) => refused,
        polder_xet::AcceptError::Lookup(error) => return error,
    };
    match refused {
        Refused::UnknownXorb(_) => {
            Error::invalid(format!("{refused}; upload again, and all of it is sent")).caused_by(NotHere)
        }
        // So an xorb looks of which only some chunks are here.
        Refused::OtherChunks(_) | Refused::NoSuchChunks(_) | Refused::OtherLength(_) => {
            Error::invalid(refused.to_string()).caused_by(NotHere)
        }
        _ => Error::invalid(refused.to_string()),
    }
}
