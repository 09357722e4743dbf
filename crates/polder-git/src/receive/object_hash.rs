//! Git object ids, with SHA-1 collision attacks detected.

use polder_types::ObjectId;

use crate::object::from_gix;
use crate::{Error, ObjectKind, Result};

/// Hashes one object piece by piece.
pub(crate) struct ObjectHasher(gix_hash::Hasher);

impl ObjectHasher {
    /// Starts with the header; `size` is the content's length in bytes.
    pub(crate) fn new(kind: ObjectKind, size: u64) -> Self {
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(format!("{} {size}\0", kind.as_str()).as_bytes());
        Self(hasher)
    }

    pub(crate) fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// The id; refused if the content is half of a known collision attack.
    pub(crate) fn finish(self) -> Result<ObjectId> {
        let refused = |error: &dyn std::fmt::Display| {
            Error::refused(format!("SHA1 COLLISION FOUND: an object is part of a collision attack ({error})"))
        };
        let id = self.0.try_finalize().map_err(|error| refused(&error))?;
        from_gix(&id).ok_or_else(|| refused(&"not SHA-1"))
    }
}

/// The id of an object at hand.
pub(crate) fn hash_object(kind: ObjectKind, content: &[u8]) -> Result<ObjectId> {
    let mut hasher = ObjectHasher::new(kind, u64::try_from(content.len()).unwrap_or(u64::MAX));
    hasher.update(content);
    hasher.finish()
}
