//! Who is asking, and what they may do. The only place where a [`Grant`] is made.

mod contribute;
mod grant;
mod principal;
mod role;

use polder_db::Repo;
use polder_types::{RepoId, RepoName, Role, Sha256};

use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

pub use contribute::{Contribute, Contributes, Contribution};
pub use grant::{Grant, Manage, Read, See, Sees, Write};
pub use principal::{Credentials, Principal};

impl Hub {
    /// Permission to know of a repository and what it is.
    ///
    /// # Errors
    /// Missing and hidden alike: [`Kind::Unauthenticated`] without credentials, else [`Kind::NotFound`].
    /// [`Kind::Moved`] for a former name of a repository that the caller may know of.
    pub async fn see(&self, principal: &Principal, name: &RepoName) -> Result<Grant<See>> {
        Ok(Grant::of(self.seen(principal, name).await?, principal.clone()))
    }

    /// Permission to read.
    ///
    /// # Errors
    /// As [`Hub::see`]; and [`Error::is_gated`] where the caller must ask for access first.
    pub async fn read(&self, principal: &Principal, name: &RepoName) -> Result<Grant<Read>> {
        let repo = self.seen(principal, name).await?;
        if self.role(principal, &repo).await?.is_none() {
            let url = format!("{}/{}", self.public_url(), repo.name);
            return Err(Error::gated(principal.is_anonymous(), &repo.name, &url));
        }
        Ok(Grant::of(repo, principal.clone()))
    }

    /// Permission to write.
    ///
    /// # Errors
    /// As [`Hub::see`]; and where the caller may see but not write, [`Kind::Unauthenticated`]
    /// without credentials, else [`Kind::Forbidden`]. That also where nobody writes, because the repository is
    /// pulled from elsewhere; [`Kind::Mirrored`] for one of another hub, whoever asks.
    pub async fn write(&self, principal: &Principal, name: &RepoName) -> Result<Grant<Write>> {
        let repo = self.seen(principal, name).await?;
        self.writable(principal, repo).await
    }

    /// Permission to write to a repository that may be seen.
    async fn writable(&self, principal: &Principal, repo: Repo) -> Result<Grant<Write>> {
        let name = &repo.name;
        if let Some(url) = repo.home_url() {
            let error = Error::mirrored(name, &url);
            self.record_refusal(Entry::of(principal, "repo.write").on(repo.id, name), &error).await;
            return Err(error);
        }
        if self.role(principal, &repo).await? >= Some(Role::Write) {
            let Some(url) = &repo.pulls_from else {
                return Ok(Grant::of(repo, principal.clone()));
            };
            let url = crate::pull::page_of(url);
            let error = Error::new(Kind::Forbidden, format!("`{name}` is a mirror: push to {url} instead"));
            self.record_refusal(Entry::of(principal, "repo.write").on(repo.id, name), &error).await;
            return Err(error);
        }
        if principal.is_anonymous() {
            return Err(Error::hidden(true, ""));
        }
        let error = Error::new(Kind::Forbidden, format!("you may not write to `{name}`"));
        self.record_refusal(Entry::of(principal, "repo.write").on(repo.id, name), &error).await;
        Err(error)
    }

    /// Permission to read for someone who had it, and proves that.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] when they have it no longer, or the repository is gone.
    pub(crate) async fn read_again(&self, principal: &Principal, repo: RepoId) -> Result<Grant<Read>> {
        Ok(Grant::of(self.still_readable(principal, repo).await?, principal.clone()))
    }

    async fn still_readable(&self, principal: &Principal, repo: RepoId) -> Result<Repo> {
        if let Some(repo) = self.db.repo(repo).await?
            && self.role(principal, &repo).await?.is_some()
        {
            return Ok(repo);
        }
        Err(Error::new(Kind::Forbidden, "you may no longer read this repository"))
    }

    /// Permission to rename, hide or delete: an administrator of the namespace, with a token that may write.
    ///
    /// # Errors
    /// As [`Hub::write`].
    pub async fn manage(&self, principal: &Principal, name: &RepoName) -> Result<Grant<Manage>> {
        let writer = self.write(principal, name).await?;
        let own = match principal.token() {
            Some(token) => self.account_role(&token.account, writer.repo.namespace).await?,
            None => None,
        };
        if own == Some(Role::Admin) {
            return Ok(Grant::of(writer.repo, writer.principal));
        }
        let message = format!("only administrators of `{}` may do this", name.namespace());
        let error = Error::new(Kind::Forbidden, message);
        self.record_refusal(writer.entry("repo.manage"), &error).await;
        Err(error)
    }

    /// Permission to read a repository by its name between hubs, for those who need no credentials.
    ///
    /// # Errors
    /// [`Kind::NotFound`] alike for one that is not here and one that only some may read.
    pub async fn read_logged(&self, rid: Sha256) -> Result<Grant<Read>> {
        let principal = Principal::ANONYMOUS;
        if let Some(repo) = self.db.repo_of_rid(rid).await?
            && self.role(&principal, &repo).await?.is_some()
        {
            return Ok(Grant::of(repo, principal));
        }
        Err(Error::not_found(format!("no public repository `{rid}` is here")))
    }
}
