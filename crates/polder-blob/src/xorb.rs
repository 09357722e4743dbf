//! Xorbs that clients of Xet send: proven and unpacked while they arrive, kept until files are made of them.
//!
//! A kept xorb is one file, outside every instance's quarantine: the bytes of its chunks one after the other,
//! then their entries as in a chunk list. So its chunks are read as those of an object are.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use polder_types::{StagedXorbId, UnixMillis, failpoint};
use polder_xet::{Chunk, ENTRY_BYTES, ListError, XORB_BYTES_MAX, XORB_CHUNKS_MAX, XorbHash, XorbReader};

use crate::disk::Inner;
use crate::error::{Result, failed};
use crate::inspect::{changed, open, remove};
use crate::names::{XORBS, parse_stem, xorb_path};
use crate::publish::{link, remove_own};
use crate::receive::{QuarantinedFile, Receiving};
use crate::store::BlobFile;

/// Most bytes that an xorb's file has: its chunks, and an entry for each.
const FILE_BYTES_MAX: u64 = (64 << 20) + (8 << 10) * 36;
const _: () = assert!(XORB_BYTES_MAX == 64 << 20 && XORB_CHUNKS_MAX == 8 << 10 && ENTRY_BYTES == 36);
/// Bytes of the body that are unpacked before the chunks are written. However well they are packed, what comes
/// out of so many has few MiB.
const FEED_BYTES: usize = 16 << 10;
/// Bytes of chunks gathered before they are written.
const GATHERED_BYTES: usize = 256 << 10;

/// An xorb being received. Nobody can see it; dropping it removes it.
///
/// Give it batches of at most 256 KiB: each call blocks for unpacking, hashes and writes.
#[derive(Debug)]
pub struct XorbStage {
    receiving: Receiving,
    reader: XorbReader,
    gathered: Vec<u8>,
}

/// An xorb received whole, each chunk and the whole proven; dropping it removes it.
#[derive(Debug)]
pub struct StagedXorb {
    file: QuarantinedFile,
    size_bytes: u64,
    chunks: u64,
}

/// A kept xorb, open for reading.
#[derive(Debug, Clone)]
pub struct XorbFile {
    /// Begins with the bytes of its chunks.
    pub blob: BlobFile,
    chunks: u64,
}

impl XorbStage {
    pub(crate) fn create(store: Arc<Inner>) -> Result<Self> {
        let receiving = Receiving::create(store, "xorb", FILE_BYTES_MAX)?;
        Ok(Self { receiving, reader: XorbReader::default(), gathered: Vec::new() })
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// [`Error::Xorb`](crate::Error::Xorb) as soon as it can no longer be an xorb; as
    /// [`Stage::write`](crate::Stage::write). After an error the stage is only good for dropping.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for bytes in bytes.chunks(FEED_BYTES) {
            let gathered = &mut self.gathered;
            self.reader.push(bytes, &mut |chunk, _| gathered.extend_from_slice(chunk))?;
            if self.gathered.len() >= GATHERED_BYTES {
                self.write_gathered()?;
            }
        }
        Ok(())
    }

    /// Ends receiving, if it is the xorb `hash`.
    ///
    /// # Errors
    /// As [`XorbStage::write`]; [`Error::Xorb`](crate::Error::Xorb) when it is another, or cut short.
    pub fn finish_as(mut self, hash: XorbHash) -> Result<StagedXorb> {
        self.write_gathered()?;
        let Self { mut receiving, reader, .. } = self;
        let xorb = reader.finish_as(hash)?;
        let size_bytes = receiving.received_bytes();
        let mut entries = Vec::with_capacity(xorb.frames.len() * ENTRY_BYTES);
        for frame in &xorb.frames {
            entries.extend_from_slice(&frame.chunk.encode());
        }
        receiving.write(&entries, &mut |_| {})?;
        let chunks = u64::try_from(xorb.frames.len()).unwrap_or(u64::MAX);
        Ok(StagedXorb { file: receiving.end()?, size_bytes, chunks })
    }

    fn write_gathered(&mut self) -> Result<()> {
        self.receiving.write(&self.gathered, &mut |_| {})?;
        self.gathered.clear();
        Ok(())
    }
}

