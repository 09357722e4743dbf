//! The hub's account with the authority.

use instant_acme::{Account, AccountCredentials, NewAccount};

use super::Acme;
use crate::Error;

/// Source: RFC 8555 §6.7.
const LOST: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

impl Acme {
    /// The account of before, or a new one whose key is on disk before it is used.
    pub(super) async fn account(&self) -> Result<Account, Error> {
        let builder = Account::builder_with_http(Box::new(self.https.clone()));
        let failed = |error| self.error("gives no account").caused_by(error);
        if let Some(kept) = self.shelf.account()? {
            let credentials: AccountCredentials = serde_json::from_slice(&kept)
                .map_err(|error| self.error("the account kept for it cannot be read").caused_by(error))?;
            return builder.from_credentials(credentials).await.map_err(failed);
        }
        let contact: Vec<&str> = self.options.contact.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let created = builder.create(&wanted, self.options.directory.clone(), None).await;
        let (account, credentials) = created.map_err(failed)?;
        let text = serde_json::to_vec(&credentials)
            .map_err(|error| self.error("its account cannot be kept").caused_by(error))?;
        self.shelf.keep_account(&text)?;
        tracing::info!(directory = self.options.directory, "made an ACME account");
        Ok(account)
    }

    /// Forgets an account that the authority no longer has, so that the next try makes another.
    pub(super) fn forget_lost_account(&self, error: &instant_acme::Error) {
        let instant_acme::Error::Api(problem) = error else { return };
        if problem.r#type.as_deref() == Some(LOST) {
            tracing::warn!(directory = self.options.directory, "the authority does not know our account");
            self.shelf.forget_account();
        }
    }
}
