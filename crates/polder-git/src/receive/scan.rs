//! The first pass over an incoming pack: entry by entry while it arrives.
//!
//! Whole objects are hashed and checked here; of deltas only place, size and base are noted.

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use polder_types::ObjectId;

use super::check::PackChecks;
use super::index::RECEIVE;
use super::limits::IndexLimits;
use super::object_hash::ObjectHasher;
use super::spool::Spool;
use crate::pack::{EntryHeader, EntryKind, split_delta};
use crate::{Error, ObjectKind, Result};

const BUFFER_BYTES: usize = 64 << 10;
/// More bytes than an entry's header can have.
const ENTRY_HEADER_BYTES_MAX: usize = 40;
/// Enough of a delta to hold its two sizes.
const DELTA_SIZES_BYTES: usize = 20;
/// A deflated entry may be twice its inflated size and this much more; beyond, it is padding.
const DEFLATE_SLACK_BYTES: u64 = 64 << 10;

/// What an entry is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Nothing: it is a whole object of this kind.
    Whole(ObjectKind),
    /// The entry at this offset.
    Offset(u64),
    /// The object of this id.
    Id(ObjectId),
}

/// One entry of the pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) offset: u64,
    /// Where the deflated bytes start.
    pub(super) data_offset: u64,
    /// Inflated size of the object or of the delta, in bytes.
    pub(super) size: u64,
    pub(super) crc32: u32,
    pub(super) base: Base,
    /// Known from the start for whole objects.
    pub(super) id: Option<ObjectId>,
}

/// A pack that has arrived completely.
pub(super) struct Scanned<'a> {
    pub(super) spool: Spool<'a>,
    /// In ascending order of their offsets.
    pub(super) entries: Vec<Entry>,
    pub(super) hash: ObjectId,
    /// Length of the pack in bytes, trailer and all.
    pub(super) bytes: u64,
    /// Bytes inflated so far.
    pub(super) inflated: u64,
}

impl Scanned<'_> {
    /// Where the entry at this position of `entries` ends.
    pub(super) fn end_of(&self, position: usize) -> u64 {
        let trailer = self.bytes.saturating_sub(u64::try_from(ObjectId::BYTES).unwrap_or_default());
        self.entries.get(position + 1).map_or(trailer, |next| next.offset)
    }
}

/// Reads a whole pack; `None` if nothing comes at all.
pub(super) fn scan<'a>(
    body: &mut dyn Read,
    spool: Spool<'a>,
    limits: &IndexLimits,
    checks: &mut PackChecks,
) -> Result<Option<Scanned<'a>>> {
    let mut stream = Stream::new(body, spool, limits.pack_bytes_max);
    if stream.fill(1)?.is_empty() {
        return Ok(None);
    }
    let count = read_header(&mut stream, limits)?;
    let mut scan = Scan {
        stream,
        limits,
        checks,
        inflate: Decompress::new(true),
        window: vec![0; BUFFER_BYTES],
        inflated: 0,
    };
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(scan.entry()?);
    }
    let inflated = scan.inflated;
    scan.stream.finish(entries, inflated).map(Some)
}

fn read_header(stream: &mut Stream<'_, '_>, limits: &IndexLimits) -> Result<u32> {
    let header: [u8; 12] = stream.take()?;
    let [b'P', b'A', b'C', b'K', v0, v1, v2, v3, c0, c1, c2, c3] = header else {
        return Err(Error::refused("protocol error: bad pack header"));
    };
    let version = u32::from_be_bytes([v0, v1, v2, v3]);
    if version != 2 {
        return Err(Error::refused(format!("unknown pack file version {version}")));
    }
    let count = u32::from_be_bytes([c0, c1, c2, c3]);
    if count > limits.objects_max {
        let most = limits.objects_max;
        return Err(Error::too_large(format!(
            "the pack has {count} objects; at most {most} fit in one push"
        )));
    }
    Ok(count)
}