impl StagedXorb {
    /// Bytes of its chunks.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Makes the xorb durable under `id`.
    ///
    /// # Errors
    /// As [`Staged::publish`](crate::Staged::publish).
    pub fn keep(self, id: StagedXorbId) -> Result<()> {
        let store = &self.file.store;
        store.require_writable()?;
        store.seal(&self.file.file, &self.file.path)?;
        let name = xorb_path(&store.root, id);
        link(&self.file.path, &name, || format!("xorb {id}"))?;
        if let Err(error) = store.sync_directory(&store.root.join(XORBS)) {
            remove_own(&name);
            return Err(error);
        }
        failpoint::hit("xet.xorb_kept");
        Ok(())
    }
}

impl XorbFile {
    /// Its chunks in turn.
    ///
    /// # Errors
    /// Of the system; [`io::ErrorKind::InvalidData`] where there are none.
    pub fn chunks(&self) -> io::Result<Vec<Chunk>> {
        let list_bytes = self.chunks.saturating_mul(u64::try_from(ENTRY_BYTES).unwrap_or(u64::MAX));
        let offset = self.blob.size_bytes.checked_sub(list_bytes).ok_or(io::ErrorKind::InvalidData)?;
        read_entries(&self.blob, offset, self.chunks)
    }
}

impl BlobFile {
    /// Some entries of a chunk list, or as many as an xorb can have, that begin at byte `offset`.
    ///
    /// # Errors
    /// Of the system; [`io::ErrorKind::InvalidData`] for what is no list.
    pub fn entries(&self, offset: u64, count: u64) -> io::Result<Vec<Chunk>> {
        read_entries(self, offset, count)
    }
}

fn read_entries(from: &BlobFile, offset: u64, count: u64) -> io::Result<Vec<Chunk>> {
    let count = usize::try_from(count).ok().filter(|count| *count <= XORB_CHUNKS_MAX);
    let mut entries = vec![0; count.ok_or(io::ErrorKind::InvalidData)? * ENTRY_BYTES];
    from.file.read_exact_at(&mut entries, offset)?;
    let invalid = |error: ListError| io::Error::new(io::ErrorKind::InvalidData, error);
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    entries.iter().map(|entry| Chunk::decode(entry).map_err(invalid)).collect()
}

impl Inner {
    pub(crate) fn open_xorb(&self, id: StagedXorbId, chunks: u64) -> Result<XorbFile> {
        let blob = open(&xorb_path(&self.root, id), || format!("xorb {id}"))?;
        Ok(XorbFile { blob, chunks })
    }

    /// Durable at every moment: whichever of the two files a crash leaves under `id` has been synced.
    pub(crate) fn replace_xorb(&self, id: StagedXorbId, by: StagedXorbId) -> Result<()> {
        self.require_writable()?;
        let path = xorb_path(&self.root, id);
        fs::rename(xorb_path(&self.root, by), &path).map_err(failed("replace", &path))
    }

    pub(crate) fn remove_xorb(&self, id: StagedXorbId) -> Result<bool> {
        self.require_writable()?;
        remove(&xorb_path(&self.root, id))
    }

    pub(crate) fn staged_xorbs(&self) -> Result<Vec<(StagedXorbId, UnixMillis)>> {
        let path = self.root.join(XORBS);
        let mut found = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed("list", &path))? {
            let entry = entry.map_err(failed("list", &path))?;
            let Some(id) = entry.file_name().to_str().and_then(parse_stem) else { continue };
            match entry.metadata() {
                Ok(metadata) => found.push((StagedXorbId(id), changed(&metadata))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("look at", &path)(error)),
            }
        }
        Ok(found)
    }
}
