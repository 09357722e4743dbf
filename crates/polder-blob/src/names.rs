//! Where a file of the store lies: two hexadecimal digits of shard, then the id in hexadecimal.

use std::path::{Path, PathBuf};

use polder_types::{BlobId, PackId, PartId, StagedXorbId, UploadId};

pub(crate) const BLOBS: &str = "blobs";
pub(crate) const PACKS: &str = "packs";
pub(crate) const QUARANTINE: &str = "quarantine";
pub(crate) const LOST: &str = "lost";
pub(crate) const UPLOADS: &str = "uploads";
pub(crate) const TRANSFERS: &str = "transfers";
pub(crate) const XORBS: &str = "xorbs";
pub(crate) const EPOCH: &str = "epoch";
pub(crate) const NODES: &str = "nodes";

/// Extension of the file beside a large object that lists its chunks.
pub(crate) const LIST: &str = "chunks";

/// Shard directories under `blobs` and under `packs`.
pub(crate) const SHARDS: usize = 256;

/// Bits of an id below its milliseconds (see `polder_types::IdSource`).
const MILLIS_SHIFT: u32 = 22;

/// The two kinds of directory that hold published files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Blobs,
    Packs,
}

impl Area {
    pub(crate) const ALL: [Self; 2] = [Self::Blobs, Self::Packs];

    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Blobs => BLOBS,
            Self::Packs => PACKS,
        }
    }
}

/// Which shard holds `id`. An id ends in a count that is nearly always small, so its low bits are
/// mixed with those of its milliseconds; else most files would share one directory.
pub(crate) fn shard(id: i64) -> u8 {
    let [.., count] = id.to_be_bytes();
    let [.., millis] = (id >> MILLIS_SHIFT).to_be_bytes();
    count ^ millis
}

pub(crate) fn shard_name(shard: u8) -> String {
    format!("{shard:02x}")
}

fn stem(id: i64) -> String {
    format!("{id:016x}")
}

/// Where a store in `root` has a large object.
pub fn blob_path(root: &Path, id: BlobId) -> PathBuf {
    root.join(BLOBS).join(shard_name(shard(id.0))).join(stem(id.0))
}

/// Where a store in `root` has the chunk list of a large object.
pub fn list_path(root: &Path, id: BlobId) -> PathBuf {
    blob_path(root, id).with_extension(LIST)
}

/// Where a store in `root` has a pack and its index.
pub fn pack_paths(root: &Path, id: PackId) -> (PathBuf, PathBuf) {
    let directory = root.join(PACKS).join(shard_name(shard(id.0)));
    let stem = stem(id.0);
    (directory.join(format!("{stem}.pack")), directory.join(format!("{stem}.idx")))
}

pub(crate) fn upload_path(root: &Path, id: UploadId) -> PathBuf {
    root.join(UPLOADS).join(stem(id.0))
}

pub(crate) fn part_path(root: &Path, upload: UploadId, part: PartId) -> PathBuf {
    upload_path(root, upload).join(stem(part.0))
}

pub(crate) fn xorb_path(root: &Path, id: StagedXorbId) -> PathBuf {
    root.join(XORBS).join(stem(id.0))
}

/// Reads back what [`stem`] writes; anything else is not ours.
pub(crate) fn parse_stem(text: &str) -> Option<i64> {
    let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if text.len() != 16 || !is_hex {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(u64::cast_signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::{Clock, IdSource};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[test]
    fn a_name_reads_back_as_its_id() {
        for id in [0, 1, 255, i64::MAX, -1] {
            assert_eq!(parse_stem(&stem(id)), Some(id));
        }
        for text in ["", "0", "000000000000000G", "000000000000000A", "00000000000000000", "+00000000000000f"]
        {
            assert_eq!(parse_stem(text), None, "{text}");
        }
    }

    #[test]
    fn ids_made_one_per_millisecond_or_all_at_once_spread_over_the_shards() {
        for step in [0, 1] {
            let millis = Arc::new(AtomicI64::new(1_800_000_000_000));
            let source = IdSource::new(Clock::Manual(Arc::clone(&millis)), 7);
            let mut used = [0; SHARDS];
            for _ in 0..SHARDS * 8 {
                used[usize::from(shard(source.next()))] += 1;
                millis.fetch_add(step, Ordering::Relaxed);
            }
            assert!(used.iter().all(|files| (4..=16).contains(files)), "{used:?}");
        }
    }
}
