//! Namespaces: their recovery kits.

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
}

impl Namespace {
    pub(super) fn command(self) -> (Command, bool) {
        let Self::Kit { name, out, replace } = self;
        let out = out.unwrap_or_else(|| format!("{name}.polder-kit").into());
        (Command::Namespace { task: NamespaceTask::Kit { name, out, replace } }, false)
    }
}
