//! What others may know of an account.

use polder_db::AccountKind;
use polder_types::{AccountId, AccountName, RepoKind, UnixMillis};

use crate::Hub;
use crate::access::Principal;
use crate::catalog::{cut, rows_for};
use crate::error::{Error, Result};

/// Most organisations that are named.
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
    /// For an organisation, how many belong to it, if the caller does.
    pub members: Option<i64>,
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
        let token = principal.unbound();
        let belongs = self.belongs(principal, account.id).await?;
        let (mut orgs, mut members) = (Vec::new(), None);
        if is_org && belongs {
            members = Some(self.db.count_members(account.id).await?);
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

    /// A page of those who belong to an organisation, if the caller does, and the cursor of the next one.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when there is no such organisation; [`crate::Kind::Invalid`] for a cursor that is
    /// none.
    pub async fn members(
        &self,
        principal: &Principal,
        org: &AccountName,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<AccountName>, Option<String>)> {
        let account = self.account(org).await?;
        if account.kind != AccountKind::Org {
            return Err(Error::not_found(format!("there is no organisation `{org}`")));
        }
        if !self.belongs(principal, account.id).await? {
            return Ok((Vec::new(), None));
        }
        let after = cursor.map(str::parse::<AccountName>).transpose();
        let after =
            after.map_err(|why| Error::invalid(format!("this is no cursor of a list of members: {why}")))?;
        let after = after.map(|name| name.fold()).unwrap_or_default();
        let mut page = self.db.list_members(account.id, &after, rows_for(limit)).await?;
        let next = cut(&mut page, limit).map(|last| last.user.fold());
        Ok((page.into_iter().map(|member| member.user).collect(), next))
    }

    /// Whether the caller is an account, or belongs to it.
    async fn belongs(&self, principal: &Principal, account: AccountId) -> Result<bool> {
        match principal.unbound() {
            Some(token) => Ok(self.account_role(&token.account, account).await?.is_some()),
            None => Ok(false),
        }
    }
}
