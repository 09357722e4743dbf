//! Users, organisations, memberships and access tokens, as the operator makes and ends them.

use polder_db::{Account, AccountKind, NewToken};
use polder_types::{AccountName, RepoId, RepoName, Role, TokenId};

use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::secret::{Secret, new_token};

/// What a new token may do.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Whose it is.
    pub user: AccountName,
    /// The most it may do.
    pub scope: Role,
    /// The only repositories it is good for; empty means all of the user's.
    pub repos: Vec<RepoName>,
    /// How long it lives, in seconds; `None` means until revoked.
    pub lifetime_seconds: Option<i64>,
}

impl Hub {
    /// Whether any user is an administrator of the hub.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_any_admin(&self) -> Result<bool> {
        Ok(self.db.has_any_admin().await?)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when the name is taken, ignoring case; [`Kind::Invalid`] for one of another hub.
    pub async fn add_user(&self, name: &AccountName, admin: bool) -> Result<()> {
        require_own(name)?;
        let entry = Entry::operator("user.add").with("user", name.as_str()).with("admin", admin);
        let (hub, name) = (self.clone(), name.clone());
        to_the_end(async move {
            hub.audited(entry).add_user(&name, admin).await.map_err(|error| taken(error, &name))?;
            // It may have been the short name of another hub's namespace until now.
            hub.names.clear();
            Ok(())
        })
        .await
    }

    /// Adds an administrator unless there is one; says whether it did.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when the name is taken, ignoring case.
    pub async fn add_first_admin(&self, name: &AccountName) -> Result<bool> {
        require_own(name)?;
        let entry = Entry::operator("user.add").with("user", name.as_str()).with("admin", true);
        self.audited(entry).add_first_admin(name).await.map_err(|error| taken(error, name))
    }

    /// Adds an organisation whose first administrator is `owner`.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when the name is taken; [`Kind::NotFound`] for an unknown owner.
    pub async fn add_org(&self, name: &AccountName, owner: &AccountName) -> Result<()> {
        require_own(name)?;
        let owner = self.user(owner).await?;
        let (hub, name) = (self.clone(), name.clone());
        to_the_end(async move {
            let entry = Entry::operator("org.add").with("org", name.as_str());
            let db = hub.audited(entry.with("owner", owner.name.as_str()));
            db.add_org(&name, owner.id).await.map_err(|error| taken(error, &name))?;
            hub.members.clear();
            hub.names.clear();
            Ok(())
        })
        .await
    }

    /// Gives a user a role in an organisation, replacing the one it has.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when either is unknown.
    pub async fn set_member(&self, org: &AccountName, user: &AccountName, role: Role) -> Result<()> {
        let user = self.user(user).await?;
        let org = self.account(org).await?;
        require_own(&org.name)?;
        if org.kind != AccountKind::Org {
            return Err(Error::invalid(format!("`{}` is a user, not an organisation", org.name)));
        }
        let hub = self.clone();
        to_the_end(async move {
            let entry = Entry::operator("org.member").with("org", org.name.as_str());
            let entry = entry.with("user", user.name.as_str()).with("role", role.as_str());
            hub.audited(entry).set_member(org.id, user.id, role).await?;
            hub.members.clear();
            Ok(())
        })
        .await
    }

    /// Makes an access token. Only its hash is kept: this is the one time it can be shown.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown user or repository.
    pub async fn add_token(&self, request: TokenRequest) -> Result<Secret> {
        let user = self.user(&request.user).await?;
        let mut repos: Vec<RepoId> = Vec::with_capacity(request.repos.len());
        for name in &request.repos {
            repos.push(self.live_repo(name).await?.id);
        }
        let token = new_token()?;
        let row = NewToken {
            account: user.id,
            hash: token.hash(),
            scope: request.scope,
            repos: (!repos.is_empty()).then_some(repos),
            expires: request.lifetime_seconds.map(|seconds| self.clock.now().plus_seconds(seconds)),
            name: None,
        };
        let names: Vec<String> = request.repos.iter().map(ToString::to_string).collect();
        let entry = Entry::operator("token.add").with("user", user.name.as_str());
        let entry = entry.with("scope", request.scope.as_str()).with("repos", names);
        let hub = self.clone();
        to_the_end(async move {
            hub.audited(entry).add_token(row).await?;
            hub.tokens.clear();
            Ok(token)
        })
        .await
    }

    /// Takes a token back, for good and at once: the next request with it is refused.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such token.
    pub async fn revoke_token(&self, id: TokenId) -> Result<()> {
        let hub = self.clone();
        to_the_end(async move {
            let entry = Entry::operator("token.revoke").with("token", id.to_string());
            hub.audited(entry).revoke_token(id).await.map_err(|error| match error {
                polder_db::Error::NotFound { .. } => Error::not_found(format!("there is no token `{id}`")),
                error => error.into(),
            })?;
            hub.tokens.clear();
            Ok(())
        })
        .await
    }

    pub(crate) async fn user(&self, name: &AccountName) -> Result<Account> {
        let account = self.account(name).await?;
        if account.kind == AccountKind::User {
            return Ok(account);
        }
        Err(Error::invalid(format!("`{name}` is an organisation, not a user")))
    }

    pub(crate) async fn account(&self, name: &AccountName) -> Result<Account> {
        let account = self.db.find_account(&name.fold()).await?;
        account.ok_or_else(|| Error::not_found(format!("there is no account `{name}`")))
    }
}

/// Accounts of other hubs are made, and have members, only there.
fn require_own(name: &AccountName) -> Result<()> {
    if name.is_remote() {
        return Err(Error::invalid(format!("`{name}` has a dot: such names are for accounts of other hubs")));
    }
    Ok(())
}

fn taken(error: polder_db::Error, name: &AccountName) -> Error {
    match error {
        polder_db::Error::Conflict { .. } => {
            Error::new(Kind::Conflict, format!("the name `{name}` is taken"))
        }
        error => error.into(),
    }
}
