//! Who there is: users, organisations with their members, and tokens, in lists for the operator.

use polder_db::AccountKind;
use polder_types::{AccountId, AccountName, RepoId, RepoName, Role, TokenId, UnixMillis};

use crate::Hub;
use crate::error::Result;

/// Rows read at a time.
const PAGE: i64 = 500;

/// A user in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSummary {
    /// The name as its owner writes it.
    pub name: AccountName,
    /// Whether the user may do everything on this hub.
    pub is_admin: bool,
    /// When the user was added.
    pub created: UnixMillis,
}

/// An organisation in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgSummary {
    /// The name as its owner writes it.
    pub name: AccountName,
    /// Its members and their roles, by name.
    pub members: Vec<(AccountName, Role)>,
    /// When it was added.
    pub created: UnixMillis,
}

/// A token in a listing. Its secret is not known to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSummary {
    /// What it is revoked by.
    pub id: TokenId,
    /// Whose it is.
    pub user: AccountName,
    /// The most it may do.
    pub scope: Role,
    /// The only repositories it is good for, by their names now, without deleted ones; `None` means all
    /// of the user's.
    pub repos: Option<Vec<RepoName>>,
    /// When it stops working, or stopped; `None` means never.
    pub expires: Option<UnixMillis>,
    /// When it was made.
    pub created: UnixMillis,
    /// The program that it was given to, where the hub did that by itself.
    pub name: Option<String>,
}

impl Hub {
    /// Every user, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_users(&self) -> Result<Vec<UserSummary>> {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.db.list_accounts(AccountKind::User, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.account.name.fold();
            found.extend(page.into_iter().map(|listed| UserSummary {
                name: listed.account.name,
                is_admin: listed.account.is_admin,
                created: listed.created,
            }));
        }
    }

    /// Every organisation with its members, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_orgs(&self) -> Result<Vec<OrgSummary>> {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.db.list_accounts(AccountKind::Org, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.account.name.fold();
            for listed in page {
                let members = self.list_members(listed.account.id).await?;
                found.push(OrgSummary { name: listed.account.name, members, created: listed.created });
            }
        }
    }

    async fn list_members(&self, org: AccountId) -> Result<Vec<(AccountName, Role)>> {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.db.list_members(org, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.user.fold();
            found.extend(page.into_iter().map(|member| (member.user, member.role)));
        }
    }

    /// Every token that was not revoked, of one user or of all, oldest first; expired ones too.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown user.
    pub async fn list_tokens(&self, user: Option<&AccountName>) -> Result<Vec<TokenSummary>> {
        let user = match user {
            Some(name) => Some(self.user(name).await?.id),
            None => None,
        };
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.db.list_tokens(user, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id);
            for token in page {
                let repos = match token.repos {
                    Some(ids) => Some(self.repo_names(&ids).await?),
                    None => None,
                };
                found.push(TokenSummary {
                    id: token.id,
                    user: token.account.name,
                    scope: token.scope,
                    repos,
                    expires: token.expires,
                    created: token.created,
                    name: token.name,
                });
            }
        }
    }

    async fn repo_names(&self, ids: &[RepoId]) -> Result<Vec<RepoName>> {
        let mut names = Vec::with_capacity(ids.len());
        for id in ids {
            names.extend(self.db.repo(*id).await?.map(|repo| repo.name));
        }
        Ok(names)
    }
}
