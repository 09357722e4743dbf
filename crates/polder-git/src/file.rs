//! A file's content as git holds it.

use bytes::Bytes;
use polder_types::ObjectId;

use crate::{Error, ObjectKind, Result, Snapshot};

/// Reads a whole blob; for an LFS file this is the pointer's text.
///
/// # Errors
/// [`Error::NotFound`] if there is no blob of this id; [`Error::TooLarge`] over the snapshot's bound;
/// [`Error::Corrupt`] when the pack is damaged there.
pub fn read_file(snapshot: &Snapshot, blob: ObjectId) -> Result<Bytes> {
    match snapshot.read(&blob)? {
        Some(object) if object.kind == ObjectKind::Blob => Ok(Bytes::from(object.data)),
        _ => Err(Error::NotFound { what: format!("blob `{blob}`") }),
    }
}
