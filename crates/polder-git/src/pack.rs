//! One immutable stored pack and its index.

mod decode;
mod delta;
mod entry;
mod inflate;
mod span;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use polder_types::{ObjectId, PackId};

pub(crate) use decode::Decoder;
pub(crate) use delta::{apply_delta, split_delta};
pub(crate) use entry::{EntryHeader, EntryKind, write_header};
pub(crate) use inflate::Inflater;
pub(crate) use span::SpanReader;

use crate::object::{from_gix, to_gix};
use crate::{Error, Object, ObjectKind, Result};

/// Indexes up to this size have their checksum verified when a pack is opened, in bytes.
const INDEX_VERIFIED_BYTES_MAX: usize = 4 << 20;
/// The fixed start of a pack: magic, version, object count.
pub(crate) const HEADER_BYTES: u64 = 12;
const READ: &str = "read a pack entry";
const OPEN: &str = "open a pack";
const SHA1: gix_hash::Kind = gix_hash::Kind::Sha1;

enum Data {
    Heap(Bytes),
    Mapped { map: Box<gix_pack::data::File>, file: std::fs::File },
}

enum Index {
    Heap(Box<gix_pack::index::File<Bytes>>),
    Mapped(Box<gix_pack::index::File>),
}

macro_rules! on_index {
    ($self:expr, $index:ident => $what:expr) => {
        match &$self.index {
            Index::Heap($index) => $what,
            Index::Mapped($index) => $what,
        }
    };
}

/// One immutable stored pack: small ones lie on the heap, large ones are mapped.
pub struct Pack {
    id: PackId,
    /// Tells packs of one process apart, whatever their ids are.
    serial: u64,
    data: Data,
    index: Index,
    /// Index positions in the order of their offsets; made on first use.
    by_offset: OnceLock<Box<[u32]>>,
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.object_count();
        out.debug_struct("Pack").field("id", &self.id).field("objects", &count).finish_non_exhaustive()
    }
}

impl Pack {
    /// Takes a pack and its version 2 index from memory.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if either is malformed or they do not belong together.
    pub fn from_bytes(id: PackId, pack: Bytes, index: Bytes) -> Result<Self> {
        if index.len() <= INDEX_VERIFIED_BYTES_MAX {
            verify_checksum(id, &index)?;
        }
        let parsed = gix_pack::data::File::from_data(pack.clone(), PathBuf::new(), SHA1)
            .map_err(|error| Error::corrupt_by(OPEN, id, error))?;
        let index = gix_pack::index::File::from_data(index, PathBuf::new(), SHA1)
            .map_err(|error| Error::corrupt_by(OPEN, id, error))?;
        Self::new(id, Data::Heap(pack), Index::Heap(Box::new(index)), parsed.num_objects())
    }

    /// Opens a pack file and its version 2 index file.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be opened; [`Error::Corrupt`] if either is malformed or they do not
    /// belong together.
    pub fn open(id: PackId, pack: &Path, index: &Path) -> Result<Self> {
        let open =
            |path: &Path| std::fs::File::open(path).map_err(|error| Error::io(OPEN, path.display(), error));
        let (file, _) = (open(pack)?, open(index)?);
        let data = gix_pack::data::File::at(pack, SHA1)
            .map_err(|error| Error::corrupt_by(OPEN, pack.display(), error))?;
        let index = gix_pack::index::File::at(index, SHA1)
            .map_err(|error| Error::corrupt_by(OPEN, index.display(), error))?;
        let count = data.num_objects();
        Self::new(id, Data::Mapped { map: Box::new(data), file }, Index::Mapped(Box::new(index)), count)
    }

