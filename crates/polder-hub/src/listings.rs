//! What an account has, and what there is to look for.

use polder_db::StoredRepo;
use polder_types::{AccountName, RepoId, RepoKind};

use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Kind, Result};

/// Repositories of a page, and most tags that are listed.
const PAGE: usize = 500;
const TAGS_MAX: i64 = 10_000;

impl Hub {
    /// One page of the repositories of the caller, or of an organisation that the caller belongs to, with what
    /// each takes; and what to pass as `after` for the next.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without credentials; [`Kind::Forbidden`] for another's, and with a token for
    /// some repositories.
    pub async fn stored_repos(
        &self,
        principal: &Principal,
        organization: Option<&str>,
        after: Option<i64>,
    ) -> Result<(Vec<StoredRepo>, Option<i64>)> {
        let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
        let refused = || Error::new(Kind::Forbidden, "this token may not see what that account stores");
        if token.repos.is_some() {
            return Err(refused());
        }
        let namespace = match organization {
            None => token.account.id,
            Some(name) => {
                let name: AccountName = name.parse().map_err(|_why| refused())?;
                let account = self.db.find_account(&name.fold()).await?.ok_or_else(refused)?;
                self.account_role(&token.account, account.id).await?.ok_or_else(refused)?;
                account.id
            }
        };
        let limit = i64::try_from(PAGE).map_err(Error::internal)?;
        let found = self.db.stored_repos(namespace, after.map(RepoId), limit).await?;
        let next = found.last().filter(|_| found.len() == PAGE).map(|last| last.repo.id.0);
        let mut shown = Vec::with_capacity(found.len());
        for one in found {
            if self.role(principal, &one.repo).await?.is_some() {
                shown.push(one);
            }
        }
        Ok((shown, next))
    }

    /// The tags of public repositories of a kind, the most frequent first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn public_tags(&self, kind: RepoKind) -> Result<Vec<String>> {
        Ok(self.db.public_tags(kind, TAGS_MAX).await?)
    }
}
