//! Listing the latest rows.

use polder_db::{AuditFilter, AuditRow};
use polder_types::{AccountName, RepoName, UnixMillis};

use crate::Hub;
use crate::error::{Error, Result};

/// Rows read at a time.
const PAGE: i64 = 500;

/// Which rows to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Not before.
    pub since: Option<UnixMillis>,
    /// On this repository only, under whatever names it had.
    pub repo: Option<RepoName>,
    /// By this account only.
    pub user: Option<AccountName>,
    /// The latest so many.
    pub limit: usize,
}

/// A row as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub time: UnixMillis,
    /// The account's name, `anonymous`, `operator` or `hub`.
    pub who: String,
    /// With which token.
    pub token: Option<String>,
    /// From which address, if that is kept.
    pub address: Option<String>,
    /// What.
    pub action: String,
    /// On which repository, by its name then.
    pub repo: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub result: String,
    /// In which request.
    pub request: Option<String>,
    /// More, as a JSON object.
    pub detail: String,
    /// Place in the chain.
    pub index: Option<i64>,
}

impl Hub {
    /// The latest rows that `query` asks for, oldest first.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown repository or account.
    pub async fn list_audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        self.chain_audit().await?;
        let mut filter = AuditFilter { since: query.since, ..AuditFilter::default() };
        if let Some(name) = &query.repo {
            filter.repo = Some(self.repo_of_any_time(name).await?);
        }
        if let Some(name) = &query.user {
            filter.account = Some(self.account(name).await?.id);
        }
        let (mut entries, mut before) = (Vec::new(), None);
        while entries.len() < query.limit {
            let page = self.db.latest_audit(&filter, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            entries.extend(page.into_iter().map(entry));
        }
        entries.truncate(query.limit);
        entries.reverse();
        Ok(entries)
    }

    /// The repository that has or had this name, deleted ones too.
    async fn repo_of_any_time(&self, name: &RepoName) -> Result<polder_types::RepoId> {
        let found = self.db.repo_of_name(name.kind(), &name.fold()).await?;
        found.ok_or_else(|| Error::not_found(format!("there never was a repository `{name}`")))
    }
}

fn entry(row: AuditRow) -> AuditEntry {
    AuditEntry {
        time: row.time,
        who: row.account_name.unwrap_or_else(|| row.actor.to_string()),
        token: row.token.map(|id| id.to_string()),
        address: row.address,
        action: row.action,
        repo: row.repo_name,
        result: row.result.to_string(),
        request: row.request,
        detail: row.detail,
        index: row.chain.map(|(index, _)| index),
    }
}
