//! Links to some chunks of an object that carry their own permission, for clients send no header there.

use std::ops::Range;

use polder_types::{RepoId, Sha256, UnixMillis};
use polder_xet::XorbHash;

use crate::error::{Error, Kind, Result};
use crate::secret::SigningKey;

/// How long a link works, in seconds. It is checked when a transfer starts, not while it runs.
pub(super) const LINK_SECONDS: i64 = 3600;

/// Everything a signature binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataLink {
    /// The repository that it was read through, and the object.
    pub(super) repo: RepoId,
    pub(super) oid: Sha256,
    /// The xorb, and which chunks of the object it is.
    pub(super) xorb: XorbHash,
    pub(super) first: u64,
    pub(super) chunks: u64,
    /// Where in the object they begin.
    pub(super) offset: u64,
    /// Which bytes of the xorb may be had.
    pub(super) bytes: Range<u64>,
    pub(super) expires: UnixMillis,
}

impl DataLink {
    fn claims(&self) -> String {
        format!(
            "{}.{}.{}.{}.{}.{}.{}.{}",
            self.repo,
            self.oid,
            self.first,
            self.chunks,
            self.offset,
            self.bytes.start,
            self.bytes.end,
            self.expires.0
        )
    }

    fn signed_text(xorb: XorbHash, claims: &str) -> String {
        format!("polder/xet-data/1\n{xorb}\n{claims}")
    }

    /// The query that makes the xorb's URL work on its own.
    pub(super) fn query(&self, key: &SigningKey) -> String {
        let claims = self.claims();
        let signature = key.sign(&Self::signed_text(self.xorb, &claims));
        format!("of={claims}&sig={signature}")
    }

    /// Reads the query of an xorb's URL.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anything but an unaltered, unexpired link: from that clients know to ask for
    /// another one.
    pub(super) fn read(xorb: XorbHash, query: &str, key: &SigningKey, now: UnixMillis) -> Result<Self> {
        let link = Self::read_signed(xorb, query, key).ok_or_else(Error::bad_link)?;
        if link.expires > now {
            return Ok(link);
        }
        Err(Error::new(Kind::Forbidden, "this link has expired; ask for a new one"))
    }

    fn read_signed(xorb: XorbHash, query: &str, key: &SigningKey) -> Option<Self> {
        let (claims, signature) = query.strip_prefix("of=")?.split_once("&sig=")?;
        if !key.verify(&Self::signed_text(xorb, claims), signature) {
            return None;
        }
        let mut words = claims.split('.');
        let (repo, oid) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mut number = || words.next()?.parse::<u64>().ok();
        let (first, chunks, offset) = (number()?, number()?, number()?);
        let (start, end) = (number()?, number()?);
        let expires = UnixMillis(words.next()?.parse().ok()?);
        Some(Self { repo: RepoId(repo), oid, xorb, first, chunks, offset, bytes: start..end, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_allows_exactly_what_was_signed_and_not_for_long() {
        let key = SigningKey::new(&[9; 32]).expect("key");
        let (xorb, now) = (XorbHash::new([4; 32]), UnixMillis(1_000));
        let link = DataLink {
            repo: RepoId(7),
            oid: Sha256::new([1; 32]),
            xorb,
            first: 1024,
            chunks: 3,
            offset: 70_000_000,
            bytes: 8..300,
            expires: UnixMillis(2_000),
        };
        let query = link.query(&key);
        let read = |xorb, query: &str, key: &SigningKey, now| {
            DataLink::read(xorb, query, key, now).map_err(|error| error.kind())
        };
        assert_eq!(read(xorb, &query, &key, now), Ok(link));
        assert_eq!(read(XorbHash::new([5; 32]), &query, &key, now), Err(Kind::Forbidden));
        assert_eq!(read(xorb, &query, &SigningKey::new(&[8; 32]).expect("key"), now), Err(Kind::Forbidden));
        assert_eq!(read(xorb, &query, &key, UnixMillis(2_000)), Err(Kind::Forbidden));
        for at in 0..query.len() {
            let mut altered = query.clone().into_bytes();
            altered[at] = if altered[at] == b'3' { b'4' } else { b'3' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert_eq!(read(xorb, &altered, &key, now), Err(Kind::Forbidden), "{altered}");
        }
        assert_eq!(read(xorb, "", &key, now), Err(Kind::Forbidden));
    }
}
