//! The key by which other hubs know this one.

use std::path::PathBuf;

use clap::Subcommand;

use super::List;
use crate::admin::{Command, KeyCommand};

/// `polder key …`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Show the key that others give to `polder verify --key` and `polder follow --key`
    Show {
        /// How to list
        #[command(flatten)]
        list: List,
    },
    /// Let a new key sign from now on, and log that the present one agrees
    Rotate {
        /// A file with the recovery key, when the present key is lost or stolen
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
    },
    /// Begin another epoch of the log, when what it said is lost and no mirror has it
    NewEpoch {
        /// Every hub that follows this one must accept it
        #[arg(long, required = true)]
        yes: bool,
    },
}

impl Key {
    pub(super) fn command(self) -> (Command, bool) {
        match self {
            Self::Show { list } => (Command::Key { what: KeyCommand::Show }, list.json),
            Self::Rotate { recovery } => (Command::Key { what: KeyCommand::Rotate { recovery } }, false),
            Self::NewEpoch { .. } => (Command::Key { what: KeyCommand::NewEpoch }, false),
        }
    }
}
