//! Copying stored files from one store to another: hashed on the way, durable and whole before they have
//! their name.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use polder_blob::{ListClaim, Store};
use polder_types::{BlobId, PackId, Sha256};
use sha2::Digest as _;

use super::manifest::cannot;
use crate::error::{Error, Result};

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Copies a large object, unless it is there.
///
/// # Errors
/// When it is not what its hash says.
pub(super) fn copy_blob(from: &Path, to: &Store, id: BlobId, bytes: u64, sha256: &Sha256) -> Result<bool> {
    if to.open_blob(id).is_ok_and(|there| there.size_bytes == bytes) {
        return Ok(false);
    }
    let mut file = File::open(from).map_err(|error| cannot("read", from, error))?;
    let mut stage = to.stage(bytes)?;
    read_all(&mut file, from, |chunk| Ok(stage.write(chunk)?))?;
    let staged = stage.finish()?;
    if staged.size_bytes() != bytes || staged.sha256() != sha256 {
        return Err(damaged(from));
    }
    staged.publish(id)?;
    Ok(true)
}

/// Copies the chunk list of a large object that was copied, unless it is there: copying made one, but an
/// object can be cut in more than one way.
///
/// # Errors
/// When it is not what it must be.
pub(super) fn copy_list(from: &Path, to: &Store, id: BlobId, claim: &ListClaim) -> Result<()> {
    if to.check_list(id, claim, false)?.is_none() {
        return Ok(());
    }
    let file = File::open(from).map_err(|error| cannot("read", from, error))?;
    match to.take_list(id, claim, &file)? {
        None => Ok(()),
        Some(_wrong) => Err(damaged(from)),
    }
}

/// The hashes of a pack and its index.
pub(super) type PackHashes = (String, String);

/// Copies a pack with its index, unless they are there; gives their hashes, which must be `expected` if
/// that is known.
///
/// # Errors
/// When they are not what they must be.
pub(super) fn copy_pack(
    (pack, index): (&Path, &Path),
    to: &Store,
    id: PackId,
    expected: Option<&PackHashes>,
) -> Result<(bool, PackHashes)> {
    let (there, there_index) = to.pack_paths(id);
    if there.is_file() && there_index.is_file() {
        let hashes = match expected {
            Some(expected) => expected.clone(),
            None => (hash_of(&there)?, hash_of(&there_index)?),
        };
        return Ok((false, hashes));
    }
    let scratch = to.quarantine()?;
    let (staged, staged_index) = (scratch.path().join("pack"), scratch.path().join("idx"));
    let hashes = (copy(pack, &staged)?, copy(index, &staged_index)?);
    if expected.is_some_and(|expected| *expected != hashes) {
        return Err(damaged(pack));
    }
    to.publish_pack(id, &staged, &staged_index)?;
    Ok((true, hashes))
}

fn copy(from: &Path, to: &Path) -> Result<String> {
    let mut source = File::open(from).map_err(|error| cannot("read", from, error))?;
    let mut copy = File::create(to).map_err(|error| cannot("write", to, error))?;
    let mut hash = sha2::Sha256::new();
    read_all(&mut source, from, |chunk| {
        hash.update(chunk);
        copy.write_all(chunk).map_err(|error| cannot("write", to, error))
    })?;
    Ok(hex(hash))
}

/// The SHA-256 of a file, in hexadecimal.
pub(super) fn hash_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|error| cannot("read", path, error))?;
    let mut hash = sha2::Sha256::new();
    read_all(&mut file, path, |chunk| {
        hash.update(chunk);
        Ok(())
    })?;
    Ok(hex(hash))
}

pub(super) fn hex(hash: sha2::Sha256) -> String {
    Sha256::new(hash.finalize().into()).to_string()
}

fn read_all(file: &mut File, path: &Path, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut chunk = vec![0; COPY_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => take(chunk.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot("read", path, error)),
        }
    }
}

fn damaged(path: &Path) -> Error {
    Error::invalid(format!("`{}` is damaged: its bytes are not what its hash says", path.display()))
}
