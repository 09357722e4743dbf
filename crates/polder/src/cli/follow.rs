//! Following other hubs.

use std::num::NonZeroU64;

use clap::{Args, Subcommand};
use polder_hub::{FollowRule, LimitChange, LimitChanges, MirrorMode};
use polder_log::VerifierKey;
use polder_types::{AccountName, Hours};

use super::List;
use crate::admin::{Command, FollowTask};
use crate::size::parse_size_or_none;

/// `polder follow`
#[derive(Debug, Args)]
pub struct Follow {
    /// The hub, as its clients reach it, with its scheme
    #[arg(value_name = "URL")]
    pub url: String,
    /// Only repositories that one of these fits: acme/*, datasets/acme/d, license:mit, tag:bert, or several with
    /// commas between them, which must all fit [default: all]
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
    /// Most bytes of git packs and large objects that its repositories may hold here, all together, such as 2TB; none
    /// lifts it [default: as it was, at first none]
    #[arg(long, value_name = "SIZE", value_parser = parse_budget)]
    pub budget: Option<LimitChange<u64>>,
    /// The hours of the day, in UTC, in which packs and large objects are fetched, such as 01:00-06:00, also past
    /// midnight; an object goes on in the next, a pack that has begun is fetched to its end; none lifts it
    /// [default: as it was, at first none]
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = parse_window)]
    pub window: Option<LimitChange<Hours>>,
    /// Most bytes a second of packs and large objects from it, such as 100MB/s; none lifts it [default: as it was,
    /// at first none]
    #[arg(long, value_name = "SIZE/s", value_parser = parse_rate)]
    pub rate: Option<LimitChange<NonZeroU64>>,
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
        let Self { url, mut select, mode, key, accept_epoch, source, alias, budget, window, rate } = self;
        if select.is_empty() {
            select.push("*".to_owned());
        }
        let limits = LimitChanges { budget, rate, hours: window };
        let rules = select.into_iter().map(|pattern| FollowRule { pattern, mode }).collect();
        let task = FollowTask::begin(url, rules, key, accept_epoch, source, alias, limits);
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

fn parse_budget(text: &str) -> Result<LimitChange<u64>, String> {
    Ok(match parse_size_or_none(text)? {
        None => LimitChange::Lift,
        Some(bytes) => LimitChange::Set(u64::try_from(bytes).map_err(|error| error.to_string())?),
    })
}

fn parse_rate(text: &str) -> Result<LimitChange<NonZeroU64>, String> {
    let LimitChange::Set(bytes) = parse_budget(text.strip_suffix("/s").unwrap_or(text))? else {
        return Ok(LimitChange::Lift);
    };
    let rate = NonZeroU64::new(bytes);
    rate.map(LimitChange::Set).ok_or_else(|| "at this rate nothing would ever come".to_owned())
}

fn parse_window(text: &str) -> Result<LimitChange<Hours>, String> {
    if text == "none" { Ok(LimitChange::Lift) } else { text.parse().map(LimitChange::Set) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_units_and_none_lifts_them() {
        assert_eq!(parse_budget("2TB"), Ok(LimitChange::Set(2_000_000_000_000)));
        assert_eq!(parse_budget("none"), Ok(LimitChange::Lift));
        let hundred = NonZeroU64::new(100_000_000).unwrap();
        assert_eq!(parse_rate("100MB/s"), Ok(LimitChange::Set(hundred)));
        assert_eq!(parse_rate("100MB"), Ok(LimitChange::Set(hundred)));
        assert_eq!(parse_rate("none"), Ok(LimitChange::Lift));
        assert_eq!(parse_window("22:30-04:00"), Ok(LimitChange::Set("22:30-04:00".parse().unwrap())));
        assert_eq!(parse_window("none"), Ok(LimitChange::Lift));
        assert!(parse_budget("much").unwrap_err().contains("is not a size"));
        assert!(parse_rate("fast").unwrap_err().contains("is not a size"));
        for zero in ["0", "0MB/s", "0.0kB"] {
            assert_eq!(parse_rate(zero).unwrap_err(), "at this rate nothing would ever come");
        }
        assert!(parse_window("at night").unwrap_err().contains("no hours of the day"));
    }
}
