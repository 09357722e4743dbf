//! A pack of whole objects, made for one commit.
//!
//! Source: git `Documentation/gitformat-pack.adoc`.

use std::collections::HashSet;
use std::io::{self, Cursor, Read, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use polder_types::ObjectId;

use super::blob_spool::BlobSpool;
use crate::object::from_gix;
use crate::pack::{EntryKind, write_header};
use crate::{Error, ObjectKind, Result};

pub(crate) const HEADER_BYTES: usize = 12;
/// Signature and version; the count follows.
const SIGNATURE: &[u8; 8] = b"PACK\0\0\0\x02";

/// The id of an object.
///
/// The hash detects known ways of making two contents of one id, and refuses them.
pub(crate) fn object_id(kind: ObjectKind, data: &[u8]) -> Result<ObjectId> {
    gix_object::compute_hash(gix_hash::Kind::Sha1, kind.into(), data)
        .ok()
        .and_then(|id| from_gix(&id))
        .ok_or_else(|| {
            Error::refused(format!("a {} that is a SHA-1 collision attack is refused", kind.as_str()))
        })
}

/// Collects objects and ends as a pack.
pub(crate) struct PackStream {
    /// The entries, without the pack's header.
    bytes: Vec<u8>,
    written: HashSet<ObjectId>,
    /// Entries that come from elsewhere.
    spooled: usize,
}

impl PackStream {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), written: HashSet::new(), spooled: 0 }
    }

    /// For a pack that begins with the blobs of `spool`: they are not written again.
    pub(crate) fn after(spool: &BlobSpool) -> Self {
        let written: HashSet<ObjectId> = spool.ids().copied().collect();
        Self { bytes: Vec::new(), spooled: written.len(), written }
    }

    /// Adds an object whose id is known; a second time is nothing.
    pub(crate) fn add(&mut self, id: ObjectId, kind: ObjectKind, data: &[u8]) -> Result<()> {
        if self.written.insert(id) { append_entry(&mut self.bytes, id, kind, data) } else { Ok(()) }
    }

    /// How many bytes the entries have so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The whole pack, of a stream that comes after no spool.
    pub(crate) fn whole(self) -> Result<Bytes> {
        let (header, objects) = self.finish()?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + objects.len() + ObjectId::BYTES);
        let read = CommitPack::new(header, None, &objects).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("write", "a pack", error))?;
        Ok(Bytes::from(bytes))
    }

    /// The entries of this stream alone, and the header of a pack with the spooled ones before them.
    pub(crate) fn finish(self) -> Result<([u8; HEADER_BYTES], Bytes)> {
        let count = u32::try_from(self.written.len().max(self.spooled))
            .map_err(|_too_many| Error::too_large("a commit may make at most 4294967295 objects"))?;
        let mut header = [0; HEADER_BYTES];
        let (signature, rest) = header.split_at_mut(SIGNATURE.len());
        signature.copy_from_slice(SIGNATURE);
        rest.copy_from_slice(&count.to_be_bytes());
        Ok((header, Bytes::from(self.bytes)))
    }
}

/// Appends one compressed object as an entry of a pack.
pub(crate) fn append_entry(out: &mut Vec<u8>, id: ObjectId, kind: ObjectKind, data: &[u8]) -> Result<()> {
    let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
    write_header(out, EntryKind::Whole(kind), size);
    let mut encoder = ZlibEncoder::new(out, Compression::default());
    let written = encoder.write_all(data).and_then(|()| encoder.finish().map(drop));
    written.map_err(|error| Error::io("compress an object", id, error))
}

/// The bytes of a pack, made while they are read: header, spooled blobs, the other objects, checksum.
pub struct CommitPack<'a> {
    content: Box<dyn Read + 'a>,
    /// Until the content is over.
    hasher: Option<gix_hash::Hasher>,
    checksum: Cursor<Vec<u8>>,
}

impl<'a> CommitPack<'a> {
    pub(crate) fn new(header: [u8; HEADER_BYTES], spool: Option<&'a BlobSpool>, objects: &'a [u8]) -> Self {
        let start = Cursor::new(header);
        let content: Box<dyn Read + 'a> = match spool {
            Some(spool) => Box::new(start.chain(spool.reader()).chain(objects)),
            None => Box::new(start.chain(objects)),
        };
        let hasher = Some(gix_hash::hasher(gix_hash::Kind::Sha1));
        Self { content, hasher, checksum: Cursor::default() }
    }
}

impl Read for CommitPack<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(hasher) = &mut self.hasher {
            let count = self.content.read(out)?;
            if count > 0 || out.is_empty() {
                hasher.update(out.get(..count).unwrap_or_default());
                return Ok(count);
            }
        }
        if let Some(hasher) = self.hasher.take() {
            let hash = hasher.try_finalize().map_err(io::Error::other)?;
            self.checksum = Cursor::new(hash.as_slice().to_vec());
        }
        self.checksum.read(out)
    }
}
