//! Packs under the names that git gives them.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use polder_types::ObjectId;

use super::files::{remove_file, sync_dir};
use super::{ExportPack, PackBytes};
use crate::{Error, Result};

const COPY: &str = "copy a pack";
/// An index ends in the pack's hash and its own.
const INDEX_TRAILER_BYTES: i64 = 40;
const PACK_TRAILER_BYTES: i64 = 20;

/// Whether the copies must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    Synced,
    Scratch,
}

/// Copies the packs that are not there yet. A pack is there when its index is, which comes last.
pub(super) fn add(dir: &Path, packs: &[ExportPack], durability: Durability) -> Result<()> {
    for pack in packs {
        let pack_path = dir.join(format!("pack-{}.pack", pack.hash));
        let index_path = pack_path.with_extension("idx");
        if is_whole(&pack_path, PACK_TRAILER_BYTES, pack) && is_whole(&index_path, INDEX_TRAILER_BYTES, pack)
        {
            continue;
        }
        match &pack.pack {
            PackBytes::Memory(data, index) => {
                copy_bytes(data, &pack_path, PACK_TRAILER_BYTES, pack, durability)?;
                copy_bytes(index, &index_path, INDEX_TRAILER_BYTES, pack, durability)?;
            }
            PackBytes::Files(data, index) => {
                copy_file(data, &pack_path, PACK_TRAILER_BYTES, pack, durability)?;
                copy_file(index, &index_path, INDEX_TRAILER_BYTES, pack, durability)?;
            }
        }
    }
    if durability == Durability::Synced { sync_dir(dir) } else { Ok(()) }
}

fn copy_bytes(data: &[u8], to: &Path, trailer: i64, pack: &ExportPack, durability: Durability) -> Result<()> {
    place(to, trailer, pack, durability, &mut |temporary| {
        File::create(temporary).and_then(|mut file| file.write_all(data))
    })
}

/// The kernel copies (`copy_file_range`), which shares blocks on file systems that can.
fn copy_file(from: &Path, to: &Path, trailer: i64, pack: &ExportPack, durability: Durability) -> Result<()> {
    place(to, trailer, pack, durability, &mut |temporary| std::fs::copy(from, temporary).map(drop))
}

fn place(
    to: &Path,
    trailer: i64,
    pack: &ExportPack,
    durability: Durability,
    write: &mut dyn FnMut(&Path) -> std::io::Result<()>,
) -> Result<()> {
    let failed = |error| Error::io(COPY, to.display(), error);
    let temporary = to.with_extension("tmp");
    remove_file(&temporary)?;
    write(&temporary).map_err(failed)?;
    if !is_whole(&temporary, trailer, pack) {
        remove_file(&temporary)?;
        return Err(Error::corrupt(COPY, format!("pack {}", pack.hash)));
    }
    if durability == Durability::Synced {
        File::open(&temporary).and_then(|file| file.sync_all()).map_err(failed)?;
    }
    std::fs::set_permissions(&temporary, Permissions::from_mode(0o444)).map_err(failed)?;
    std::fs::rename(&temporary, to).map_err(failed)
}

/// Whether a file ends as the pack or index of this hash must.
fn is_whole(path: &Path, trailer: i64, pack: &ExportPack) -> bool {
    let read = || -> std::io::Result<[u8; ObjectId::BYTES]> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-trailer))?;
        let mut hash = [0; ObjectId::BYTES];
        file.read_exact(&mut hash)?;
        Ok(hash)
    };
    read().is_ok_and(|hash| hash == *pack.hash.as_bytes())
}

/// Removes every pack that is not listed, and what git derived from packs that may be gone.
///
/// A pack that somebody marked to be kept stays. The index goes first: without it a pack is not there.
pub(super) fn remove_others(objects: &Path, packs: &[ExportPack]) -> Result<()> {
    let dir = objects.join("pack");
    let failed = |error| Error::io("remove an old pack", dir.display(), error);
    let listed: HashSet<String> = packs.iter().map(|pack| format!("pack-{}", pack.hash)).collect();
    let mut stale = Vec::new();
    for file in std::fs::read_dir(&dir).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let derived = name.starts_with("multi-pack-index");
        let old =
            name.starts_with("pack-") && !listed.contains(stem) && !path.with_extension("keep").exists();
        if (derived || old) && path.is_file() {
            let is_index = path.extension() == Some(OsStr::new("idx"));
            stale.push((!derived, !is_index, path));
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    remove_file(&objects.join("info/commit-graph"))?;
    let graphs = objects.join("info/commit-graphs");
    if graphs.is_dir() {
        std::fs::remove_dir_all(&graphs)
            .map_err(|error| Error::io("remove a commit-graph", graphs.display(), error))?;
    }
    stale.sort();
    for (_, _, path) in &stale {
        remove_file(path)?;
    }
    sync_dir(&dir)
}
