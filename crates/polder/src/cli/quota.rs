//! What namespaces may store.

use clap::Subcommand;
use polder_hub::QuotaLimit;
use polder_types::AccountName;

use super::List;
use crate::admin::Command;
use crate::size::parse_limit;

/// `polder quota …`
#[derive(Debug, Subcommand)]
pub enum Quota {
    /// Set what a user or organisation may store
    Set {
        /// The user or organisation
        #[arg(value_name = "NAME")]
        namespace: AccountName,
        /// Such as 500GB or 1.5TiB; none; or default for what the configuration says
        #[arg(value_name = "SIZE", value_parser = parse_limit)]
        limit: QuotaLimit,
    },
    /// Show what is stored and what may be
    Show {
        /// Only this user's or organisation's
        #[arg(value_name = "NAME")]
        namespace: Option<AccountName>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
}

impl Quota {
    pub(super) fn command(self) -> (Command, bool) {
        match self {
            Self::Set { namespace, limit } => (Command::QuotaSet { namespace, limit }, false),
            Self::Show { namespace, list } => (Command::QuotaShow { namespace }, list.json),
        }
    }
}
