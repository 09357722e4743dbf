//! Writing a pack of stored objects, copying their compressed bytes wherever that is possible.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use polder_types::ObjectId;

use crate::id_set::{IdMap, IdSet};
use crate::pack::{Decoder, EntryHeader, EntryKind, SpanReader, write_header};
use crate::{Error, Pack, Result, Snapshot};

const WRITE: &str = "write a pack";
/// Level for what cannot be copied.
const COMPRESSION: Compression = Compression::new(6);

/// How a pack may be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct PackOptions<'a> {
    /// Whether the reader knows deltas on an earlier offset.
    pub offset_deltas: bool,
    /// Objects the reader has: deltas may build on them. `None` for a pack that stands alone.
    pub bases: Option<&'a IdSet>,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackSummary {
    /// Objects in the pack.
    pub objects: u32,
    /// Those written as deltas.
    pub deltas: u32,
    /// Those whose compressed bytes were copied.
    pub copied: u32,
    /// Deltas among these.
    pub copied_deltas: u32,
}

struct Place {
    id: ObjectId,
    pack: usize,
    position: u32,
    offset: u64,
}

/// The pack as it goes out: bytes so far, and their hash.
struct Output<'a> {
    out: &'a mut dyn Write,
    hasher: gix_hash::Hasher,
    offset: u64,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes).map_err(write_failed)?;
        self.offset += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    fn header(&mut self, kind: EntryKind, size: u64) -> Result<()> {
        let mut header = Vec::with_capacity(32);
        write_header(&mut header, kind, size);
        self.put(&header)
    }
}

struct Writer<'a> {
    snapshot: &'a Snapshot,
    options: PackOptions<'a>,
    output: Output<'a>,
    spans: SpanReader,
    decoder: Decoder,
    /// Where each object written so far starts in the new pack.
    written: IdMap<u64>,
    summary: PackSummary,
}

/// Writes a version 2 pack of exactly `objects`.
///
/// Objects are taken in the order in which the stored packs hold them, so that bases come before their
/// deltas. The count in the header is the number of distinct ids. Every copied entry is checked
/// against its stored CRC-32.
///
/// ```
/// use polder_git::{PackOptions, Snapshot, write_pack};
/// let snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
/// let mut pack = Vec::new();
/// write_pack(&snapshot, &[], PackOptions::default(), &mut pack).unwrap();
/// assert_eq!(pack.len(), 32); // the header and the hash
/// ```
///
/// # Errors
/// [`Error::Corrupt`] if an object is missing or damaged: what has been written so far is then not a
/// pack and must not be ended as if it were. [`Error::Closed`] or [`Error::Io`] when `out` fails.
///
/// Source: git `Documentation/gitformat-pack.adoc`.
pub fn write_pack(
    snapshot: &Snapshot,
    objects: &[ObjectId],
    options: PackOptions<'_>,
    out: &mut dyn Write,
) -> Result<PackSummary> {
    let places = place(snapshot, objects)?;
    let count = u32::try_from(places.len())
        .map_err(|_error| Error::too_large("more objects than a pack can hold"))?;
    let mut writer = Writer {
        snapshot,
        options,
        output: Output { out, hasher: gix_hash::hasher(gix_hash::Kind::Sha1), offset: 0 },
        spans: SpanReader::default(),
        decoder: Decoder::caching(snapshot.object_bytes_max()),
        written: IdMap::default(),
        summary: PackSummary { objects: count, ..PackSummary::default() },
    };
    let mut header = b"PACK\0\0\0\x02".to_vec();
    header.extend_from_slice(&count.to_be_bytes());
    writer.output.put(&header)?;
    for place in &places {
        writer.object(place)?;
    }
    writer.finish()
}

fn place(snapshot: &Snapshot, objects: &[ObjectId]) -> Result<Vec<Place>> {
    let mut places = Vec::with_capacity(objects.len());
    for id in objects {
        let found = snapshot.locate(id);
        let missing = || Error::corrupt(WRITE, format_args!("object {id} is missing"));
        let (pack, position) = found.ok_or_else(missing)?;
        let offset = snapshot.packs().get(pack).ok_or_else(missing)?.offset_at(position);
        places.push(Place { id: *id, pack, position, offset });
    }
    places.sort_unstable_by_key(|place| (place.pack, place.offset));
    places.dedup_by_key(|place| place.id);
    Ok(places)
}

