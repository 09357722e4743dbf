//! How leaves and nodes are hashed.
//!
//! Source: RFC 6962 §2.1.

use polder_types::Sha256;
use sha2::{Digest as _, Sha256 as Hasher};

/// The SHA-256 of the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Sha256 {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    Sha256::new(hasher.finalize().into())
}

/// The hash of a leaf of the tree.
///
/// ```
/// let empty = polder_log::leaf_hash(b"");
/// assert_eq!(empty.to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
/// ```
pub fn leaf_hash(leaf: &[u8]) -> Sha256 {
    sha256(&[&[0], leaf])
}

/// The hash of two subtrees side by side.
pub(crate) fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    sha256(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root of a tree without leaves.
pub(crate) fn empty_root() -> Sha256 {
    sha256(&[])
}

/// The root over complete subtrees that get smaller from left to right.
pub(crate) fn fold(peaks: &[Sha256]) -> Sha256 {
    let mut peaks = peaks.iter().rev().copied();
    let Some(last) = peaks.next() else { return empty_root() };
    peaks.fold(last, |right, left| node_hash(&left, &right))
}