/// The incoming bytes: hashed and spooled as they are consumed.
struct Stream<'a, 'b> {
    body: &'a mut dyn Read,
    spool: Spool<'b>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    hasher: gix_hash::Hasher,
    crc: Crc,
    consumed: u64,
    bytes_max: u64,
}

impl<'a, 'b> Stream<'a, 'b> {
    fn new(body: &'a mut dyn Read, spool: Spool<'b>, bytes_max: u64) -> Self {
        let hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        let buffer = vec![0; BUFFER_BYTES];
        Self { body, spool, buffer, start: 0, end: 0, hasher, crc: Crc::new(), consumed: 0, bytes_max }
    }

    /// At least `want` buffered bytes, or all there are.
    fn fill(&mut self, want: usize) -> Result<&[u8]> {
        if self.end - self.start < want {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < want {
            let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) else { break };
            match self.body.read(room) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if is_hangup(&error) => return Err(Error::Closed),
                Err(error) => return Err(Error::body(RECEIVE, error)),
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) -> Result<()> {
        self.consumed = self.consumed.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.consumed > self.bytes_max {
            let most = self.bytes_max;
            return Err(Error::too_large(format!(
                "the pack is larger than {most} bytes; push in several steps"
            )));
        }
        let bytes = self.buffer.get(self.start..self.start + count).unwrap_or_default();
        self.hasher.update(bytes);
        self.crc.update(bytes);
        self.spool.write(bytes)?;
        self.start += count;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = *self.fill(N)?.first_chunk::<N>().ok_or_else(cut)?;
        self.consume(N)?;
        Ok(bytes)
    }

    /// Compares the trailer with what arrived; nothing may follow it.
    fn finish(mut self, entries: Vec<Entry>, inflated: u64) -> Result<Scanned<'b>> {
        let hasher = std::mem::replace(&mut self.hasher, gix_hash::hasher(gix_hash::Kind::Sha1));
        let computed =
            hasher.try_finalize().map_err(|_error| Error::refused("the pack is a SHA-1 collision attack"))?;
        let trailer: [u8; ObjectId::BYTES] = self.take()?;
        if computed.as_slice() != trailer {
            return Err(Error::refused("pack is corrupted (SHA1 mismatch)"));
        }
        if !self.fill(1)?.is_empty() {
            return Err(Error::refused("pack has junk at the end"));
        }
        self.spool.flush()?;
        let hash = ObjectId::new(trailer);
        Ok(Scanned { spool: self.spool, entries, hash, bytes: self.consumed, inflated })
    }
}

fn is_hangup(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn cut() -> Error {
    Error::refused("early EOF: the pack is cut off")
}

/// A refusal in the words of git's index-pack.
pub(super) fn bad_object(offset: u64, why: &str) -> Error {
    Error::refused(format!("pack has bad object at offset {offset}: {why}"))
}

/// Refuses an object over the limit, and says what to do with large files.
pub(super) fn check_size(size: u64, limits: &IndexLimits) -> Result<()> {
    if size <= limits.object_bytes_max {
        return Ok(());
    }
    let most = limits.object_bytes_max >> 20;
    Err(Error::too_large(format!(
        "a file of {size} bytes is too large for git here (at most {most} MiB); \
         track it with Git LFS: `git lfs migrate import --above={most}MiB`, then push again"
    )))
}

/// Refuses a pack that inflates to more than its size can justify.
pub(super) fn check_inflated(inflated: u64, pack_bytes: u64, limits: &IndexLimits) -> Result<()> {
    let allowed =
        limits.inflated_bytes_free.saturating_add(pack_bytes.saturating_mul(limits.inflated_per_byte_max));
    if inflated <= allowed {
        return Ok(());
    }
    Err(Error::too_large(format!("the pack of {pack_bytes} bytes inflates to more than {allowed} bytes")))
}

struct Scan<'s, 'a, 'b> {
    stream: Stream<'a, 'b>,
    limits: &'s IndexLimits,
    checks: &'s mut PackChecks,
    inflate: Decompress,
    window: Vec<u8>,
    inflated: u64,
}

