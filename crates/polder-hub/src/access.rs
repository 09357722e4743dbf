//! Who is asking, and what they may do. The only place where a [`Grant`] is made.

mod contribute;

use std::marker::PhantomData;
use std::net::IpAddr;

use polder_db::{Account, AccountKind, NameState, Repo, Token};
use polder_types::{AccountId, Gate, RepoId, RepoName, Role, Sha256, TokenId, UnixMillis, Visibility};

use crate::Hub;
use crate::admission::{Client, Share};
use crate::audit::{Entry, RequestOrigin};
use crate::error::{Error, Kind, Result};
use crate::secret::{Secret, looks_like_token};

pub use contribute::{Contribute, Contributes, Contribution};

/// What came with a request, whatever header it came in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// An access token: a Bearer token, or the password of Basic with any user name.
    Token(Secret),
}

/// Who is asking, and in which request.
#[derive(Debug, Clone)]
pub struct Principal {
    token: Option<Token>,
    address: Option<IpAddr>,
    origin: Option<RequestOrigin>,
}

impl Principal {
    /// Someone without credentials, from nowhere in particular.
    pub const ANONYMOUS: Self = Self { token: None, address: None, origin: None };

    /// Someone without credentials.
    pub(crate) fn anonymous_at(address: Option<IpAddr>, origin: Option<RequestOrigin>) -> Self {
        Self { token: None, address, origin }
    }

    /// Whether no credentials were given.
    pub fn is_anonymous(&self) -> bool {
        self.token.is_none()
    }

    /// Whose transfers count together: an account's, or those of an address without one.
    fn client(&self) -> Option<Client> {
        self.account_id().map(Client::Account).or(self.address.map(Client::at))
    }

    /// Name of the account, for the log and for greetings.
    pub fn name(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.account.name.as_str())
    }

    /// Whether this is an administrator of the hub with a token that may do everything.
    pub fn is_admin(&self) -> bool {
        self.token.as_ref().is_some_and(|token| {
            token.account.is_admin && token.scope == Role::Admin && token.repos.is_none()
        })
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The token, unless it is for some repositories only.
    pub(crate) fn unbound(&self) -> Option<&Token> {
        self.token().filter(|token| token.repos.is_none())
    }

    pub(crate) fn origin(&self) -> Option<&RequestOrigin> {
        self.origin.as_ref()
    }

    pub(crate) fn account_id(&self) -> Option<AccountId> {
        self.token.as_ref().map(|token| token.account.id)
    }
}

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
    repo: Repo,
    principal: Principal,
    /// Whether the holder may only propose changes.
    proposes: bool,
    level: PhantomData<L>,
}

impl<L> Grant<L> {
    fn of(repo: Repo, principal: Principal) -> Self {
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

/// What a failed authentication is called in the audit log.
const LOGIN: &str = "login";

impl Hub {
    /// Turns credentials into a principal. `address` is the client's, if it is known.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] for a token that is unknown, expired or revoked: all three alike.
    /// [`Kind::Throttled`] after too many of them from one address; a valid token that is in use here
    /// is still taken then, so that those who share an address with the culprit go on working.
    pub async fn authenticate(&self, credentials: Credentials, address: Option<IpAddr>) -> Result<Principal> {
        let principal = |token| Principal { token, address, origin: RequestOrigin::current() };
        let Credentials::Token(secret) = credentials else { return Ok(principal(None)) };
        let now = self.clock.now();
        // Looked up by its hash: how long that takes says nothing about the digits of another token.
        let hash = secret.hash();
        let in_use = self.tokens.held(&hash).flatten().filter(|token| self.is_good(token));
        if in_use.is_some() {
            return Ok(principal(in_use));
        }
        self.logins.check(address, now)?;
        let known = if looks_like_token(&secret) {
            self.tokens.get(hash, self.db.find_token(&hash)).await?
        } else {
            None
        };
        if known.as_ref().is_some_and(|token| self.is_good(token)) {
            return Ok(principal(known));
        }
        self.logins.failed(address, now);
        let error = Error::new(Kind::Unauthenticated, "this access token is not valid here");
        let is_over = known.is_some();
        let entry = Entry::of(&principal(known), LOGIN).with("is_expired_or_revoked", is_over);
        self.record_refusal(entry, &error).await;
        Err(error)
    }

    /// The holder of a token that a signed link names, as long as the token is good.
    pub(crate) async fn token_holder(&self, id: TokenId) -> Result<Option<Principal>> {
        let token = self.db.token(id).await?.filter(|token| self.is_good(token));
        let principal =
            |token| Principal { token: Some(token), address: None, origin: RequestOrigin::current() };
        Ok(token.map(principal))
    }

    fn is_good(&self, token: &Token) -> bool {
        !token.revoked && token.expires.is_none_or(|end| end > self.clock.now())
    }

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

    async fn seen(&self, principal: &Principal, name: &RepoName) -> Result<Repo> {
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
        let Some(token) = &principal.token else { return Ok(public) };
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
