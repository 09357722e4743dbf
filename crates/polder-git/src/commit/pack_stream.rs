//! A pack of whole objects, made in memory.
//!
//! Source: git `Documentation/gitformat-pack.adoc`.

use std::collections::HashSet;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use polder_types::ObjectId;

use crate::object::from_gix;
use crate::pack::{EntryKind, write_header};
use crate::{Error, ObjectKind, Result};

const HEADER_BYTES: usize = 12;
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
    bytes: Vec<u8>,
    written: HashSet<ObjectId>,
}

impl PackStream {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], written: HashSet::new() }
    }

    /// Adds an object whose id is known; a second time is nothing.
    pub(crate) fn add(&mut self, id: ObjectId, kind: ObjectKind, data: &[u8]) -> Result<()> {
        if !self.written.insert(id) {
            return Ok(());
        }
        let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
        write_header(&mut self.bytes, EntryKind::Whole(kind), size);
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::default());
        let written = encoder.write_all(data).and_then(|()| encoder.finish().map(drop));
        written.map_err(|error| Error::io("compress an object", id, error))
    }

    /// The pack with its count and checksum.
    pub(crate) fn finish(mut self) -> Result<Bytes> {
        let count = u32::try_from(self.written.len())
            .map_err(|_too_many| Error::too_large("a commit may make at most 4294967295 objects"))?;
        let header = [SIGNATURE.as_slice(), &count.to_be_bytes()].concat();
        if let Some(place) = self.bytes.get_mut(..HEADER_BYTES) {
            place.copy_from_slice(&header);
        }
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&self.bytes);
        let hash =
            hasher.try_finalize().map_err(|error| Error::corrupt_by("hash a pack", "a new pack", error))?;
        self.bytes.extend_from_slice(hash.as_slice());
        Ok(Bytes::from(self.bytes))
    }
}
