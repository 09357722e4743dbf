//! Contributing: bringing objects and commits, for who may write, and for who proposes a change.

use polder_db::{Account, DiscussionAt, Repo};
use polder_types::{AccountId, RepoId, RepoKind, RepoName, Role};

use super::{Grant, Principal, Read, Write};
use crate::Hub;
use crate::error::Result;

/// Proof that the holder may bring objects to a repository and push to it. Which refs they may change is
/// asked where a push is accepted: who may write all of them, others those of their own pull requests.
#[derive(Debug, Clone, Copy)]
pub struct Contribute;

/// What is enough to contribute.
pub trait Contributes: sealed::Level {}
impl Contributes for Write {}
impl Contributes for Contribute {}

mod sealed {
    pub trait Level {}
    impl Level for super::Write {}
    impl Level for super::Contribute {}
}

impl<L: Contributes> Grant<L> {
    /// Who may contribute may read.
    pub fn as_read(&self) -> Grant<Read> {
        Grant::of(self.repo.clone(), self.principal.clone())
    }

    /// The same, whoever may write or only propose.
    pub fn as_contributor(&self) -> Grant<Contribute> {
        Grant { proposes: self.proposes, ..Grant::of(self.repo.clone(), self.principal.clone()) }
    }
}

impl<L> Grant<L> {
    /// Who brings what is brought with this, if that is somebody who may only propose changes.
    pub(crate) fn proposer(&self) -> Option<AccountId> {
        self.actor().filter(|_| self.proposes)
    }

    /// The account that holds it.
    pub(crate) fn account(&self) -> Option<Account> {
        self.principal.token().map(|token| token.account.clone())
    }
}

/// What somebody who may not write wants to contribute to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contribution {
    /// A pull request that is about to be opened.
    NewPull,
    /// An open pull request of theirs.
    Pull(i64),
    /// Any open pull request of theirs.
    AnyPull,
}

impl Contribution {
    /// What a commit on this revision contributes to, if that is the ref of a pull request.
    pub fn of_revision(revision: &str) -> Option<Self> {
        polder_git::proposal_number(revision).map(Self::Pull)
    }
}

impl Hub {
    /// Permission to contribute.
    ///
    /// # Errors
    /// As [`Hub::write`].
    pub async fn contribute(
        &self,
        principal: &Principal,
        name: &RepoName,
        to: Contribution,
    ) -> Result<Grant<Contribute>> {
        let repo = self.seen(principal, name).await?;
        self.contributor(principal, repo, to).await
    }

    /// Permission to contribute for someone who had it, and proves that.
    ///
    /// # Errors
    /// As [`Hub::read_again`], and as [`Hub::write`].
    pub(crate) async fn contribute_again(
        &self,
        principal: &Principal,
        repo: RepoId,
    ) -> Result<Grant<Contribute>> {
        let repo = self.still_readable(principal, repo).await?;
        self.contributor(principal, repo, Contribution::NewPull).await
    }

    async fn contributor(
        &self,
        principal: &Principal,
        repo: Repo,
        to: Contribution,
    ) -> Result<Grant<Contribute>> {
        if self.may_propose(principal, &repo, to).await? {
            return Ok(Grant { proposes: true, ..Grant::of(repo, principal.clone()) });
        }
        Ok(self.writable(principal, repo).await?.as_contributor())
    }

    /// Permission to bring objects, for the holder of a link that proves it was there; `None` where it is no more.
    pub(crate) async fn may_contribute(
        &self,
        principal: &Principal,
        repo: &Repo,
    ) -> Result<Option<Grant<Contribute>>> {
        let proposes = self.may_propose(principal, repo, Contribution::NewPull).await?;
        let may = proposes || self.role(principal, repo).await? >= Some(Role::Write);
        Ok(may.then(|| Grant { proposes, ..Grant::of(repo.clone(), principal.clone()) }))
    }

    /// Whether somebody who may read and not write may contribute, with a token that may write.
    pub(crate) async fn may_propose(
        &self,
        principal: &Principal,
        repo: &Repo,
        to: Contribution,
    ) -> Result<bool> {
        let Some(token) = principal.token() else { return Ok(false) };
        let for_it = token.repos.as_ref().is_none_or(|list| list.contains(&repo.id));
        if token.scope < Role::Write
            || !for_it
            || repo.name.kind() == RepoKind::Kernel
            || repo.pulls_from.is_some()
            || repo.home_url().is_some()
            || self.role(principal, repo).await? != Some(Role::Read)
        {
            return Ok(false);
        }
        let author = token.account.id;
        match to {
            Contribution::NewPull => Ok(true),
            Contribution::Pull(num) => {
                let found = self.db.discussion(DiscussionAt { repo: repo.id, num }).await?;
                Ok(found.is_some_and(|pull| {
                    pull.author == author && pull.pull.is_some() && pull.status.is_open()
                }))
            }
            Contribution::AnyPull => Ok(self.db.has_open_pull(repo.id, author).await?),
        }
    }
}