impl Writer<'_> {
    fn object(&mut self, place: &Place) -> Result<()> {
        let missing = || Error::corrupt(WRITE, format_args!("pack of object {}", place.id));
        let pack = self.snapshot.packs().get(place.pack).ok_or_else(missing)?;
        let start = self.output.offset;
        let found = pack.entry_at_offset(place.offset);
        let (position, end) = found.ok_or_else(|| pack.corrupt_at(place.offset))?;
        let crc = pack.crc32_at(position).filter(|_| position == place.position);
        let crc = crc.ok_or_else(|| pack.corrupt_at(place.offset))?;
        let span = self.spans.bytes(pack, place.offset, end)?;
        let header = EntryHeader::parse(span).ok_or_else(|| pack.corrupt_at(place.offset))?;
        match self.copy_as(pack, place, header.kind)? {
            Some(kind) => {
                self.output.header(kind, header.size)?;
                self.copy(pack, (place.offset, end), header.length, crc)?;
                let delta = u32::from(!matches!(kind, EntryKind::Whole(_)));
                self.summary.copied += 1;
                self.summary.copied_deltas += delta;
                self.summary.deltas += delta;
            }
            None => self.compress(pack, place)?,
        }
        self.written.insert(place.id, start);
        Ok(())
    }

    /// Copies an entry without its header.
    fn copy(&mut self, pack: &Pack, (start, end): (u64, u64), mut skip: usize, expected: u32) -> Result<()> {
        let mut crc = flate2::Crc::new();
        let mut at = start;
        while at < end {
            let span = self.spans.bytes(pack, at, end)?;
            crc.update(span);
            at += u64::try_from(span.len()).unwrap_or_default();
            self.output.put(span.get(skip..).ok_or_else(|| pack.corrupt_at(start))?)?;
            skip = 0;
        }
        if crc.sum() == expected { Ok(()) } else { Err(pack.corrupt_at(start)) }
    }

    /// As what an entry is copied: a delta only if the reader will have its base by then.
    fn copy_as(&self, pack: &Pack, place: &Place, kind: EntryKind) -> Result<Option<EntryKind>> {
        if matches!(kind, EntryKind::Whole(_)) {
            return Ok(Some(kind));
        }
        let base_offset = pack.base_offset(place.offset, kind)?;
        let base = pack.entry_at_offset(base_offset).and_then(|(position, _)| pack.id_at(position));
        let base = base.ok_or_else(|| pack.corrupt_at(place.offset))?;
        if let Some(base_start) = self.written.get(&base) {
            let distance = self.output.offset - base_start;
            return Ok(Some(if self.options.offset_deltas {
                EntryKind::OffsetDelta { distance }
            } else {
                EntryKind::RefDelta { base }
            }));
        }
        if self.options.bases.is_some_and(|bases| bases.contains(&base)) {
            return Ok(Some(EntryKind::RefDelta { base }));
        }
        Ok(None)
    }

    fn compress(&mut self, pack: &Pack, place: &Place) -> Result<()> {
        let (kind, data) = pack.decode(&mut self.decoder, place.offset)?;
        let mut encoder = ZlibEncoder::new(Vec::new(), COMPRESSION);
        let compressed = encoder.write_all(&data).and_then(|()| encoder.finish());
        let compressed = compressed.map_err(|error| Error::io(WRITE, place.id, error))?;
        self.output.header(EntryKind::Whole(kind), u64::try_from(data.len()).unwrap_or_default())?;
        self.output.put(&compressed)
    }

    fn finish(self) -> Result<PackSummary> {
        let hash =
            self.output.hasher.try_finalize().map_err(|error| Error::corrupt_by(WRITE, "pack", error))?;
        self.output.out.write_all(hash.as_slice()).map_err(write_failed)?;
        Ok(self.summary)
    }
}

fn write_failed(error: std::io::Error) -> Error {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) {
        return Error::Closed;
    }
    Error::io(WRITE, "output", error)
}
