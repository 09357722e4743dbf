//! Tokens for the chunks of one repository: signed, and good for a quarter of an hour.
//!
//! A token says for whom it was made and for what. What that one may do is asked again each time it is
//! used, so a right that is taken away is gone at once.

use std::net::IpAddr;

use polder_types::{RepoId, TokenId, UnixMillis};

use crate::Hub;
use crate::access::{Contribute, Contributes, Grant, Principal, Read};
use crate::audit::RequestOrigin;
use crate::error::{Error, Kind, Result};
use crate::secret::{Secret, SigningKey};

/// How long a token works, in seconds. Clients ask for the next one a minute before.
const TOKEN_SECONDS: i64 = 900;
/// Longest text that is read as a token, in bytes.
const TOKEN_BYTES_MAX: usize = 200;
/// What every token starts with.
const PREFIX: &str = "pldx_";

/// A token for the chunks of a repository.
#[derive(Debug, Clone)]
pub struct XetToken {
    /// What the client shows.
    pub secret: Secret,
    /// When it stops working.
    pub expires: UnixMillis,
    /// The word of the CAS's URL under which the client keeps what it sends, if it sends anything.
    pub memory: Option<String>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    /// It includes reading.
    Write,
}

impl Use {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "w",
        }
    }
}

/// Everything a signature binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    for_use: Use,
    repo: RepoId,
    /// The access token that it was given for, if there was one.
    token: Option<TokenId>,
    expires: UnixMillis,
}

impl Claim {
    fn text(&self) -> String {
        let token = self.token.map_or(0, |id| id.0);
        format!("{}.{}.{token}.{}", self.for_use.as_str(), self.repo, self.expires.0)
    }

    fn signed(&self, key: &SigningKey) -> Secret {
        let text = self.text();
        let signature = key.sign(&format!("polder/xet-token/1\n{text}"));
        Secret::new(format!("{PREFIX}{text}.{signature}"))
    }

    /// Reads a token that was signed here; whether it has expired is asked elsewhere.
    fn read(token: &str, key: &SigningKey) -> Option<Self> {
        let (text, signature) = token.strip_prefix(PREFIX)?.rsplit_once('.')?;
        if token.len() > TOKEN_BYTES_MAX || !key.verify(&format!("polder/xet-token/1\n{text}"), signature) {
            return None;
        }
        let mut words = text.split('.');
        let for_use = match words.next()? {
            "r" => Use::Read,
            "w" => Use::Write,
            _ => return None,
        };
        let mut number = || words.next()?.parse::<i64>().ok();
        let (repo, token, expires) = (RepoId(number()?), number()?, UnixMillis(number()?));
        Some(Self { for_use, repo, token: (token != 0).then_some(TokenId(token)), expires })
    }
}

impl Hub {
    /// A token to read the chunks of a repository.
    pub fn xet_read_token(&self, grant: &Grant<Read>) -> XetToken {
        self.xet_token(Use::Read, grant, None)
    }

    /// A token to read and write the chunks of a repository.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn xet_write_token<L: Contributes>(&self, grant: &Grant<L>) -> Result<XetToken> {
        Ok(self.xet_token(Use::Write, grant, Some(self.xet_memory(grant).await?)))
    }

    fn xet_token<L>(&self, for_use: Use, grant: &Grant<L>, memory: Option<String>) -> XetToken {
        let token = grant.principal().token().map(|token| token.id);
        let expires = self.clock.now().plus_seconds(TOKEN_SECONDS);
        let claim = Claim { for_use, repo: grant.repo_id(), token, expires };
        XetToken { secret: claim.signed(&self.keys.url), expires, memory }
    }

    /// Permission to read by a token from [`Hub::xet_read_token`] or [`Hub::xet_write_token`].
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] for a token that is altered or expired; [`Kind::Forbidden`] when its holder
    /// may not read the repository any more.
    pub async fn xet_reader(&self, token: &Secret, address: Option<IpAddr>) -> Result<Grant<Read>> {
        let claim = self.claim(token)?;
        let principal = self.claimant(claim, address).await?;
        self.read_again(&principal, claim.repo).await
    }

    /// Permission to contribute by a token from [`Hub::xet_write_token`].
    ///
    /// # Errors
    /// As [`Hub::xet_reader`]; [`Kind::Forbidden`] also for a token to read.
    pub async fn xet_writer(&self, token: &Secret, address: Option<IpAddr>) -> Result<Grant<Contribute>> {
        let claim = self.claim(token)?;
        if claim.for_use != Use::Write {
            return Err(Error::new(Kind::Forbidden, "this token is for reading only"));
        }
        let principal = self.claimant(claim, address).await?;
        self.contribute_again(&principal, claim.repo).await
    }

    fn claim(&self, token: &Secret) -> Result<Claim> {
        let claim = Claim::read(token.reveal(), &self.keys.url);
        let claim = claim.filter(|claim| claim.expires > self.clock.now());
        claim.ok_or_else(|| {
            Error::new(Kind::Unauthenticated, "this token is not valid here; ask for a new one")
        })
    }

    async fn claimant(&self, claim: Claim, address: Option<IpAddr>) -> Result<Principal> {
        let Some(id) = claim.token else {
            return Ok(Principal::anonymous_at(address, RequestOrigin::current()));
        };
        let holder = self.token_holder(id).await?;
        holder.ok_or_else(|| Error::new(Kind::Unauthenticated, "the access token behind this one is gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_signed_and_no_other_is() {
        let key = SigningKey::new(&[9; 32]).expect("key");
        let claims = [
            Claim { for_use: Use::Read, repo: RepoId(7), token: None, expires: UnixMillis(5) },
            Claim { for_use: Use::Write, repo: RepoId(7), token: Some(TokenId(3)), expires: UnixMillis(5) },
        ];
        for claim in claims {
            let token = claim.signed(&key).reveal().to_owned();
            assert_eq!(Claim::read(&token, &key), Some(claim));
            assert_eq!(Claim::read(&token, &SigningKey::new(&[8; 32]).expect("key")), None);
            for at in PREFIX.len()..token.len() {
                let mut altered = token.clone().into_bytes();
                altered[at] = if altered[at] == b'1' { b'2' } else { b'1' };
                let altered = String::from_utf8(altered).expect("ASCII");
                assert_eq!(Claim::read(&altered, &key), None, "{altered}");
            }
        }
        for not_one in ["", PREFIX, "pldx_w.7.3.5.", "pldx_.....", &"pldx_".repeat(100)] {
            assert_eq!(Claim::read(not_one, &key), None, "{not_one}");
        }
        let of_a_link = format!("{PREFIX}w.7.3.5.{}", key.sign("w.7.3.5"));
        assert_eq!(Claim::read(&of_a_link, &key), None, "signatures of other texts do not count");
    }
}
