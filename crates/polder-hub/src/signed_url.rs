//! Links to large objects that carry their own permission, because some clients send no header.

use std::fmt::Write as _;

use percent::query_pairs;
use polder_types::{RepoId, Sha256, TokenId, UnixMillis, UploadId};

use crate::error::{Error, Kind, Result};
use crate::secret::SigningKey;

/// How long a link works, in seconds. It is checked when a transfer starts, not while it runs.
pub(crate) const LINK_SECONDS: i64 = 900;
/// How long an upload can be confirmed by its link, in seconds: longer than the slowest upload. It only
/// tells the uploader whether what it sent is here.
const VERIFY_SECONDS: i64 = 24 * 3600;

/// What a link allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Download,
    Upload,
    Verify,
    /// Sending one part, from 1.
    Part(u64),
    /// Putting the parts together.
    Complete,
}

impl Action {
    /// How long a link for it works, in seconds. Those of an upload in parts work longer while parts
    /// keep coming.
    pub(crate) fn lifetime_seconds(self) -> i64 {
        match self {
            Self::Download | Self::Upload | Self::Part(_) | Self::Complete => LINK_SECONDS,
            Self::Verify => VERIFY_SECONDS,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Download => "get",
            Self::Upload => "put",
            Self::Verify => "verify",
            Self::Part(_) => "part",
            Self::Complete => "complete",
        }
    }

    fn part_number(self) -> u64 {
        if let Self::Part(number) = self { number } else { 0 }
    }
}

/// Which upload in parts a link is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InParts {
    pub(crate) upload: UploadId,
    /// Bytes of every part but the last.
    pub(crate) part_bytes: u64,
}

/// Everything a signature binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) action: Action,
    pub(crate) repo: RepoId,
    pub(crate) oid: Sha256,
    pub(crate) size_bytes: u64,
    /// The token it was given for; what it may do is asked again when the link is used.
    pub(crate) token: Option<TokenId>,
    pub(crate) in_parts: Option<InParts>,
    pub(crate) expires: UnixMillis,
}

impl Link {
    fn signed_text(&self) -> String {
        let token = self.token.map_or(0, |id| id.0);
        let (upload, part_bytes) = self.in_parts.map_or((0, 0), |parts| (parts.upload.0, parts.part_bytes));
        format!(
            "polder/lfs/2\n{}\n{}\n{}\n{}\n{}\n{token}\n{upload}\n{part_bytes}\n{}",
            self.action.as_str(),
            self.action.part_number(),
            self.repo,
            self.oid,
            self.size_bytes,
            self.expires.0
        )
    }

    /// The query that makes the object's URL work on its own.
    pub(crate) fn query(&self, key: &SigningKey) -> String {
        let mut query = format!("size={}&expires={}", self.size_bytes, self.expires.0);
        if let Some(token) = self.token {
            write!(query, "&token={token}").unwrap_or_default();
        }
        if let Some(InParts { upload, part_bytes }) = self.in_parts {
            write!(query, "&upload={upload}&part={part_bytes}").unwrap_or_default();
        }
        write!(query, "&sig={}", key.sign(&self.signed_text())).unwrap_or_default();
        query
    }

