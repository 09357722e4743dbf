//! What the holder of a token may know about itself.

use polder_types::{AccountName, Role, TokenId, UnixMillis};

use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Result};

/// Most organisations that are listed.
const ORGS_MAX: i64 = 1_000;

/// The account behind a token.
#[derive(Debug, Clone)]
pub struct Whoami {
    /// Its name.
    pub name: AccountName,
    /// Whether it may do everything on this hub.
    pub is_admin: bool,
    /// The organisations it belongs to, and as what.
    pub orgs: Vec<(AccountName, Role)>,
    /// The token.
    pub token: TokenId,
    /// The most the token may do.
    pub scope: Role,
    /// Whether the token is for some repositories only.
    pub is_limited: bool,
    /// When the token was made.
    pub token_created: UnixMillis,
}

impl Hub {
    /// Who is asking.
    ///
    /// # Errors
    /// [`crate::Kind::Unauthenticated`] without credentials.
    pub async fn whoami(&self, principal: &Principal) -> Result<Whoami> {
        let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
        Ok(Whoami {
            name: token.account.name.clone(),
            is_admin: token.account.is_admin,
            orgs: self.db.orgs_of(token.account.id, ORGS_MAX).await?,
            token: token.id,
            scope: token.scope,
            is_limited: token.repos.is_some(),
            token_created: token.created,
        })
    }
}
