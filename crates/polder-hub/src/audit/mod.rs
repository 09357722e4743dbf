//! The audit log as use cases fill it: who did what, with which token, in which request, and how it went.
//!
//! A change is recorded in the transaction that makes it ([`Hub::audited`]); a refusal by itself, and only
//! so many a minute, because anyone can be refused as often as they like. Secrets are never part of it,
//! and of a person only the account's name and id are, and the address if the operator wants that.

mod chain;
mod line;
mod list;
mod refusals;
mod request;
mod verify;

use polder_db::{AuditActor, AuditResult, Db, NewAudit, PullClaim};
use polder_types::{RepoId, RepoName};
use serde_json::{Map, Value};

pub use chain::AuditExport;
pub use list::{AuditEntry, AuditQuery};
pub(crate) use refusals::Refusals;
pub use request::RequestOrigin;
pub use verify::AuditReport;

use crate::Hub;
use crate::access::Principal;

/// A row of the log on its way.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    row: NewAudit,
    /// The pull that the change is for, without whose claim it does not happen.
    pull: Option<PullClaim>,
}

impl Entry {
    fn new(actor: AuditActor, action: &'static str, origin: Option<&RequestOrigin>) -> Self {
        let row = NewAudit {
            actor,
            account: None,
            token: None,
            address: origin.and_then(|origin| origin.address.clone()),
            action,
            repo: None,
            repo_name: None,
            result: AuditResult::Ok,
            request: origin.map(|origin| origin.id.clone()),
            detail: Map::new(),
        };
        Self { row, pull: None }
    }

    /// What whoever gives commands on the hub's machine does.
    pub(crate) fn operator(action: &'static str) -> Self {
        Self::new(AuditActor::Operator, action, None)
    }

    /// What the hub does by itself.
    pub(crate) fn hub(action: &'static str) -> Self {
        Self::new(AuditActor::Hub, action, None)
    }

    /// What the hub does by itself for a pull, while that has its claim.
    pub(crate) fn pull(claim: PullClaim, action: &'static str) -> Self {
        Self { pull: Some(claim), ..Self::hub(action) }
    }

    /// What someone does with or without a token.
    pub(crate) fn of(principal: &Principal, action: &'static str) -> Self {
        let Some(token) = principal.token() else {
            return Self::anonymous(action);
        };
        let mut entry = Self::new(AuditActor::Account, action, principal.origin());
        entry.row.account = Some((token.account.id, token.account.name.to_string()));
        entry.row.token = Some(token.id);
        entry
    }

    /// What someone unknown does in the request that runs now.
    pub(crate) fn anonymous(action: &'static str) -> Self {
        Self::new(AuditActor::Anonymous, action, RequestOrigin::current().as_ref())
    }

    /// What an account does by a signed link, in the request that runs now.
    pub(crate) fn by_link(
        action: &'static str,
        account: Option<polder_db::Account>,
        token: Option<polder_types::TokenId>,
    ) -> Self {
        let Some(account) = account else { return Self::anonymous(action) };
        let mut entry = Self::new(AuditActor::Account, action, RequestOrigin::current().as_ref());
        entry.row.account = Some((account.id, account.name.to_string()));
        entry.row.token = token;
        entry
    }

    /// On which repository.
    pub(crate) fn on(mut self, repo: RepoId, name: &RepoName) -> Self {
        self.row.repo = Some(repo);
        self.row.repo_name = Some(name.to_string());
        self
    }

    /// On a repository that has only a name yet.
    pub(crate) fn on_name(mut self, name: &RepoName) -> Self {
        self.row.repo_name = Some(name.to_string());
        self
    }

    /// More about it.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.row.detail.insert(key.to_owned(), value.into());
        self
    }
}

impl Hub {
    /// The row of `entry`, for a write that is about more than one.
    pub(crate) fn audit_row(&self, entry: Entry) -> NewAudit {
        self.audit_bell.notify_one();
        entry.row
    }

    /// The database, ready for the one write that `entry` is about.
    pub(crate) fn audited(&self, entry: impl Into<Option<Entry>>) -> Db {
        let Some(entry) = entry.into() else { return self.db.clone() };
        let db = match entry.pull {
            Some(claim) => self.db.while_pulling(claim),
            None => self.db.clone(),
        };
        db.audited(self.audit_row(entry))
    }
}
