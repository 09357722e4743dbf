//! Following other hubs.

use clap::{Args, Subcommand};
use polder_hub::{FollowRule, MirrorMode};
use polder_log::VerifierKey;
use polder_types::AccountName;

use super::List;
use crate::admin::{Command, FollowTask};

/// `polder follow`
#[derive(Debug, Args)]
pub struct Follow {
    /// The hub, as its clients reach it, with its scheme
    #[arg(value_name = "URL")]
    pub url: String,
    /// Only repositories that one of these fits: acme/*, datasets/acme/d [default: all]
    #[arg(long, value_name = "RULE")]
    pub select: Vec<String>,
    /// How much of each: metadata; lazy, large objects only when somebody asks for one; full; or archive, which
    /// keeps what is force-pushed away or deleted, too
    #[arg(long, value_name = "MODE", default_value = "full")]
    pub mode: MirrorMode,
    /// The key that the hub must have, for a host that cannot vouch for it
    #[arg(long, value_name = "VKEY")]
    pub key: Option<VerifierKey>,
    /// Follow this epoch of its log instead of the one that is followed: it has lost that
    #[arg(long, value_name = "N")]
    pub accept_epoch: Option<u32>,
    /// Another hub that mirrors it, asked when it does not answer; together with --key it need never have answered
    #[arg(long, value_name = "URL")]
    pub source: Vec<String>,
    /// A short name here for one of its namespaces; acme means acme=acme
    #[arg(long, value_name = "NS[=LOCAL]", value_parser = parse_alias)]
    pub alias: Vec<(AccountName, AccountName)>,
}

/// `polder unfollow`
#[derive(Debug, Args)]
pub struct Unfollow {
    /// The hub, as it was followed
    #[arg(value_name = "URL")]
    pub url: String,
}

/// `polder mirrors`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Mirrors {
    /// How to list
    #[command(flatten)]
    pub list: List,
    /// What to do with them instead
    #[command(subcommand)]
    pub then: Option<MirrorsThen>,
}

/// `polder mirrors …`
#[derive(Debug, Subcommand)]
pub enum MirrorsThen {
    /// Let everything be removed here that a hub has taken away until now, however much that is
    Release {
        /// The hub, as it was followed
        #[arg(value_name = "URL")]
        url: String,
    },
}

/// `polder sync`
#[derive(Debug, Args)]
pub struct Sync {
    /// Try now what would be tried again later
    #[arg(long, required = true)]
    pub now: bool,
}

impl Follow {
    pub(super) fn command(self) -> (Command, bool) {
        let Self { url, mut select, mode, key, accept_epoch, source, alias } = self;
        if select.is_empty() {
            select.push("*".to_owned());
        }
        let rules = select.into_iter().map(|pattern| FollowRule { pattern, mode }).collect();
        let task = FollowTask::begin(url, rules, key, accept_epoch, source, alias);
        (Command::Follow { task }, false)
    }
}

impl Unfollow {
    pub(super) fn command(self) -> (Command, bool) {
        (Command::Follow { task: FollowTask::End { url: self.url } }, false)
    }
}

impl Sync {
    pub(super) fn command() -> (Command, bool) {
        (Command::Follow { task: FollowTask::Sync }, false)
    }
}

impl Mirrors {
    pub(super) fn command(self) -> (Command, bool) {
        match self.then {
            None => (Command::Follow { task: FollowTask::List }, self.list.json),
            Some(MirrorsThen::Release { url }) => {
                (Command::Follow { task: FollowTask::Release { url } }, false)
            }
        }
    }
}

fn parse_alias(text: &str) -> Result<(AccountName, AccountName), String> {
    let (there, here) = text.split_once('=').unwrap_or((text, text));
    let name = |text: &str| text.parse().map_err(|error: polder_types::NameError| error.to_string());
    Ok((name(there)?, name(here)?))
}
