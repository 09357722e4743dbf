//! Bundles of repositories for hubs that reach no other.

use std::path::PathBuf;

use clap::Subcommand;
use polder_log::VerifierKey;

use crate::admin::{BundleTask, Command};
use crate::size::parse_size;

/// `polder bundle …`
#[derive(Debug, Subcommand)]
pub enum Bundle {
    /// Write what this hub has signed, and all that belongs to it, as files for a hub that it does not reach;
    /// again goes on with what was stopped
    Export {
        /// A new or empty directory
        dir: PathBuf,
        /// A hub that is followed, instead of this one's own repositories
        #[arg(long, value_name = "URL")]
        origin: Option<String>,
        /// Only repositories that one of these fits, as in `polder follow` [default: all]
        #[arg(long, value_name = "RULE")]
        select: Vec<String>,
        /// Only what is new since the bundle that has this cursor.json
        #[arg(long, value_name = "CURSORFILE")]
        since: Option<PathBuf>,
        /// Bytes of each file
        #[arg(long, value_name = "SIZE", default_value = "4GB", value_parser = parse_file_size)]
        file_size: u64,
    },
    /// Check a bundle and take over what it has; again goes on with what was stopped
    Import {
        /// The directory of the bundle
        dir: PathBuf,
        /// The key of the hub whose repositories these are, unless it is followed; from someone you trust
        #[arg(long, value_name = "VKEY")]
        key: Option<VerifierKey>,
    },
}

impl Bundle {
    pub(super) fn command(self) -> (Command, bool) {
        let task = match self {
            Self::Export { dir, origin, select, since, file_size } => {
                BundleTask::Export { dir, origin, select, since, file_size }
            }
            Self::Import { dir, key } => BundleTask::Import { dir, key },
        };
        (Command::Bundle { task }, false)
    }
}

fn parse_file_size(text: &str) -> Result<u64, String> {
    u64::try_from(parse_size(text)?).map_err(|error| error.to_string())
}
