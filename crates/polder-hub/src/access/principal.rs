//! Who is asking, by what came with the request.

use std::net::IpAddr;

use polder_db::Token;
use polder_types::{AccountId, Role, TokenId};

use crate::Hub;
use crate::admission::Client;
use crate::audit::{Entry, RequestOrigin};
use crate::error::{Error, Kind, Result};
use crate::secret::{Secret, looks_like_token};

/// What a failed authentication is called in the audit log.
const LOGIN: &str = "login";

/// What came with a request, whatever header it came in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// An access token: a Bearer token, or the password of Basic with any user name.
    Token(Secret),
}

/// Who is asking, and in which request.
#[derive(Debug, Clone)]
pub struct Principal {
    token: Option<Token>,
    address: Option<IpAddr>,
    origin: Option<RequestOrigin>,
}

impl Principal {
    /// Someone without credentials, from nowhere in particular.
    pub const ANONYMOUS: Self = Self { token: None, address: None, origin: None };

    /// Someone without credentials.
    pub(crate) fn anonymous_at(address: Option<IpAddr>, origin: Option<RequestOrigin>) -> Self {
        Self { token: None, address, origin }
    }

    /// Whether no credentials were given.
    pub fn is_anonymous(&self) -> bool {
        self.token.is_none()
    }

    /// Whose transfers count together: an account's, or those of an address without one.
    pub(super) fn client(&self) -> Option<Client> {
        self.account_id().map(Client::Account).or(self.address.map(Client::at))
    }

    /// Name of the account, for the log and for greetings.
    pub fn name(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.account.name.as_str())
    }

    /// Whether this is an administrator of the hub with a token that may do everything.
    pub fn is_admin(&self) -> bool {
        self.token.as_ref().is_some_and(|token| {
            token.account.is_admin && token.scope == Role::Admin && token.repos.is_none()
        })
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The token, unless it is for some repositories only.
    pub(crate) fn unbound(&self) -> Option<&Token> {
        self.token().filter(|token| token.repos.is_none())
    }

    pub(crate) fn origin(&self) -> Option<&RequestOrigin> {
        self.origin.as_ref()
    }

    pub(crate) fn account_id(&self) -> Option<AccountId> {
        self.token.as_ref().map(|token| token.account.id)
    }
}

impl Hub {
    /// Turns credentials into a principal. `address` is the client's, if it is known.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] for a token that is unknown, expired or revoked: all three alike.
    /// [`Kind::Throttled`] after too many of them from one address; a valid token that is in use here
    /// is still taken then, so that those who share an address with the culprit go on working.
    pub async fn authenticate(&self, credentials: Credentials, address: Option<IpAddr>) -> Result<Principal> {
        let principal = |token| Principal { token, address, origin: RequestOrigin::current() };
        let Credentials::Token(secret) = credentials else { return Ok(principal(None)) };
        let now = self.clock.now();
        // Looked up by its hash: how long that takes says nothing about the digits of another token.
        let hash = secret.hash();
        let in_use = self.tokens.held(&hash).flatten().filter(|token| self.is_good(token));
        if in_use.is_some() {
            return Ok(principal(in_use));
        }
        self.logins.check(address, now)?;
        let known = if looks_like_token(&secret) {
            self.tokens.get(hash, self.db.find_token(&hash)).await?
        } else {
            None
        };
        if known.as_ref().is_some_and(|token| self.is_good(token)) {
            return Ok(principal(known));
        }
        self.logins.failed(address, now);
        let error = Error::new(Kind::Unauthenticated, "this access token is not valid here");
        let is_over = known.is_some();
        let entry = Entry::of(&principal(known), LOGIN).with("is_expired_or_revoked", is_over);
        self.record_refusal(entry, &error).await;
        Err(error)
    }

    /// The holder of a token that a signed link names, as long as the token is good.
    pub(crate) async fn token_holder(&self, id: TokenId) -> Result<Option<Principal>> {
        let token = self.db.token(id).await?.filter(|token| self.is_good(token));
        let principal =
            |token| Principal { token: Some(token), address: None, origin: RequestOrigin::current() };
        Ok(token.map(principal))
    }

    fn is_good(&self, token: &Token) -> bool {
        !token.revoked && token.expires.is_none_or(|end| end > self.clock.now())
    }
}
