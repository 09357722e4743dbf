//! The sections of a shard: files, then xorbs.

use super::file_info::FileInfo;
use super::footer::{FOOTER_BYTES, Places, ShardFooter};
use super::record::{RECORD_BYTES, Record};
use super::xorb_info::XorbInfo;
use super::{SHARD_BYTES_MAX, ShardError};

const MAGIC: &[u8; 32] =
    b"HFRepoMetaData\0\x55\x69\x67\x45\x6a\x7b\x81\x57\x83\xa5\xbd\xd9\x5c\xcd\xd1\x4a\xa9";
const VERSION: u64 = 2;

/// The header of a shard whose footer has so many bytes.
pub(super) fn header(footer_bytes: usize) -> Record {
    let mut header = [0; RECORD_BYTES];
    let footer_bytes = u64::try_from(footer_bytes).unwrap_or(u64::MAX);
    let numbers = [VERSION, footer_bytes].into_iter().flat_map(u64::to_le_bytes);
    header.iter_mut().zip(MAGIC.iter().copied().chain(numbers)).for_each(|(to, from)| *to = from);
    header
}

/// A shard, read in place: nothing of it is copied, and nothing proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard<'a> {
    files: &'a [Record],
    xorbs: &'a [Record],
    /// Its footer; what clients upload has none.
    pub footer: Option<ShardFooter>,
}

impl<'a> Shard<'a> {
    /// Reads a shard that a client uploads or has at rest.
    ///
    /// # Errors
    /// [`ShardError`] when it is none, or its chunk hashes are keyed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ShardError> {
        let shard = Self::decode_any(bytes)?;
        let is_keyed = shard.footer.is_some_and(|footer| footer.key.is_some());
        if is_keyed { Err(ShardError::Keyed) } else { Ok(shard) }
    }

    /// Reads a shard whose chunk hashes may be keyed.
    pub(super) fn decode_any(bytes: &'a [u8]) -> Result<Self, ShardError> {
        if bytes.len() > SHARD_BYTES_MAX {
            return Err(ShardError::TooLarge);
        }
        let (first, sections) = bytes.split_first_chunk::<RECORD_BYTES>().ok_or(ShardError::CutShort)?;
        let has_footer = *first == header(FOOTER_BYTES);
        if !has_footer && *first != header(0) {
            return Err(ShardError::OtherFormat);
        }
        let (records, _) = sections.as_chunks::<RECORD_BYTES>();
        let mut rest = records;
        while FileInfo::take(&mut rest)?.is_some() {}
        let files = before(records, rest);
        let records = rest;
        while XorbInfo::take(&mut rest)?.is_some() {}
        let xorbs = before(records, rest);
        let places = Places {
            files: RECORD_BYTES,
            xorbs: RECORD_BYTES * (1 + files.len()),
            end: RECORD_BYTES * (1 + files.len() + xorbs.len()),
        };
        let after = bytes.get(places.end..).unwrap_or_default();
        // Clients that leave the footer out do not all say so in the header.
        let footer = match has_footer {
            _ if after.is_empty() => None,
            true => Some(ShardFooter::decode(after, places)?),
            false => return Err(ShardError::Trailing),
        };
        Ok(Self { files, xorbs, footer })
    }

    /// Its files.
    pub fn files(&self) -> impl Iterator<Item = FileInfo<'a>> + use<'a> {
        let mut rest = self.files;
        std::iter::from_fn(move || FileInfo::take(&mut rest).ok().flatten())
    }

    /// Its xorbs.
    pub fn xorbs(&self) -> impl Iterator<Item = XorbInfo<'a>> + use<'a> {
        let mut rest = self.xorbs;
        std::iter::from_fn(move || XorbInfo::take(&mut rest).ok().flatten())
    }
}

/// What of `records` comes before `rest`, their end.
fn before<'a>(records: &'a [Record], rest: &[Record]) -> &'a [Record] {
    records.get(..records.len() - rest.len()).unwrap_or_default()
}
