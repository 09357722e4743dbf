//! One pack of many loose objects, for the time of an import.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use polder_types::ObjectId;

use super::loose::{self, Loose};
use crate::object::from_gix;
use crate::pack::{EntryKind, write_header};
use crate::{Error, Result};

const BUFFER_BYTES: usize = 256 << 10;
const WRITE: &str = "gather loose objects";
/// Offsets from here on stand in the index's second table.
const LARGE_OFFSET: u64 = 1 << 31;

struct Entry {
    id: ObjectId,
    crc: u32,
    offset: u64,
}

/// Writes `loose.pack` and `loose.idx` into `scratch`; `None` if nothing is to be written.
///
/// Every object is hashed. One that is not what its name says (a file that a power cut left empty) is left
/// out with a warning: if it is needed, the walk misses it and says so.
pub(super) fn write(
    objects: &[Loose],
    scratch: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<(PathBuf, PathBuf)>> {
    if objects.is_empty() {
        return Ok(None);
    }
    let path = scratch.join("loose.pack");
    let failed = |error| Error::io(WRITE, path.display(), error);
    let file =
        File::options().read(true).write(true).create(true).truncate(true).open(&path).map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    out.write_all(&header(0)).map_err(failed)?;
    let mut offset = 12;
    let mut entries = Vec::new();
    for object in objects {
        match append(object, &mut out).map_err(failed)? {
            Ok((crc, length)) => {
                entries.push(Entry { id: object.id, crc, offset });
                offset += length;
            }
            Err(problem) => {
                out.flush().and_then(|()| out.get_mut().set_len(offset)).map_err(failed)?;
                out.seek(SeekFrom::Start(offset)).map_err(failed)?;
                warnings.push(format!("the loose object {} was left out: {problem}", object.id));
            }
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    let checksum = seal(file, u32::try_from(entries.len()).unwrap_or(u32::MAX)).map_err(failed)?;
    entries.sort_unstable_by_key(|entry| entry.id);
    let index_path = scratch.join("loose.idx");
    let index = index(&entries, checksum).map_err(failed)?;
    std::fs::write(&index_path, index).map_err(|error| Error::io(WRITE, index_path.display(), error))?;
    Ok(Some((path, index_path)))
}

fn header(count: u32) -> [u8; 12] {
    let [a, b, c, d] = count.to_be_bytes();
    [b'P', b'A', b'C', b'K', 0, 0, 0, 2, a, b, c, d]
}

/// Appends one object; the inner error is the object's own fault.
fn append(object: &Loose, out: &mut impl Write) -> std::io::Result<Result<(u32, u64), String>> {
    let mut opened = match loose::open(&object.path) {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut out = Measured { out, crc: Crc::new(), bytes: 0 };
    let mut head = Vec::new();
    write_header(&mut head, EntryKind::Whole(opened.kind), opened.size_bytes);
    out.write_all(&head)?;
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(format!("{} {}\0", opened.kind.as_str(), opened.size_bytes).as_bytes());
    let mut encoder = ZlibEncoder::new(&mut out, Compression::default());
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left = opened.size_bytes;
    loop {
        let got = match opened.content.read(&mut buffer) {
            Ok(got) => got,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let chunk = buffer.get(..got).unwrap_or_default();
        let Some(rest) = u64::try_from(got).ok().and_then(|got| left.checked_sub(got)) else {
            return Ok(Err("it is longer than its header says".to_owned()));
        };
        left = rest;
        if got == 0 {
            break;
        }
        hasher.update(chunk);
        encoder.write_all(chunk)?;
    }
    encoder.finish()?;
    let hash = hasher.try_finalize().ok().and_then(|hash| from_gix(&hash));
    if left != 0 || hash != Some(object.id) {
        return Ok(Err("its content is not what its name says".to_owned()));
    }
    Ok(Ok((out.crc.sum(), out.bytes)))
}

struct Measured<'a, W> {
    out: &'a mut W,
    crc: Crc,
    bytes: u64,
}

impl<W: Write> Write for Measured<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(bytes.get(..written).unwrap_or_default());
        self.bytes += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Writes the count, then the checksum of the whole file behind it.
fn seal(mut file: File, count: u32) -> std::io::Result<ObjectId> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(count))?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        hasher.update(buffer.get(..got).unwrap_or_default());
    }
    let checksum = finish(hasher)?;
    file.write_all(checksum.as_bytes())?;
    Ok(checksum)
}

fn finish(hasher: gix_hash::Hasher) -> std::io::Result<ObjectId> {
    let hash = hasher.try_finalize().map_err(std::io::Error::other)?;
    from_gix(&hash).ok_or_else(|| std::io::Error::other("not a SHA-1"))
}

/// A version 2 index of entries that are sorted by id.
///
/// Source: git `Documentation/gitformat-pack.adoc`.
fn index(entries: &[Entry], pack: ObjectId) -> std::io::Result<Vec<u8>> {
    let mut out = vec![0xff, b't', b'O', b'c', 0, 0, 0, 2];
    for first in 0..=255_u8 {
        let count =
            entries.partition_point(|entry| entry.id.as_bytes().first().is_some_and(|byte| *byte <= first));
        out.extend_from_slice(&u32::try_from(count).map_err(std::io::Error::other)?.to_be_bytes());
    }
    for entry in entries {
        out.extend_from_slice(entry.id.as_bytes());
    }
    for entry in entries {
        out.extend_from_slice(&entry.crc.to_be_bytes());
    }
    let mut large = Vec::new();
    for entry in entries {
        let small = u32::try_from(entry.offset).ok().filter(|_| entry.offset < LARGE_OFFSET);
        let value = if let Some(offset) = small {
            offset
        } else {
            let rank = u32::try_from(large.len() / 8).map_err(std::io::Error::other)?;
            large.extend_from_slice(&entry.offset.to_be_bytes());
            0x8000_0000 | rank
        };
        out.extend_from_slice(&value.to_be_bytes());
    }
    out.extend_from_slice(&large);
    out.extend_from_slice(pack.as_bytes());
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&out);
    out.extend_from_slice(finish(hasher)?.as_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_two_gib_are_kept() {
        let offsets = [12, LARGE_OFFSET - 1, LARGE_OFFSET, 5 << 32];
        let entries: Vec<Entry> = (0_u8..)
            .zip(offsets)
            .map(|(n, offset)| Entry { id: ObjectId::new([n * 80; 20]), crc: u32::from(n), offset })
            .collect();
        let bytes = index(&entries, ObjectId::new([9; 20])).unwrap();
        let index = gix_pack::index::File::from_data(bytes, PathBuf::new(), gix_hash::Kind::Sha1).unwrap();
        for (position, entry) in (0..).zip(&entries) {
            assert_eq!(index.lookup(crate::object::to_gix(entry.id)), Some(position));
            assert_eq!(index.pack_offset_at_index(position), entry.offset);
            assert_eq!(index.crc32_at_index(position), Some(entry.crc));
        }
    }
}
