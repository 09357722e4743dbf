//! The audit log: listed, written out, checked.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use polder_types::{AccountName, Clock, RepoName, UnixMillis};

use super::List;
use super::duration::parse_duration;
use crate::admin::{AuditTask, Command};

/// `polder audit …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// What else to do with it than to list it
    #[command(subcommand)]
    pub action: Option<AuditAction>,
    /// Not before this moment (2026-11-26, 2026-11-26T21:30:00Z) or this long ago (90d, 12h)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<UnixMillis>,
    /// Only on this repository, under whatever names it had
    #[arg(long, value_name = "ID")]
    pub repo: Option<RepoName>,
    /// Only by this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<AccountName>,
    /// The latest so many
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub limit: usize,
    /// How to list
    #[command(flatten)]
    pub list: List,
}

/// `polder audit export` and `verify`
#[derive(Debug, Subcommand)]
pub enum AuditAction {
    /// Write it as lines of JSON, each with the hash of the one before, the last one signed
    Export {
        /// From this place in the chain on
        #[arg(long, value_name = "INDEX", default_value = "1")]
        since: i64,
    },
    /// Check the chain of hashes; exit 1 if a line was altered, dropped or moved
    Verify {
        /// What `audit export` wrote; without it, what the database has
        file: Option<PathBuf>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
}

impl Audit {
    pub(super) fn command(self) -> (Command, bool) {
        let Self { action, since, repo, user, limit, list } = self;
        match action {
            None => (Command::Audit { task: AuditTask::List { since, repo, user, limit } }, list.json),
            Some(AuditAction::Export { since }) => {
                (Command::Audit { task: AuditTask::Export { since } }, false)
            }
            Some(AuditAction::Verify { file, list }) => {
                (Command::Audit { task: AuditTask::Verify { file } }, list.json)
            }
        }
    }
}

/// Reads a moment, or how long ago it was.
fn parse_since(text: &str) -> Result<UnixMillis, String> {
    match parse_duration(text) {
        Ok(ago) => {
            let seconds = i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
            Ok(Clock::System.now().plus_seconds(-seconds))
        }
        Err(_) => text.parse(),
    }
}
