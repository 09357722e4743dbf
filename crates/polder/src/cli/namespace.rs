//! Namespaces: their recovery kits, and moving them to another hub.

use std::path::PathBuf;

use clap::Subcommand;
use polder_types::AccountName;

use crate::admin::{Command, NamespaceTask};

/// `polder namespace …`
#[derive(Debug, Subcommand)]
pub enum Namespace {
    /// Give its owner a key, in a file, that outranks the one this hub has: it can move the namespace to another hub
    Kit {
        /// The user or organisation
        name: AccountName,
        /// Where to write it; the hub does not keep it [default: ./NAME.polder-kit]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The kit that it has now, which the new one replaces
        #[arg(long, value_name = "FILE")]
        replace: Option<PathBuf>,
    },
    /// Make this hub the home of a namespace that it mirrors whole; the hub where it was may be dead
    Move {
        /// Its name at home
        name: AccountName,
        /// Where it is at home: the URL that is followed, or the origin
        #[arg(long, value_name = "URL")]
        from: String,
        /// Its recovery kit
        #[arg(long, value_name = "FILE")]
        kit: PathBuf,
        /// The user of this hub who administrates it here
        #[arg(long, value_name = "USER")]
        owner: AccountName,
    },
}

impl Namespace {
    pub(super) fn command(self) -> (Command, bool) {
        let task = match self {
            Self::Kit { name, out, replace } => {
                let out = out.unwrap_or_else(|| format!("{name}.polder-kit").into());
                NamespaceTask::Kit { name, out, replace }
            }
            Self::Move { name, from, kit, owner } => NamespaceTask::Move { name, from, kit, owner },
        };
        (Command::Namespace { task }, false)
    }
}
