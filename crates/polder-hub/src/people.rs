//! What others may know of an account.

use polder_db::AccountKind;
use polder_types::{AccountName, RepoKind, UnixMillis};

use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Result};

/// Most organisations, and most members, that are named.
const NAMED_MAX: i64 = 1_000;

/// An account as others see it. Who belongs to an organisation is shown to its members only.
#[derive(Debug, Clone)]
pub struct AccountOverview {
    /// Its name.
    pub name: AccountName,
    /// When it was added.
    pub created: UnixMillis,
    /// How many models it has that the caller may read.
    pub models: i64,
    /// How many datasets.
    pub datasets: i64,
    /// How many spaces.
    pub spaces: i64,
    /// How many repositories it likes.
    pub likes: i64,
    /// How many discussions it opened in repositories that the caller reads as one of their owners or as anyone.
    pub discussions: i64,
    /// For a user, the organisations that it shares with the caller.
    pub orgs: Vec<AccountName>,
    /// For an organisation, its members, if the caller is one.
    pub members: Vec<AccountName>,
}

impl Hub {
    /// The overview of a user, or of an organisation.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when there is no such account of that kind.
    pub async fn account_overview(
        &self,
        principal: &Principal,
        name: &AccountName,
        is_org: bool,
    ) -> Result<AccountOverview> {
        let account = self.account(name).await?;
        if is_org != (account.kind == AccountKind::Org) {
            let what = if is_org { "organisation" } else { "user" };
            return Err(Error::not_found(format!("there is no {what} `{name}`")));
        }
        let token = principal.token().filter(|token| token.repos.is_none());
        let belongs = match token {
            Some(token) => self.account_role(&token.account, account.id).await?.is_some(),
            None => false,
        };
        let (mut orgs, mut members) = (Vec::new(), Vec::new());
        if is_org && belongs {
            members =
                self.db.list_members(account.id, "", NAMED_MAX).await?.into_iter().map(|m| m.user).collect();
        } else if let Some(token) = token.filter(|_| !is_org) {
            for (org, _) in self.db.orgs_of(account.id, NAMED_MAX).await? {
                let id = self.account(&org).await?.id;
                if self.account_role(&token.account, id).await?.is_some() {
                    orgs.push(org);
                }
            }
        }
        let (created, likes) = self.db.account_facts(account.id).await?;
        let is_admin = token.is_some_and(|token| token.account.is_admin);
        let discussions =
            self.db.count_discussions(account.id, is_admin, token.map(|token| token.account.id)).await?;
        let counts = self.db.count_repos(account.id, belongs).await?;
        let count = |kind| counts.iter().find(|(found, _)| *found == kind).map_or(0, |(_, count)| *count);
        let (models, datasets) = (count(RepoKind::Model), count(RepoKind::Dataset));
        let spaces = count(RepoKind::Space);
        let name = account.name;
        Ok(AccountOverview { name, created, models, datasets, spaces, likes, discussions, orgs, members })
    }
}
