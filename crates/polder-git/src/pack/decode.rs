//! Inflating entries and resolving their delta chains.

use std::collections::HashMap;

use bytes::Bytes;

use super::{EntryKind, Inflater, Pack, READ, apply_delta, split_delta};
use crate::{Error, ObjectKind, Result};

/// Longest chain of deltas followed; git itself writes at most 4095.
const DELTA_CHAIN_MAX: usize = 4_096;
/// Memory for delta bases kept during one walk, in bytes; reached twice over at most.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// Larger objects are not kept, in bytes.
const CACHED_OBJECT_BYTES_MAX: usize = 1 << 20;
/// Enough inflated bytes for the two sizes at the start of a delta.
const DELTA_SIZES_BYTES: usize = 20;

type Place = (u64, u64);

/// Recently resolved objects by pack and offset: two generations, the older dropped when full.
#[derive(Default)]
struct BaseCache {
    young: HashMap<Place, (ObjectKind, Bytes)>,
    old: HashMap<Place, (ObjectKind, Bytes)>,
    young_bytes: usize,
}

impl BaseCache {
    fn find(&mut self, place: Place) -> Option<(ObjectKind, Bytes)> {
        if let Some(found) = self.young.get(&place) {
            return Some(found.clone());
        }
        let (kind, data) = self.old.remove(&place)?;
        self.keep(place, kind, &data);
        Some((kind, data))
    }

    fn keep(&mut self, place: Place, kind: ObjectKind, data: &Bytes) {
        if data.len() > CACHED_OBJECT_BYTES_MAX {
            return;
        }
        if self.young_bytes + data.len() > CACHE_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += data.len();
        self.young.insert(place, (kind, data.clone()));
    }
}

/// Everything decoding needs besides the pack.
pub(crate) struct Decoder {
    inflater: Inflater,
    cache: Option<BaseCache>,
    bytes_max: u64,
}

impl Decoder {
    /// For single reads of objects up to `bytes_max` inflated bytes.
    pub(crate) fn once(bytes_max: u64) -> Self {
        Self { inflater: Inflater::default(), cache: None, bytes_max }
    }

    /// For many reads: remembers delta bases.
    pub(crate) fn caching(bytes_max: u64) -> Self {
        Self { inflater: Inflater::default(), cache: Some(BaseCache::default()), bytes_max }
    }

    fn find(&mut self, place: Place) -> Option<(ObjectKind, Bytes)> {
        self.cache.as_mut()?.find(place)
    }

    fn keep(&mut self, place: Place, kind: ObjectKind, data: &Bytes) {
        if let Some(cache) = &mut self.cache {
            cache.keep(place, kind, data);
        }
    }

    fn bounded(&self, size: u64) -> Result<usize> {
        match usize::try_from(size) {
            Ok(fits) if size <= self.bytes_max => Ok(fits),
            _ => Err(Error::too_large(format!(
                "an object of {size} bytes is over the limit of {} bytes",
                self.bytes_max
            ))),
        }
    }

    fn inflate(&mut self, pack: &Pack, data_offset: u64, size: u64) -> Result<Vec<u8>> {
        let size = self.bounded(size)?;
        let input = pack.bytes_from(data_offset)?;
        self.inflater.inflate(input, size).ok_or_else(|| pack.corrupt_at(data_offset))
    }
}

struct Step {
    offset: u64,
    data_offset: u64,
    size: u64,
}

impl Pack {
    /// The object whose entry starts at `offset`.
    pub(crate) fn decode(&self, decoder: &mut Decoder, offset: u64) -> Result<(ObjectKind, Bytes)> {
        let mut chain: Vec<Step> = Vec::new();
        let mut at = offset;
        let (kind, mut data) = loop {
            if let Some(found) = decoder.find((self.serial, at)) {
                break found;
            }
            let header = self.entry(at)?;
            let step = Step { offset: at, data_offset: header.data_offset(at), size: header.size };
            match header.kind {
                EntryKind::Whole(kind) => {
                    let data = Bytes::from(decoder.inflate(self, step.data_offset, step.size)?);
                    if !chain.is_empty() {
                        decoder.keep((self.serial, at), kind, &data);
                    }
                    break (kind, data);
                }
                delta => at = self.base_offset(at, delta)?,
            }
            chain.push(step);
            if chain.len() > DELTA_CHAIN_MAX {
                return Err(self.corrupt_at(offset));
            }
        };
        while let Some(step) = chain.pop() {
            let delta = decoder.inflate(self, step.data_offset, step.size)?;
            let (_, result_size, _) = split_delta(&delta).ok_or_else(|| self.corrupt_at(step.offset))?;
            decoder.bounded(result_size)?;
            data = apply_delta(&data, &delta).ok_or_else(|| self.corrupt_at(step.offset))?.into();
            decoder.keep((self.serial, step.offset), kind, &data);
        }
        Ok((kind, data))
    }

    /// Kind and inflated size of the object whose entry starts at `offset`.
    pub(crate) fn decode_header(&self, decoder: &mut Decoder, offset: u64) -> Result<(ObjectKind, u64)> {
        let mut at = offset;
        let mut size = None;
        for _ in 0..=DELTA_CHAIN_MAX {
            let header = self.entry(at)?;
            match header.kind {
                EntryKind::Whole(kind) => return Ok((kind, size.unwrap_or(header.size))),
                delta => {
                    if size.is_none() {
                        let input = self.bytes_from(header.data_offset(at))?;
                        let start = decoder.inflater.inflate_start(input, DELTA_SIZES_BYTES);
                        let sizes = start.as_deref().and_then(split_delta);
                        size = Some(sizes.ok_or_else(|| self.corrupt_at(at))?.1);
                    }
                    at = self.base_offset(at, delta)?;
                }
            }
        }
        Err(self.corrupt_at(offset))
    }

    /// Where the base of the delta at `offset` starts.
    pub(crate) fn base_offset(&self, offset: u64, delta: EntryKind) -> Result<u64> {
        let base = match delta {
            EntryKind::Whole(_) => None,
            EntryKind::OffsetDelta { distance } => {
                offset.checked_sub(distance).filter(|base| *base < offset && *base >= super::HEADER_BYTES)
            }
            EntryKind::RefDelta { base } => self.position(&base).map(|position| self.offset_at(position)),
        };
        base.ok_or_else(|| {
            Error::corrupt(READ, format_args!("pack {} at {offset}: the delta's base", self.id()))
        })
    }
}
