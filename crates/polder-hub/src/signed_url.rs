//! Links to large objects that carry their own permission, because some clients send no header.

use std::fmt::Write as _;

use percent::query_pairs;
use polder_types::{AccountId, RepoId, Sha256, TokenId, UnixMillis};

use crate::error::{Error, Kind, Result};
use crate::secret::SigningKey;

/// How long a link works, in seconds. It is checked when a transfer starts, not while it runs.
const LINK_SECONDS: i64 = 900;
/// How long an upload can be confirmed by its link, in seconds: longer than the slowest upload. It only
/// tells the uploader whether what it sent is here.
const VERIFY_SECONDS: i64 = 24 * 3600;

/// What a link allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Download,
    Upload,
    Verify,
}

impl Action {
    /// How long a link for it works, in seconds.
    pub(crate) fn lifetime_seconds(self) -> i64 {
        match self {
            Self::Download | Self::Upload => LINK_SECONDS,
            Self::Verify => VERIFY_SECONDS,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Download => "get",
            Self::Upload => "put",
            Self::Verify => "verify",
        }
    }
}

/// Everything a signature binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) action: Action,
    pub(crate) repo: RepoId,
    pub(crate) oid: Sha256,
    pub(crate) size_bytes: u64,
    pub(crate) actor: Option<AccountId>,
    /// The token it was asked for with, for the audit log.
    pub(crate) token: Option<TokenId>,
    pub(crate) expires: UnixMillis,
}

impl Link {
    fn signed_text(&self) -> String {
        let (actor, token) = (self.actor.map_or(0, |id| id.0), self.token.map_or(0, |id| id.0));
        format!(
            "polder/lfs/2\n{}\n{}\n{}\n{}\n{actor}\n{token}\n{}",
            self.action.as_str(),
            self.repo,
            self.oid,
            self.size_bytes,
            self.expires.0
        )
    }

    /// The query that makes the object's URL work on its own.
    pub(crate) fn query(&self, key: &SigningKey) -> String {
        let mut query = format!("size={}&expires={}", self.size_bytes, self.expires.0);
        if let Some(actor) = self.actor {
            write!(query, "&actor={actor}").unwrap_or_default();
        }
        if let Some(token) = self.token {
            write!(query, "&token={token}").unwrap_or_default();
        }
        write!(query, "&sig={}", key.sign(&self.signed_text())).unwrap_or_default();
        query
    }

    /// Reads and checks a query. Everything the query does not say comes from the request itself.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for anything but an unexpired, unaltered link.
    pub(crate) fn check(
        (action, repo, oid): (Action, RepoId, Sha256),
        query: &str,
        key: &SigningKey,
        now: UnixMillis,
    ) -> Result<Self> {
        // The same words whatever is wrong: they must not tell whether the repository exists.
        let refuse = Error::bad_link;
        let (mut size_bytes, mut expires, mut sig) = (None, None, None);
        let (mut actor, mut token) = (None, None);
        for (name, value) in query_pairs(query) {
            match name {
                "size" => size_bytes = value.parse().ok(),
                "expires" => expires = value.parse().ok().map(UnixMillis),
                "actor" => actor = Some(AccountId(value.parse().ok().ok_or_else(refuse)?)),
                "token" => token = Some(TokenId(value.parse().ok().ok_or_else(refuse)?)),
                "sig" => sig = Some(value),
                _ => {}
            }
        }
        let (Some(size_bytes), Some(expires), Some(sig)) = (size_bytes, expires, sig) else {
            return Err(refuse());
        };
        let link = Self { action, repo, oid, size_bytes, actor, token, expires };
        if !key.verify(&link.signed_text(), sig) {
            return Err(refuse());
        }
        if expires > now {
            return Ok(link);
        }
        Err(Error::new(Kind::Forbidden, "this link has expired; ask for a new one"))
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
            action: Action::Upload,
            repo: RepoId(7),
            oid: Sha256::new([1; 32]),
            size_bytes: 12,
            actor: Some(AccountId(3)),
            token: Some(TokenId(5)),
            expires: NOW.plus_seconds(LINK_SECONDS),
        }
    }

    #[test]
    fn a_link_allows_exactly_what_was_signed() {
        let key = SigningKey::new(&[9; 32]).expect("key");
        let link = link();
        let query = link.query(&key);
        let wanted = (Action::Upload, RepoId(7), Sha256::new([1; 32]));
        assert_eq!(Link::check(wanted, &query, &key, NOW).expect("valid"), link);
        let other = [
            ((Action::Download, wanted.1, wanted.2), query.clone()),
            ((wanted.0, RepoId(8), wanted.2), query.clone()),
            ((wanted.0, wanted.1, Sha256::new([2; 32])), query.clone()),
            (wanted, query.replace("size=12", "size=13")),
            (wanted, query.replace("actor=3", "actor=4")),
            (wanted, query.replace("&actor=3", "")),
            (wanted, query.replace("token=5", "token=6")),
            (wanted, query.replace("&token=5", "")),
            (wanted, query.replace("expires=", "expires=9")),
            (wanted, query.replace("&sig=", "&sig=x")),
            (wanted, String::new()),
        ];
        for (what, query) in other {
            assert!(Link::check(what, &query, &key, NOW).is_err(), "{what:?} {query}");
        }
        assert!(Link::check(wanted, &query, &key, link.expires).is_err());
        let other_key = SigningKey::new(&[8; 32]).expect("key");
        assert!(Link::check(wanted, &query, &other_key, NOW).is_err());
    }
}
