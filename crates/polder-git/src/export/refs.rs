//! Refs in the form of one sorted file.

use std::path::Path;

use crate::{Error, Ref, Result};

/// Deepest nesting of directories below `refs`; a name has fewer parts than bytes.
const REFS_DEPTH_MAX: usize = polder_types::limits::REF_NAME_BYTES_MAX;

/// The content of `packed-refs` with these refs, which are in byte order.
///
/// Source: git `refs/packed-backend.c`.
pub(super) fn packed<'a>(refs: impl Iterator<Item = &'a Ref>) -> Vec<u8> {
    let mut out = b"# pack-refs with: peeled fully-peeled sorted \n".to_vec();
    for named in refs {
        out.extend_from_slice(format!("{} {}\n", named.oid, named.name).as_bytes());
        if let Some(peeled) = named.peeled {
            out.extend_from_slice(format!("^{peeled}\n").as_bytes());
        }
    }
    out
}

/// Removes loose refs, which somebody pushed into the export and which would win over `packed-refs`.
pub(super) fn remove_loose(refs: &Path) -> Result<()> {
    let mut pending = vec![(refs.to_owned(), 0)];
    while let Some((dir, depth)) = pending.pop() {
        let failed = |error| Error::io("remove a loose ref", dir.display(), error);
        for file in std::fs::read_dir(&dir).map_err(failed)? {
            let file = file.map_err(failed)?;
            if !file.file_type().map_err(failed)?.is_dir() {
                std::fs::remove_file(file.path()).map_err(failed)?;
            } else if depth < REFS_DEPTH_MAX {
                pending.push((file.path(), depth + 1));
            }
        }
    }
    Ok(())
}
