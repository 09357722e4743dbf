//! `polder audit …`: listing, writing out and checking the audit log.

use std::path::PathBuf;

use polder_hub::{AuditQuery, Hub};
use polder_types::{AccountName, RepoName, UnixMillis};
use serde::{Deserialize, Serialize};

use super::command::text;
use super::{Answer, AuditRow, Progress};
use crate::Error;

/// What to do with the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum AuditTask {
    /// `audit`
    List {
        since: Option<UnixMillis>,
        #[serde(with = "text::maybe")]
        repo: Option<RepoName>,
        #[serde(with = "text::maybe")]
        user: Option<AccountName>,
        limit: usize,
    },
    /// `audit export`
    Export { since: i64 },
    /// `audit verify`; without a file, the database's own
    Verify { file: Option<PathBuf> },
}

impl AuditTask {
    pub(super) async fn execute(self, hub: &Hub, progress: &Progress) -> Result<Answer, Error> {
        match self {
            Self::List { since, repo, user, limit } => {
                let rows = hub.list_audit(&AuditQuery { since, repo, user, limit }).await?;
                Ok(Answer::Audit(rows.into_iter().map(AuditRow::from).collect()))
            }
            Self::Export { since } => {
                let mut export = hub.export_audit(since).await?;
                loop {
                    let lines = export.next().await?;
                    if lines.is_empty() {
                        return Ok(Answer::Written);
                    }
                    for line in lines {
                        progress.output(line).await?;
                    }
                }
            }
            Self::Verify { file: None } => Ok(Answer::AuditVerified(hub.verify_audit().await?)),
            Self::Verify { file: Some(file) } => {
                Ok(Answer::AuditVerified(hub.verify_audit_file(&file).await?))
            }
        }
    }
}
