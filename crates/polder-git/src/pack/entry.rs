//! The header in front of each entry of a pack.
//!
//! Source: git `Documentation/gitformat-pack.adoc`.

use polder_types::ObjectId;

use crate::ObjectKind;

/// What an entry's compressed bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A whole object.
    Whole(ObjectKind),
    /// A delta on the entry that starts `distance` bytes earlier.
    OffsetDelta { distance: u64 },
    /// A delta on the object of this id.
    RefDelta { base: ObjectId },
}

/// A parsed entry header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    pub(crate) kind: EntryKind,
    /// Inflated size of the object, or of the delta instructions, in bytes.
    pub(crate) size: u64,
    /// Length of the header itself in bytes.
    pub(crate) length: usize,
}

const SIZE_BYTES_MAX: usize = 10;

impl EntryHeader {
    /// Where the compressed bytes start, for an entry that starts at `offset`.
    pub(crate) fn data_offset(&self, offset: u64) -> u64 {
        offset.saturating_add(u64::try_from(self.length).unwrap_or(u64::MAX))
    }

    /// Reads the header at the start of `bytes`; `None` if it is malformed or cut.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut input = bytes.iter().copied();
        let first = input.next()?;
        let mut length = 1;
        let mut size = u64::from(first & 15);
        let mut shift = 4;
        let mut more = first & 0x80 != 0;
        while more {
            let byte = input.next()?;
            length += 1;
            if length > SIZE_BYTES_MAX {
                return None;
            }
            size |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            more = byte & 0x80 != 0;
        }
        let kind = match (first >> 4) & 7 {
            1 => EntryKind::Whole(ObjectKind::Commit),
            2 => EntryKind::Whole(ObjectKind::Tree),
            3 => EntryKind::Whole(ObjectKind::Blob),
            4 => EntryKind::Whole(ObjectKind::Tag),
            6 => {
                let (distance, used) = parse_distance(bytes.get(length..)?)?;
                length += used;
                EntryKind::OffsetDelta { distance }
            }
            7 => {
                let base = ObjectId::from_slice(bytes.get(length..length + ObjectId::BYTES)?)?;
                length += ObjectId::BYTES;
                EntryKind::RefDelta { base }
            }
            _ => return None,
        };
        Some(Self { kind, size, length })
    }
}

fn parse_distance(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(SIZE_BYTES_MAX).enumerate() {
        value = value.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
        value = value.checked_add(1)?;
    }
    None
}

fn low_byte(value: u64) -> u8 {
    u8::try_from(value & 0xff).unwrap_or_default()
}

/// Appends an entry header: `size` is that of the inflated object or delta, in bytes.
pub(crate) fn write_header(out: &mut Vec<u8>, kind: EntryKind, size: u64) {
    let number = match kind {
        EntryKind::Whole(ObjectKind::Commit) => 1_u8,
        EntryKind::Whole(ObjectKind::Tree) => 2,
        EntryKind::Whole(ObjectKind::Blob) => 3,
        EntryKind::Whole(ObjectKind::Tag) => 4,
        EntryKind::OffsetDelta { .. } => 6,
        EntryKind::RefDelta { .. } => 7,
    };
    let mut byte = number << 4 | low_byte(size & 15);
    let mut rest = size >> 4;
    while rest != 0 {
        out.push(byte | 0x80);
        byte = low_byte(rest & 0x7f);
        rest >>= 7;
    }
    out.push(byte);
    match kind {
        EntryKind::Whole(_) => {}
        EntryKind::RefDelta { base } => out.extend_from_slice(base.as_bytes()),
        EntryKind::OffsetDelta { distance } => write_distance(out, distance),
    }
}

fn write_distance(out: &mut Vec<u8>, distance: u64) {
    let start = out.len();
    out.push(low_byte(distance & 0x7f));
    let mut rest = distance >> 7;
    while rest != 0 {
        rest -= 1;
        out.push(0x80 | low_byte(rest & 0x7f));
        rest >>= 7;
    }
    if let Some(written) = out.get_mut(start..) {
        written.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_read_back_as_written(size: u64, distance in 1_u64.., which in 0..4) {
            let size = size >> 4;
            let kind = match which {
                0 => EntryKind::OffsetDelta { distance: distance >> 2 },
                1 => EntryKind::RefDelta { base: ObjectId::new([9; 20]) },
                2 => EntryKind::Whole(ObjectKind::Tree),
                _ => EntryKind::Whole(ObjectKind::Blob),
            };
            let mut bytes = Vec::new();
            write_header(&mut bytes, kind, size);
            let length = bytes.len();
            bytes.extend_from_slice(b"tail");
            prop_assert_eq!(EntryHeader::parse(&bytes), Some(EntryHeader { kind, size, length }));
            for cut in 0..length {
                prop_assert_eq!(EntryHeader::parse(&bytes[..cut]), None);
            }
        }
    }

    #[test]
    fn a_size_written_with_needless_bytes_is_accepted() {
        let header = EntryHeader::parse(&[0xb3, 0x00]).unwrap();
        assert_eq!((header.kind, header.size, header.length), (EntryKind::Whole(ObjectKind::Blob), 3, 2));
    }
}
