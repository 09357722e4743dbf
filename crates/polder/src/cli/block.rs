//! What the operator will not have here.

use clap::Subcommand;
use polder_hub::BlockTarget;

use super::List;
use crate::admin::{BlockTask, Command};

/// `polder block …`
#[derive(Debug, Subcommand)]
pub enum Block {
    /// Neither serve, fetch nor take it any more
    Add {
        /// A mirrored repository, a namespace of another hub, sha256:OID or origin:HOST
        what: BlockTarget,
        /// Why; it is told to nobody else
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take a block back
    Remove {
        /// As `block add` took it
        what: BlockTarget,
    },
    /// List what is blocked
    List(List),
}

impl Block {
    pub(super) fn command(self) -> (Command, bool) {
        let (task, json) = match self {
            Self::Add { what, reason } => (BlockTask::Add { what, reason }, false),
            Self::Remove { what } => (BlockTask::Remove { what }, false),
            Self::List(list) => (BlockTask::List, list.json),
        };
        (Command::Block { task }, json)
    }
}