    /// Reads a query and checks its signature. Everything the query does not say comes from the request
    /// itself. The caller asks whether the link [has expired](Self::is_fresh).
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anything but an unaltered link.
    pub(crate) fn read(
        (action, repo, oid): (Action, RepoId, Sha256),
        query: &str,
        key: &SigningKey,
    ) -> Result<Self> {
        // The same words whatever is wrong: they must not tell whether the repository exists.
        let refuse = Error::bad_link;
        let (mut size_bytes, mut expires, mut token, mut sig) = (None, None, None, None);
        let (mut upload, mut part_bytes) = (None, None);
        for (name, value) in query_pairs(query) {
            match name {
                "size" => size_bytes = value.parse().ok(),
                "expires" => expires = value.parse().ok().map(UnixMillis),
                "token" => token = Some(TokenId(value.parse().ok().ok_or_else(refuse)?)),
                "upload" => upload = Some(UploadId(value.parse().ok().ok_or_else(refuse)?)),
                "part" => part_bytes = Some(value.parse().ok().ok_or_else(refuse)?),
                "sig" => sig = Some(value),
                _ => {}
            }
        }
        let (Some(size_bytes), Some(expires), Some(sig)) = (size_bytes, expires, sig) else {
            return Err(refuse());
        };
        let in_parts = upload.zip(part_bytes).map(|(upload, part_bytes)| InParts { upload, part_bytes });
        let link = Self { action, repo, oid, size_bytes, token, in_parts, expires };
        if key.verify(&link.signed_text(), sig) { Ok(link) } else { Err(refuse()) }
    }

    /// [`Link::read`] of a link that has not expired.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anything but an unexpired, unaltered link.
    pub(crate) fn check(
        wanted: (Action, RepoId, Sha256),
        query: &str,
        key: &SigningKey,
        now: UnixMillis,
    ) -> Result<Self> {
        let link = Self::read(wanted, query, key)?;
        if link.is_fresh(now) { Ok(link) } else { Err(Self::expired()) }
    }

    /// Whether it has not expired by itself.
    pub(crate) fn is_fresh(&self, now: UnixMillis) -> bool {
        self.expires > now
    }

    pub(crate) fn expired() -> Error {
        Error::new(Kind::Forbidden, "this link has expired; ask for a new one")
    }
}

/// Our own queries need no decoding: digits and URL-safe base64 only.
mod percent {
    pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
        query.split('&').filter_map(|pair| pair.split_once('='))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn link() -> Link {
        Link {
            action: Action::Part(2),
            repo: RepoId(7),
            oid: Sha256::new([1; 32]),
            size_bytes: 12,
            token: Some(TokenId(3)),
            in_parts: Some(InParts { upload: UploadId(5), part_bytes: 8 }),
            expires: NOW.plus_seconds(LINK_SECONDS),
        }
    }

    #[test]
    fn a_link_allows_exactly_what_was_signed() {
        let key = SigningKey::new(&[9; 32]).expect("key");
        let link = link();
        let query = link.query(&key);
        let wanted = (Action::Part(2), RepoId(7), Sha256::new([1; 32]));
        assert_eq!(Link::check(wanted, &query, &key, NOW).expect("valid"), link);
        let other = [
            ((Action::Download, wanted.1, wanted.2), query.clone()),
            ((Action::Upload, wanted.1, wanted.2), query.clone()),
            ((Action::Complete, wanted.1, wanted.2), query.clone()),
            ((Action::Part(1), wanted.1, wanted.2), query.clone()),
            ((wanted.0, RepoId(8), wanted.2), query.clone()),
            ((wanted.0, wanted.1, Sha256::new([2; 32])), query.clone()),
            (wanted, query.replace("size=12", "size=13")),
            (wanted, query.replace("token=3", "token=4")),
            (wanted, query.replace("&token=3", "")),
            (wanted, query.replace("upload=5", "upload=6")),
            (wanted, query.replace("part=8", "part=9")),
            (wanted, query.replace("&part=8", "")),
            (wanted, query.replace("expires=", "expires=9")),
            (wanted, query.replace("&sig=", "&sig=x")),
            (wanted, String::new()),
        ];
        for (what, query) in other {
            assert!(Link::check(what, &query, &key, NOW).is_err(), "{what:?} {query}");
        }
        assert!(Link::check(wanted, &query, &key, link.expires).is_err());
        assert_eq!(Link::read(wanted, &query, &key).expect("signed"), link);
        let other_key = SigningKey::new(&[8; 32]).expect("key");
        assert!(Link::check(wanted, &query, &other_key, NOW).is_err());
    }
}
