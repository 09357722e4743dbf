//! Every pack and loose object that a repository can read.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::PackId;

use super::layout::Layout;
use super::{config, loose, path_from_line, read_small, scratch_pack};
use crate::{Error, Pack, Result};

/// Deepest chain of alternates (git `alt_odb` allows 5 too).
const ALTERNATES_DEPTH_MAX: usize = 5;
/// Most object directories.
const OBJECT_DIRS_MAX: usize = 100;
/// Largest `info/alternates` file, in bytes.
const ALTERNATES_BYTES_MAX: u64 = 1 << 20;
/// Most packs of a source.
const SOURCE_PACKS_MAX: usize = 50_000;

/// Opens the packs of every object directory, and one of all loose objects that no pack has.
pub(super) fn open_all(
    layout: &Layout,
    scratch: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<Arc<Pack>>> {
    let dirs = object_dirs(layout.objects_dir(), warnings)?;
    let mut packs = Vec::new();
    for dir in &dirs {
        for (pack, index) in pack_files(&dir.join("pack"), warnings)? {
            let id = PackId(i64::try_from(packs.len()).unwrap_or(i64::MAX));
            packs.push(Arc::new(Pack::open(id, &pack, &index)?));
            if packs.len() > SOURCE_PACKS_MAX {
                return Err(Error::too_large(format!(
                    "the repository has more than {SOURCE_PACKS_MAX} packs"
                )));
            }
        }
    }
    let mut found = loose::list(&dirs)?;
    found.retain(|object| !packs.iter().any(|pack| pack.contains(&object.id)));
    if let Some((pack, index)) = scratch_pack::write(&found, scratch, warnings)? {
        let id = PackId(i64::try_from(packs.len()).unwrap_or(i64::MAX));
        packs.push(Arc::new(Pack::open(id, &pack, &index)?));
    }
    Ok(packs)
}

/// The object directory and its alternates, each once.
fn object_dirs(first: PathBuf, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    let mut seen = HashSet::new();
    let mut pending = vec![(first, 0)];
    while let Some((dir, depth)) = pending.pop() {
        let Ok(real) = dir.canonicalize() else {
            warnings.push(format!("the alternate object directory `{}` does not exist", dir.display()));
            continue;
        };
        if !seen.insert(real.clone()) {
            continue;
        }
        if depth > ALTERNATES_DEPTH_MAX || dirs.len() >= OBJECT_DIRS_MAX {
            return Err(Error::refused(format!(
                "the alternates of `{}` are nested too deeply",
                real.display()
            )));
        }
        let content = read_small(&real.join("info/alternates"), ALTERNATES_BYTES_MAX)?.unwrap_or_default();
        for line in
            content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        {
            pending.push((real.join(path_from_line(line)), depth + 1));
        }
        dirs.push(real);
    }
    Ok(dirs)
}

/// Pairs of pack and index, in the order of their names.
fn pack_files(dir: &Path, warnings: &mut Vec<String>) -> Result<Vec<(PathBuf, PathBuf)>> {
    let failed = |error| Error::io("list packs", dir.display(), error);
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut pairs = Vec::new();
    for file in listing {
        let pack = file.map_err(failed)?.path();
        if pack.extension() != Some(OsStr::new("pack")) {
            continue;
        }
        if pack.with_extension("promisor").exists() {
            return Err(config::partial(&dir.display().to_string()));
        }
        let index = pack.with_extension("idx");
        if index.exists() {
            pairs.push((pack, index));
        } else {
            warnings.push(format!("`{}` has no index (.idx) and was left out", pack.display()));
        }
    }
    pairs.sort();
    Ok(pairs)
}
