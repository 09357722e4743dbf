//! Permissions as values.

use std::marker::PhantomData;

use polder_db::Repo;
use polder_types::{AccountId, Gate, RepoId, RepoName, UnixMillis, Visibility};

use super::Principal;
use crate::admission::Share;
use crate::audit::Entry;

/// Proof that the holder may know of a repository: its name, its card's facts, its refs and the names and hashes of
/// its files, but none of their bytes.
#[derive(Debug, Clone, Copy)]
pub struct See;
/// Proof that the holder may read a repository; it includes knowing of it.
#[derive(Debug, Clone, Copy)]
pub struct Read;
/// Proof that the holder may change a repository; it includes reading.
#[derive(Debug, Clone, Copy)]
pub struct Write;

/// Proof that the holder may rename, hide or delete a repository.
#[derive(Debug, Clone, Copy)]
pub struct Manage;

/// What is enough to be told of a repository. Bytes are behind [`Read`] itself, so that what gives them out
/// cannot be called by who only knows of them.
pub trait Sees: sealed::Level {}
impl Sees for See {}
impl Sees for Read {}

mod sealed {
    pub trait Level {}
    impl Level for super::See {}
    impl Level for super::Read {}
}

/// A permission as a value: bytes of a repository are reached only with one of these.
#[derive(Debug, Clone)]
pub struct Grant<L> {
    pub(super) repo: Repo,
    pub(super) principal: Principal,
    /// Whether the holder may only propose changes.
    pub(super) proposes: bool,
    pub(super) level: PhantomData<L>,
}

impl<L> Grant<L> {
    pub(super) fn of(repo: Repo, principal: Principal) -> Self {
        Self { repo, principal, proposes: false, level: PhantomData }
    }

    /// When the repository was made.
    pub fn created(&self) -> UnixMillis {
        self.repo.created
    }

    /// The repository's name as it is now.
    pub fn repo(&self) -> &RepoName {
        &self.repo.name
    }

    /// Whether only members may know of it.
    pub fn is_private(&self) -> bool {
        self.repo.visibility == Visibility::Private
    }

    /// Its gate, if it has one.
    pub fn gate(&self) -> Option<Gate> {
        self.repo.gate
    }

    pub(crate) fn repo_id(&self) -> RepoId {
        self.repo.id
    }

    pub(crate) fn actor(&self) -> Option<AccountId> {
        self.principal.account_id()
    }

    /// Whose rights count beyond this repository: nobody's, where the token is for some repositories only.
    pub(crate) fn reader(&self) -> Option<AccountId> {
        let is_for_all = self.principal.unbound().is_some();
        self.actor().filter(|_| is_for_all)
    }

    /// What transfers of the holder are counted for.
    pub(crate) fn share(&self) -> Share {
        Share { repo: self.repo.id, client: self.principal.client() }
    }

    /// What its holder does, as the audit log will say it.
    pub(crate) fn entry(&self, action: &'static str) -> Entry {
        Entry::of(&self.principal, action).on(self.repo.id, &self.repo.name)
    }

    pub(crate) fn repo_row(&self) -> &Repo {
        &self.repo
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }
}
