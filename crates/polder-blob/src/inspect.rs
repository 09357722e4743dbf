//! Looking through what is stored: for fsck and for the sweep.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use polder_types::{BlobId, PackId, Sha256, UnixMillis};
use sha2::Digest;

use crate::disk::Inner;
use crate::error::{Error, Result, failed};
use crate::names::{Area, LIST, blob_path, list_path, pack_paths, parse_stem};
use crate::store::BlobFile;

/// Bytes read at a time when a whole object is hashed.
const HASH_BUFFER_BYTES: usize = 1 << 20;

/// What a file in the store is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// The bytes of a large object.
    Blob(BlobId),
    /// The chunk list of a large object.
    List(BlobId),
    /// A pack.
    Pack(PackId),
    /// A pack's index.
    Index(PackId),
    /// Nothing that the store makes, or not where the store would put it.
    Stranger,
}

/// A file found in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// What it is.
    pub kind: FileKind,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// When it got its name, or was last changed otherwise (the file system's `ctime`).
    pub changed: UnixMillis,
}

impl Inner {
    pub(crate) fn open_blob(&self, id: BlobId) -> Result<BlobFile> {
        open(&blob_path(&self.root, id), || format!("object {id}"))
    }

    pub(crate) fn hash_blob(&self, id: BlobId) -> Result<(Sha256, u64)> {
        let blob = self.open_blob(id)?;
        read_all(&blob.file, &blob_path(&self.root, id), |_| Ok(()))
    }

    pub(crate) fn remove_blob(&self, id: BlobId) -> Result<bool> {
        self.require_writable()?;
        remove(&list_path(&self.root, id))?;
        remove(&blob_path(&self.root, id))
    }

    pub(crate) fn remove_pack(&self, id: PackId) -> Result<bool> {
        self.require_writable()?;
        let (pack, index) = pack_paths(&self.root, id);
        let removed_index = remove(&index)?;
        Ok(remove(&pack)? || removed_index)
    }

    /// Calls `visit` for every published file, shard after shard, in the order of names.
    pub(crate) fn for_each_file(&self, visit: &mut dyn FnMut(StoredFile) -> Result<()>) -> Result<()> {
        for area in Area::ALL {
            let directory = self.root.join(area.directory());
            for shard in sorted_names(&directory)? {
                let shard = directory.join(shard);
                if !shard.is_dir() {
                    visit_one(&shard, FileKind::Stranger, visit)?;
                    continue;
                }
                for name in sorted_names(&shard)? {
                    let path = shard.join(&name);
                    let kind = self.kind_of(area, name.to_str(), &path);
                    visit_one(&path, kind, visit)?;
                }
            }
        }
        Ok(())
    }

    /// A name counts only in the place where the store itself would look for it.
    fn kind_of(&self, area: Area, name: Option<&str>, path: &Path) -> FileKind {
        let Some(name) = name else { return FileKind::Stranger };
        let (stem, extension) = name.split_once('.').map_or((name, ""), |(stem, rest)| (stem, rest));
        let Some(id) = parse_stem(stem) else { return FileKind::Stranger };
        let (kind, expected) = match (area, extension) {
            (Area::Blobs, "") => (FileKind::Blob(BlobId(id)), blob_path(&self.root, BlobId(id))),
            (Area::Blobs, LIST) => (FileKind::List(BlobId(id)), list_path(&self.root, BlobId(id))),
            (Area::Packs, "pack") => (FileKind::Pack(PackId(id)), pack_paths(&self.root, PackId(id)).0),
            (Area::Packs, "idx") => (FileKind::Index(PackId(id)), pack_paths(&self.root, PackId(id)).1),
            _ => return FileKind::Stranger,
        };
        if expected == path { kind } else { FileKind::Stranger }
    }
}

fn visit_one(path: &Path, kind: FileKind, visit: &mut dyn FnMut(StoredFile) -> Result<()>) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Removed since the directory was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
    };
    let kind = if metadata.is_file() { kind } else { FileKind::Stranger };
    visit(StoredFile { kind, path: path.to_owned(), size_bytes: metadata.len(), changed: changed(&metadata) })
}

pub(crate) fn changed(metadata: &fs::Metadata) -> UnixMillis {
    UnixMillis(metadata.ctime().saturating_mul(1000).saturating_add(metadata.ctime_nsec() / 1_000_000))
}

/// One directory's names; one shard of a store with 100 million objects has 400,000.
fn sorted_names(directory: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(directory).map_err(failed("list", directory))?;
    let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.map_err(failed("list", directory))?;
    names.sort_unstable();
    Ok(names)
}

/// Reads a file from end to end: the SHA-256 and the length of what came. Every piece goes to `see`.
pub(crate) fn read_all(
    mut file: &File,
    path: &Path,
    mut see: impl FnMut(&[u8]) -> Result<()>,
) -> Result<(Sha256, u64)> {
    let (mut hash, mut size_bytes) = (sha2::Sha256::new(), 0_u64);
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed("read", path)(error)),
        };
        if read == 0 {
            return Ok((Sha256::new(hash.finalize().into()), size_bytes));
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        hash.update(bytes);
        see(bytes)?;
        size_bytes = size_bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

pub(crate) fn open(path: &Path, what: impl FnOnce() -> String) -> Result<BlobFile> {
    match File::open(path) {
        Ok(file) => {
            let size_bytes = file.metadata().map_err(failed("look at", path))?.len();
            Ok(BlobFile { file: file.into(), size_bytes })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NotFound { what: what() }),
        Err(error) => Err(failed("open", path)(error)),
    }
}

/// Removes a file; false when there was none.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("remove", path)(error)),
    }
}