impl Scan<'_, '_, '_> {
    fn entry(&mut self) -> Result<Entry> {
        let offset = self.stream.consumed;
        self.stream.crc.reset();
        let start = self.stream.fill(ENTRY_HEADER_BYTES_MAX)?;
        let is_known = start.first().is_some_and(|first| !matches!((first >> 4) & 7, 0 | 5));
        let is_cut = start.len() < ENTRY_HEADER_BYTES_MAX && (is_known || start.is_empty());
        let header = EntryHeader::parse(start)
            .ok_or_else(|| if is_cut { cut() } else { bad_object(offset, "unknown object type or size") })?;
        check_size(header.size, self.limits)?;
        self.stream.consume(header.length)?;
        let base = match header.kind {
            EntryKind::Whole(kind) => Base::Whole(kind),
            EntryKind::RefDelta { base } => Base::Id(base),
            EntryKind::OffsetDelta { distance } => Base::Offset(
                offset
                    .checked_sub(distance)
                    .filter(|base| *base < offset)
                    .ok_or_else(|| bad_object(offset, "delta base offset is out of bound"))?,
            ),
        };
        let data_offset = header.data_offset(offset);
        let id = match base {
            Base::Whole(kind) => Some(self.whole(offset, kind, header.size)?),
            Base::Offset(_) | Base::Id(_) => {
                self.delta(offset, header.size)?;
                None
            }
        };
        Ok(Entry { offset, data_offset, size: header.size, crc32: self.stream.crc.sum(), base, id })
    }

    fn whole(&mut self, offset: u64, kind: ObjectKind, size: u64) -> Result<ObjectId> {
        let mut hasher = ObjectHasher::new(kind, size);
        let mut kept = Vec::new();
        self.each_inflated(offset, size, &mut |part| {
            hasher.update(part);
            if kind != ObjectKind::Blob {
                kept.extend_from_slice(part);
            }
        })?;
        let id = hasher.finish()?;
        self.checks.object(id, kind, &kept);
        Ok(id)
    }

    /// Skips a delta's instructions, but looks at the size of what they make.
    fn delta(&mut self, offset: u64, size: u64) -> Result<()> {
        let mut start = Vec::new();
        self.each_inflated(offset, size, &mut |part| {
            let room = DELTA_SIZES_BYTES.saturating_sub(start.len());
            start.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        })?;
        let (_, result_size, _) =
            split_delta(&start).ok_or_else(|| bad_object(offset, "failed to apply delta"))?;
        check_size(result_size, self.limits)
    }

    /// Inflates the entry that starts here, which must have exactly `size` bytes, piece by piece.
    fn each_inflated(&mut self, offset: u64, size: u64, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.inflate.reset(true);
        let deflated_max = size.saturating_mul(2).saturating_add(DEFLATE_SLACK_BYTES);
        loop {
            let input = self.stream.fill(1)?;
            let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
            let at_end = input.is_empty();
            let status = self
                .inflate
                .decompress(input, &mut self.window, FlushDecompress::None)
                .map_err(|_error| bad_object(offset, "inflate returned an error"))?;
            let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or_default();
            let made = usize::try_from(self.inflate.total_out() - made).unwrap_or_default();
            self.stream.consume(taken)?;
            if self.inflate.total_out() > size || self.inflate.total_in() > deflated_max {
                return Err(bad_object(offset, "it inflates to another size than it claims"));
            }
            each(self.window.get(..made).unwrap_or_default());
            self.inflated = self.inflated.saturating_add(u64::try_from(made).unwrap_or_default());
            match status {
                Status::StreamEnd if self.inflate.total_out() == size => break,
                Status::StreamEnd => {
                    return Err(bad_object(offset, "it inflates to another size than it claims"));
                }
                Status::Ok | Status::BufError if taken == 0 && made == 0 => {
                    return Err(if at_end { cut() } else { bad_object(offset, "inflate makes no progress") });
                }
                Status::Ok | Status::BufError => {}
            }
        }
        check_inflated(self.inflated, self.stream.consumed, self.limits)
    }
}
