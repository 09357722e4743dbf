//! Bodies one after the other, each after its length in four bytes.

use std::collections::BTreeMap;

use polder_types::Sha256;

use crate::body::BODY_BYTES_MAX;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::reader::Reader;

/// Most bodies that are asked for at a time.
pub const BODIES_MAX: usize = 1_024;
/// Longest list that answers such a question, in bytes.
pub const BODIES_BYTES_MAX: usize = 4 << 20;
const WHAT: &str = "a list of bodies";

/// Appends a body to a list.
///
/// # Errors
/// When it is longer than a body can be.
pub fn push_body(list: &mut Vec<u8>, body: &[u8]) -> Result<()> {
    let too_large = Error::TooLarge { what: "a body", limit: BODY_BYTES_MAX };
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_BYTES_MAX).ok_or(too_large)?;
    list.extend(length.to_be_bytes());
    list.extend(body);
    Ok(())
}

/// The bodies of a list, none of them looked into.
///
/// ```
/// let mut list = Vec::new();
/// polder_log::push_body(&mut list, b"one").unwrap();
/// polder_log::push_body(&mut list, b"").unwrap();
/// assert_eq!(polder_log::read_bodies(&list).unwrap(), [&b"one"[..], b""]);
/// assert!(polder_log::read_bodies(&list[..5]).is_err());
/// ```
///
/// # Errors
/// When it is cut off, or one is longer than a body can be.
pub fn read_bodies(list: &[u8]) -> Result<Vec<&[u8]>> {
    let (mut fields, mut bodies) = (Reader::new(list, WHAT), Vec::new());
    while !fields.is_at_end() {
        let length = fields.count("a body", BODY_BYTES_MAX)?;
        bodies.push(fields.slice(length)?);
    }
    Ok(bodies)
}

/// The same by their hashes.
///
/// # Errors
/// As [`read_bodies`].
pub fn bodies_by_hash(list: &[u8]) -> Result<BTreeMap<Sha256, &[u8]>> {
    Ok(read_bodies(list)?.into_iter().map(|body| (sha256(&[body]), body)).collect())
}
