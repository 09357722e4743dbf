//! What an account may know of a repository and do with it.

use polder_db::{Account, AccountKind, NameState, Repo};
use polder_types::{AccountId, RepoName, Role, Visibility};

use super::Principal;
use crate::Hub;
use crate::error::{Error, Result};

impl Hub {
    pub(super) async fn seen(&self, principal: &Principal, name: &RepoName) -> Result<Repo> {
        let hidden = || Error::hidden(principal.is_anonymous(), &name.to_string());
        let Some(state) = self.name_state(name).await? else { return Err(hidden()) };
        let (repo, moved) = match state {
            NameState::Live(repo) => (repo, false),
            NameState::Moved(repo) => (repo, true),
            NameState::Retired => return Err(hidden()),
        };
        if !self.sees(principal, &repo).await? {
            return Err(self.disabled(principal, &repo).await?.unwrap_or_else(hidden));
        }
        if moved { Err(Error::moved(repo.name)) } else { Ok(repo) }
    }

    /// Whether `principal` may know of `repo`.
    pub(crate) async fn sees(&self, principal: &Principal, repo: &Repo) -> Result<bool> {
        let is_shown = repo.visibility == Visibility::Gated && repo.withheld.is_none() && !repo.is_banned();
        Ok(is_shown || self.role(principal, repo).await?.is_some())
    }

    /// What is said of a repository that was taken down here to those who could write to it before: all others
    /// are told that there is none.
    async fn disabled(&self, principal: &Principal, repo: &Repo) -> Result<Option<Error>> {
        let is_down_here = repo.is_taken_down() && repo.home_url().is_none();
        if !is_down_here || self.standing(principal, repo).await? < Some(Role::Write) {
            return Ok(None);
        }
        let reason = self.db.takedown_reason(repo.id).await?;
        Ok(Some(Error::disabled(&repo.name, reason.as_deref())))
    }

    /// The most that `principal` may do with `repo`; `None` when it may not even read it.
    pub(crate) async fn role(&self, principal: &Principal, repo: &Repo) -> Result<Option<Role>> {
        if repo.is_banned() || (repo.withheld.is_some() && !principal.is_admin()) {
            return Ok(None);
        }
        self.standing(principal, repo).await
    }

    /// What [`Hub::role`] is of a repository that is not withheld.
    async fn standing(&self, principal: &Principal, repo: &Repo) -> Result<Option<Role>> {
        let public = (repo.visibility == Visibility::Public).then_some(Role::Read);
        let Some(token) = principal.token() else { return Ok(public) };
        if token.repos.as_ref().is_some_and(|list| !list.contains(&repo.id)) {
            return Ok(public);
        }
        let own = self.repo_role(&token.account, repo).await?;
        Ok(own.map(|role| role.min(token.scope)).max(public))
    }

    /// Whether an account may read a repository, or could when it was deleted.
    pub(crate) async fn account_reads(&self, account: &Account, repo: &Repo) -> Result<bool> {
        if repo.is_banned() || repo.withheld.is_some() {
            return Ok(false);
        }
        let is_public = repo.visibility == Visibility::Public;
        Ok(is_public || self.repo_role(account, repo).await?.is_some())
    }

    /// As a member, or as one who was given access.
    pub(crate) async fn repo_role(&self, account: &Account, repo: &Repo) -> Result<Option<Role>> {
        match self.account_role(account, repo.namespace).await? {
            None if repo.visibility == Visibility::Gated => {
                Ok(self.db.has_access(repo.id, account.id).await?.then_some(Role::Read))
            }
            own => Ok(own),
        }
    }

    pub(crate) async fn account_role(&self, account: &Account, namespace: AccountId) -> Result<Option<Role>> {
        if account.is_admin || account.id == namespace {
            return Ok(Some(Role::Admin));
        }
        if account.kind == AccountKind::Org {
            return Ok(None);
        }
        let key = (namespace, account.id);
        Ok(self.members.get(key, self.db.member_role(namespace, account.id)).await?)
    }

    pub(crate) async fn name_state(&self, name: &RepoName) -> Result<Option<NameState>> {
        let key = (name.kind(), name.fold());
        Ok(self.names.get(key, async { self.db.find_repo(name.kind(), &name.fold()).await }).await?)
    }
}