    fn new(id: PackId, data: Data, index: Index, count: u32) -> Result<Self> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let pack = Self { id, serial, data, index, by_offset: OnceLock::new() };
        let trailer = pack.bytes().last_chunk::<{ ObjectId::BYTES }>().copied().map(ObjectId::new);
        let expected = on_index!(pack, index => from_gix(&index.pack_checksum()));
        if trailer.is_none() || trailer != expected || pack.object_count() != count {
            return Err(Error::corrupt(OPEN, format_args!("pack {id}: its index is another pack's")));
        }
        Ok(pack)
    }

    /// The id of the pack's row.
    pub fn id(&self) -> PackId {
        self.id
    }

    /// How many objects the pack holds.
    pub fn object_count(&self) -> u32 {
        on_index!(self, index => index.num_objects())
    }

    /// Whether the pack holds the object.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.position(id).is_some()
    }

    /// The ids of all objects, in ascending order.
    pub fn object_ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        (0..self.object_count()).filter_map(|position| self.id_at(position))
    }

    /// The pack's own hash: its last 20 bytes.
    pub fn hash(&self) -> ObjectId {
        self.bytes().last_chunk::<{ ObjectId::BYTES }>().copied().map_or(ObjectId::ZERO, ObjectId::new)
    }

    /// The whole pack, from `PACK` to its trailing hash.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Heap(bytes) => bytes,
            Data::Mapped { map, .. } => {
                let end = u64::try_from(map.data_len()).unwrap_or_default();
                map.entry_slice(0..end).unwrap_or_default()
            }
        }
    }

    /// The object's position in the index.
    pub(crate) fn position(&self, id: &ObjectId) -> Option<u32> {
        on_index!(self, index => index.lookup(to_gix(*id)))
    }

    /// The id at an index position below [`Self::object_count`].
    pub(crate) fn id_at(&self, position: u32) -> Option<ObjectId> {
        if position >= self.object_count() {
            return None;
        }
        on_index!(self, index => from_gix(index.oid_at_index(position)))
    }

    /// Where the entry at an index position starts; 0, which is no entry, past the end.
    pub(crate) fn offset_at(&self, position: u32) -> u64 {
        if position >= self.object_count() {
            return 0;
        }
        on_index!(self, index => index.pack_offset_at_index(position))
    }

    /// The CRC-32 of the entry's bytes as stored in the index.
    pub(crate) fn crc32_at(&self, position: u32) -> Option<u32> {
        if position >= self.object_count() {
            return None;
        }
        on_index!(self, index => index.crc32_at_index(position))
    }

    fn by_offset(&self) -> &[u32] {
        self.by_offset.get_or_init(|| {
            let mut positions: Box<[u32]> = (0..self.object_count()).collect();
            positions.sort_unstable_by_key(|position| self.offset_at(*position));
            positions
        })
    }

    /// The index position of the entry that starts at `offset`, and where that entry ends.
    pub(crate) fn entry_at_offset(&self, offset: u64) -> Option<(u32, u64)> {
        let order = self.by_offset();
        let rank = order.binary_search_by_key(&offset, |position| self.offset_at(*position)).ok()?;
        let end = match order.get(rank + 1) {
            Some(next) => self.offset_at(*next),
            None => u64::try_from(self.bytes().len().checked_sub(ObjectId::BYTES)?).ok()?,
        };
        Some((*order.get(rank)?, end))
    }

    /// The bytes from `offset` up to the trailer.
    pub(crate) fn bytes_from(&self, offset: u64) -> Result<&[u8]> {
        let bytes = self.bytes();
        let end = bytes.len().saturating_sub(ObjectId::BYTES);
        let start = usize::try_from(offset).ok().filter(|_| offset >= HEADER_BYTES);
        start.and_then(|start| bytes.get(start..end)).ok_or_else(|| self.corrupt_at(offset))
    }

    /// The header of the entry that starts at `offset`.
    pub(crate) fn entry(&self, offset: u64) -> Result<EntryHeader> {
        EntryHeader::parse(self.bytes_from(offset)?).ok_or_else(|| self.corrupt_at(offset))
    }

    pub(crate) fn corrupt_at(&self, offset: u64) -> Error {
        Error::corrupt(READ, format_args!("pack {} at {offset}", self.id))
    }

    /// The object at an index position.
    pub(crate) fn read(&self, position: u32, bytes_max: u64) -> Result<Object> {
        let (kind, data) = self.decode(&mut Decoder::once(bytes_max), self.offset_at(position))?;
        Ok(Object { kind, data: data.into() })
    }

    /// Kind and inflated size in bytes of the object at an index position.
    pub(crate) fn header(&self, position: u32) -> Result<(ObjectKind, u64)> {
        self.decode_header(&mut Decoder::once(u64::MAX), self.offset_at(position))
    }
}

fn verify_checksum(id: PackId, index: &[u8]) -> Result<()> {
    let wrong = || Error::corrupt(OPEN, format_args!("pack {id}: its index"));
    let (content, trailer) = index.split_last_chunk::<{ ObjectId::BYTES }>().ok_or_else(wrong)?;
    let mut hasher = gix_hash::hasher(SHA1);
    hasher.update(content);
    let hash = hasher.try_finalize().map_err(|error| Error::corrupt_by(OPEN, id, error))?;
    if hash.as_slice() == trailer { Ok(()) } else { Err(wrong()) }
}
