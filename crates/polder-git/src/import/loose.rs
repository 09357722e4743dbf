//! Objects in files of their own.
//!
//! Source: git `object-file.c`: `objects/ab/cdef…`, one zlib stream of `kind size NUL content`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::ZlibDecoder;
use polder_types::ObjectId;
use polder_types::limits::PACK_OBJECTS_MAX;

use crate::{Error, ObjectKind, Result};

const BUFFER_BYTES: usize = 64 << 10;
/// Longest `kind size NUL`, in bytes (git `MAX_HEADER_LEN`).
const HEADER_BYTES_MAX: usize = 32;

/// A loose object's name and file.
#[derive(Debug)]
pub(super) struct Loose {
    pub(super) id: ObjectId,
    pub(super) path: PathBuf,
}

/// Lists the loose objects of all directories, each id once.
pub(super) fn list(dirs: &[PathBuf]) -> Result<Vec<Loose>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for dir in dirs {
        for first in 0..=255_u8 {
            let prefix = format!("{first:02x}");
            list_one(&dir.join(&prefix), &prefix, &mut |object: Loose| {
                if seen.insert(object.id) {
                    found.push(object);
                }
            })?;
            if u32::try_from(found.len()).is_ok_and(|count| count > PACK_OBJECTS_MAX) {
                let message = format!(
                    "the repository has more than {PACK_OBJECTS_MAX} loose objects; run `git gc` there"
                );
                return Err(Error::too_large(message));
            }
        }
    }
    Ok(found)
}

fn list_one(dir: &Path, prefix: &str, take: &mut dyn FnMut(Loose)) -> Result<()> {
    let failed = |error| Error::io("list loose objects", dir.display(), error);
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for file in listing {
        let file = file.map_err(failed)?;
        let name = file.file_name();
        let id = name.to_str().and_then(|rest| format!("{prefix}{rest}").parse().ok());
        if let Some(id) = id {
            take(Loose { id, path: file.path() });
        }
    }
    Ok(())
}

/// A loose object, its header read.
pub(super) struct Opened {
    pub(super) kind: ObjectKind,
    pub(super) size_bytes: u64,
    pub(super) content: ZlibDecoder<BufReader<File>>,
}

/// Opens a loose object; what is wrong with it comes as a text.
pub(super) fn open(path: &Path) -> Result<Opened, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut content = ZlibDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file));
    let mut header = Vec::with_capacity(HEADER_BYTES_MAX);
    loop {
        let mut byte = [0];
        content.read_exact(&mut byte).map_err(|error| error.to_string())?;
        let [byte] = byte;
        if byte == 0 {
            break;
        }
        header.push(byte);
        if header.len() >= HEADER_BYTES_MAX {
            return Err("its header is malformed".to_owned());
        }
    }
    let parsed = str::from_utf8(&header).ok().and_then(|text| text.split_once(' '));
    let (kind, size) = parsed.ok_or("its header is malformed")?;
    let kind = match kind {
        "commit" => ObjectKind::Commit,
        "tree" => ObjectKind::Tree,
        "blob" => ObjectKind::Blob,
        "tag" => ObjectKind::Tag,
        other => return Err(format!("its kind is `{other}`")),
    };
    let size_bytes = size.parse().map_err(|_not_a_number| "its size is malformed".to_owned())?;
    Ok(Opened { kind, size_bytes, content })
}
