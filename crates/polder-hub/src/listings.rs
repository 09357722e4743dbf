//! What an account has, and what there is to look for.

use std::collections::HashMap;

use polder_db::{CatalogTag, StoredRepo};
use polder_types::{AccountName, RepoId, RepoKind};

use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Kind, Result};
use crate::tag_types::OTHER;

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

    /// The tags of public repositories of a kind, the most frequent first. One that some only have among their
    /// other tags is of the type that it has elsewhere.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn public_tags(&self, kind: RepoKind) -> Result<Vec<CatalogTag>> {
        Ok(once(self.db.public_tags(kind, TAGS_MAX).await?))
    }
}

/// Each tag once, where it first stands.
fn once(tags: Vec<CatalogTag>) -> Vec<CatalogTag> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<CatalogTag> = Vec::new();
    for new in tags {
        let known = places.get(&new.tag).and_then(|at| all.get_mut(*at));
        match known {
            Some(known) if known.kind == OTHER => known.kind = new.kind,
            Some(_) => {}
            None => {
                places.insert(new.tag.clone(), all.len());
                all.push(new);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_listed_once_with_the_first_type_that_says_something() {
        let tag = |tag: &str, kind: &str| CatalogTag { tag: tag.to_owned(), kind: kind.to_owned() };
        let found =
            [tag("en", OTHER), tag("x", OTHER), tag("en", "language"), tag("en", "library"), tag("x", OTHER)];
        assert_eq!(once(found.to_vec()), [tag("en", "language"), tag("x", OTHER)]);
    }
}
