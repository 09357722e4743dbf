//! Gated repositories: anyone may know of them, and reads what is in them once they were given access.
//!
//! What a gate keeps from whom is decided where every permission is, in [`crate::access`].

use polder_db::{AccessRequest, AccessStatus, Asked, Repo};
use polder_types::{AccessRequestId, AccountId, AccountName, Gate, RepoName};
use serde_json::{Map, Value};

use crate::Hub;
use crate::access::{Grant, Manage, See};
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::repos::refuse_mirror;

/// Most bytes of what someone writes into the form of a gate, as JSON.
pub(crate) const ACCESS_FIELDS_BYTES_MAX: usize = 8 << 10;
/// Most bytes of a reason for a rejection.
const REASON_BYTES_MAX: usize = 1_000;
/// Most requests of a page.
const PAGE_MAX: usize = 1_000;

/// A page of requests.
#[derive(Debug, Clone)]
pub struct AccessPage {
    /// The oldest first.
    pub requests: Vec<AccessRequest>,
    /// What to pass as `after` for the next page.
    pub next: Option<AccessRequestId>,
}

impl Hub {
    /// Puts a gate before a repository, or takes it away, for the operator.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Mirrored`].
    pub async fn set_gate(&self, name: &RepoName, gate: Option<Gate>) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let entry = Entry::operator("repo.gate").on(repo.id, &repo.name);
        self.gate(repo, gate, None, entry).await
    }

    /// The same, for administrators of the namespace.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn gate_managed(&self, grant: &Grant<Manage>, gate: Option<Gate>) -> Result<()> {
        self.gate(grant.repo_row().clone(), gate, grant.actor(), grant.entry("repo.gate")).await
    }

    /// What was told to anyone before is void then, and other hubs are told that it is open, or withdrawn.
    pub(crate) async fn gate(
        &self,
        repo: Repo,
        gate: Option<Gate>,
        actor: Option<AccountId>,
        entry: Entry,
    ) -> Result<()> {
        refuse_mirror(&repo)?;
        let hub = self.clone();
        to_the_end(async move {
            let word = gate.map_or("off", Gate::as_str);
            hub.audited(entry.with("to", word)).set_gate(repo.id, gate, actor).await?;
            hub.names.clear();
            Ok(())
        })
        .await
    }

    /// Asks for access, with what the form of the gate wants to know. Whoever asked before has the same request.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without credentials; [`Kind::Conflict`] where there is no gate, and for members,
    /// who need not ask; [`Kind::TooLarge`] for more than 8 KiB.
    pub async fn ask_access(&self, grant: &Grant<See>, fields: Map<String, Value>) -> Result<AccessRequest> {
        let token = grant.principal().token().ok_or_else(|| Error::hidden(true, ""))?;
        let (account, at) = (token.account.id, grant.repo_row());
        if self.account_role(&token.account, at.namespace).await?.is_some() {
            return Err(Error::new(Kind::Conflict, format!("you may read `{}` without asking", at.name)));
        }
        let fields = Value::Object(fields).to_string();
        if fields.len() > ACCESS_FIELDS_BYTES_MAX {
            let message = format!("a request for access has at most {ACCESS_FIELDS_BYTES_MAX} bytes");
            return Err(Error::new(Kind::TooLarge, message));
        }
        let asked = self.audited(grant.entry("access.ask")).ask_access(at.id, account, fields).await;
        asked.map_err(refused)
    }

    /// One page of the requests of one status.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn access_requests(
        &self,
        grant: &Grant<Manage>,
        status: AccessStatus,
        after: Option<AccessRequestId>,
        limit: usize,
    ) -> Result<AccessPage> {
        let limit = limit.clamp(1, PAGE_MAX);
        let rows = i64::try_from(limit).map_err(Error::internal)?.saturating_add(1);
        let mut requests = self.db.access_requests(grant.repo_id(), status, after, rows).await?;
        let has_more = requests.len() > limit;
        requests.truncate(limit);
        let next = requests.last().filter(|_| has_more).map(|last| last.id);
        Ok(AccessPage { requests, next })
    }

    /// Accepts or rejects a request, or lets it wait again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for one that is not there, or is decided so already; [`Kind::TooLarge`] for a long reason.
    pub async fn decide_access(
        &self,
        grant: &Grant<Manage>,
        asked: Asked,
        status: AccessStatus,
        reason: Option<String>,
    ) -> Result<()> {
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(Error::new(Kind::TooLarge, format!("a reason has at most {REASON_BYTES_MAX} bytes")));
        }
        let entry = grant.entry("access.decide").with("status", status.as_str());
        let decided = self.audited(entry).decide_access(grant.repo_id(), asked, status, reason).await;
        decided.map(drop).map_err(|error| match error {
            // As the clients expect it.
            polder_db::Error::Conflict { what } => Error::not_found(what),
            error => error.into(),
        })
    }

    /// Gives a user access, asked for or not.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown user; [`Kind::Invalid`] for one who may read the repository already.
    pub async fn grant_access(&self, grant: &Grant<Manage>, user: &AccountName) -> Result<AccessRequest> {
        let account = self.user(user).await?;
        let already = || Error::invalid(format!("`{user}` has access to `{}` already", grant.repo()));
        if self.account_role(&account, grant.repo_row().namespace).await?.is_some() {
            return Err(already());
        }
        let entry = grant.entry("access.grant").with("account", account.name.as_str());
        self.audited(entry).grant_access(grant.repo_id(), account.id).await.map_err(|error| match error {
            polder_db::Error::Conflict { .. } => already(),
            error => error.into(),
        })
    }

    /// Whose request a name means.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown account.
    pub async fn request_of(&self, user: &AccountName) -> Result<Asked> {
        Ok(Asked::By(self.account(user).await?.id))
    }

    /// The requests of one status, for the operator: the first of them.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn list_access_requests(
        &self,
        name: &RepoName,
        status: AccessStatus,
    ) -> Result<Vec<AccessRequest>> {
        let repo = self.live_repo(name).await?;
        let limit = i64::try_from(PAGE_MAX).map_err(Error::internal)?;
        Ok(self.db.access_requests(repo.id, status, None, limit).await?)
    }

    /// Decides on the request of a user, for the operator.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where that was decided already.
    pub async fn decide_request(
        &self,
        name: &RepoName,
        user: &AccountName,
        status: AccessStatus,
    ) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let asked = self.request_of(user).await?;
        let entry = Entry::operator("access.decide").on(repo.id, &repo.name);
        let entry = entry.with("status", status.as_str());
        let decided = self.audited(entry).decide_access(repo.id, asked, status, None).await;
        decided.map(drop).map_err(refused)
    }
}

fn refused(error: polder_db::Error) -> Error {
    match error {
        polder_db::Error::Conflict { what } => Error::new(Kind::Conflict, what),
        error => error.into(),
    }
}
