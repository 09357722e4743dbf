//! A token is given another secret; the one before works no longer.

use polder_db::Refreshed;

use super::code::RefreshToken;
use super::{Issued, NewSecrets, NoToken, client};
use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::Result;
use crate::secret::Secret;

/// The one answer to what is unknown, over, revoked or used before.
const NOT_VALID: NoToken =
    NoToken::BadGrant("this refresh token is not valid here, or no longer; log in again");

impl Hub {
    /// Renews a token. What renewed it once already is somebody else's, too: the token is revoked then.
    ///
    /// # Errors
    /// As [`NoToken`] says.
    pub async fn refresh_login(&self, refresh: &Secret, client_id: &str) -> Result<Issued, NoToken> {
        let client = client(client_id)?.to_owned();
        let Some(shown) = RefreshToken::read(refresh) else { return Err(NOT_VALID) };
        let secrets = NewSecrets::new(shown.next()?, self.clock.now())?;
        let (hub, stored) = (self.clone(), secrets.stored());
        let refreshed = to_the_end(async move {
            let db = hub.audited(Entry::anonymous("token.refresh"));
            let refreshed = db.refresh_token(shown.latest(), client, stored).await?;
            hub.tokens.clear();
            Ok(refreshed)
        });
        match refreshed.await? {
            Refreshed::Renewed(expires) => Ok(secrets.issued(expires)),
            Refreshed::Reused(token) => {
                tracing::warn!(%token, "a refresh token was used twice; what it renews is revoked");
                Err(NOT_VALID)
            }
            Refreshed::Unknown => Err(NOT_VALID),
        }
    }
}
