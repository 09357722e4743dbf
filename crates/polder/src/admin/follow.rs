//! Commands about hubs that this one follows.

use std::num::NonZeroU64;

use polder_hub::{
    FollowRequest, FollowRule, Followed, Hub, LimitChanges, MirrorMode, MoveSummary, PurgeBrake, SyncReport,
    UpstreamSummary,
};
use polder_log::VerifierKey;
use polder_types::{AccountName, Hours, UnixMillis};
use serde::{Deserialize, Serialize};

use super::command::text;
use super::fetching::{FetchingRow, describe};
use super::{Answer, Progress};
use crate::Error;

/// What the operator asks about other hubs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum FollowTask {
    /// `follow`
    Begin {
        url: String,
        rules: Vec<RuleText>,
        #[serde(with = "text::maybe")]
        key: Option<VerifierKey>,
        #[serde(default)]
        accept_epoch: Option<u32>,
        #[serde(default)]
        sources: Vec<String>,
        aliases: Vec<AliasText>,
        #[serde(default)]
        limits: LimitChanges,
    },
    /// `unfollow`
    End { url: String },
    /// `mirrors`
    List,
    /// `mirrors release`
    Release { url: String },
    /// `sync --now`
    Sync,
}

/// A rule on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// Which repositories.
    pub pattern: String,
    /// How much of each.
    #[serde(with = "text")]
    pub mode: MirrorMode,
}

/// A short name on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasText {
    /// What it is called at home.
    #[serde(with = "text")]
    pub there: AccountName,
    /// What it is called here.
    #[serde(with = "text")]
    pub here: AccountName,
}

impl FollowTask {
    /// `follow`, from what was typed.
    pub fn begin(
        url: String,
        rules: Vec<FollowRule>,
        key: Option<VerifierKey>,
        accept_epoch: Option<u32>,
        sources: Vec<String>,
        aliases: Vec<(AccountName, AccountName)>,
        limits: LimitChanges,
    ) -> Self {
        let alias = |(there, here)| AliasText { there, here };
        Self::Begin {
            url,
            rules: rules.into_iter().map(RuleText::from).collect(),
            key,
            accept_epoch,
            sources,
            aliases: aliases.into_iter().map(alias).collect(),
            limits,
        }
    }
}

/// A hub of `mirrors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamRow {
    /// Base of its URLs.
    pub url: String,
    /// Its origin.
    pub origin: String,
    /// `following`, `frozen` or `unfollowed`.
    pub state: String,
    /// Events that it signed and that are not read here yet.
    pub lag_events: u64,
    /// Age of the oldest event that it signed and that is not read here, or of whose repository an older state
    /// is served.
    pub lag_seconds: u64,
    /// Time since it, or any other source of what it signed, last answered well; null for never.
    pub heard_seconds: Option<u64>,
    /// When it last answered (RFC 3339, UTC).
    pub heard: Option<String>,
    /// What is wrong, if anything.
    pub error: Option<String>,
    /// Most bytes of packs and large objects that its repositories may hold here.
    pub budget_bytes: Option<u64>,
    /// How many of them they hold.
    pub held_bytes: u64,
    /// Most bytes a second that come from it.
    pub bytes_per_second: Option<NonZeroU64>,
    /// The hours of the day, in UTC, in which anything large comes.
    pub window: Option<Hours>,
    /// Why nothing that it took away is removed here, if that waits for the operator.
    pub braked: Option<String>,
    /// The other hubs that it is mirrored from.
    pub sources: Vec<SourceRow>,
    /// Namespaces that moved to it.
    #[serde(default)]
    pub moves: Vec<MoveRow>,
    /// Its repositories.
    pub repositories: Vec<FollowedRow>,
}

/// A namespace that moved to a hub of `mirrors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRow {
    /// What it is called here.
    pub namespace: String,
    /// The origin of the hub where it was, if that was ever followed.
    pub from: Option<String>,
    /// `followed`, `asked`, `frozen`, `rival` or `refused`.
    pub state: String,
    /// What is selected of it as it was there, besides what the rules for this hub select.
    pub selected: Vec<RuleText>,
}

/// A source of a hub of `mirrors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRow {
    /// Base of its URLs.
    pub url: String,
    /// When it last answered well (RFC 3339, UTC).
    pub heard: Option<String>,
    /// What was wrong since, if anything.
    pub error: Option<String>,
}

/// A repository of `mirrors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedRow {
    /// Its id at home.
    pub id: String,
    /// `known`, `waiting`, `ready`, `retry`, `incomplete`, `paused-quota`, `paused-window`, `paused-disk`, `quarantined`, `blocked`, `hidden` or `kept`.
    pub state: String,
    /// Events of it that are not served yet.
    pub lag_events: u64,
    /// Since when (RFC 3339, UTC).
    pub since: String,
    /// What went wrong, if anything.
    pub error: Option<String>,
    /// The origin of the hub that its namespace moved to, which must be followed for it to go on.
    #[serde(default)]
    pub moved_to: Option<String>,
    /// What this node fetches for it now, if anything.
    pub fetching: Option<FetchingRow>,
}

impl From<FollowRule> for RuleText {
    fn from(FollowRule { pattern, mode }: FollowRule) -> Self {
        Self { pattern, mode }
    }
}

impl From<MoveSummary> for MoveRow {
    fn from(summary: MoveSummary) -> Self {
        Self {
            namespace: summary.namespace,
            from: summary.from,
            state: summary.state.to_string(),
            selected: summary.carried.into_iter().map(RuleText::from).collect(),
        }
    }
}

impl From<UpstreamSummary> for UpstreamRow {
    fn from(summary: UpstreamSummary) -> Self {
        let repositories = summary.mirrors.into_iter().map(|mirror| FollowedRow {
            id: mirror.path,
            state: mirror.state.to_string(),
            lag_events: mirror.lag_events,
            since: mirror.changed_at.rfc3339(),
            error: mirror.last_error,
            moved_to: mirror.moved_to,
            fetching: mirror.fetching.map(FetchingRow::from),
        });
        let braked = summary
            .brake
            .map(|PurgeBrake { taken_away, of }| format!("it took away {taken_away} of {of} within a day"));
        let sources = summary.sources.into_iter().map(|source| SourceRow {
            url: source.url,
            heard: source.heard_at.map(UnixMillis::rfc3339),
            error: source.last_error,
        });
        Self {
            budget_bytes: summary.limits.budget_bytes,
            held_bytes: summary.held_bytes,
            bytes_per_second: summary.limits.bytes_per_second,
            window: summary.limits.hours,
            braked,
            url: summary.url,
            origin: summary.origin,
            state: summary.state.to_string(),
            lag_events: summary.lag.events,
            lag_seconds: summary.lag.seconds,
            heard_seconds: summary.lag.heard_seconds,
            heard: summary.heard_at.map(UnixMillis::rfc3339),
            error: summary.last_error,
            sources: sources.collect(),
            moves: summary.moves.into_iter().map(MoveRow::from).collect(),
            repositories: repositories.collect(),
        }
    }
}

impl FollowTask {
    pub(super) async fn execute(self, hub: &Hub, progress: &Progress) -> Result<Answer, Error> {
        match self {
            Self::Begin { url, rules, key, accept_epoch, sources, aliases, limits } => {
                let rule = |RuleText { pattern, mode }| FollowRule { pattern, mode };
                let rules = rules.into_iter().map(rule).collect();
                let aliases = aliases.into_iter().map(|alias| (alias.there, alias.here)).collect();
                let request = FollowRequest { url, rules, key, accept_epoch, sources, limits, aliases };
                let Followed { origin, events } = hub.follow(request).await?;
                Ok(Answer::Done(format!(
                    "following `{origin}`: {events} new events read; see polder mirrors"
                )))
            }
            Self::End { url } => {
                hub.unfollow(&url).await?;
                Ok(Answer::Done(format!("`{url}` is no longer followed; its mirrors stay as they are")))
            }
            Self::List => {
                let listed = hub.list_followed().await?;
                Ok(Answer::Followed(listed.into_iter().map(UpstreamRow::from).collect()))
            }
            Self::Release { url } => {
                let count = hub.release_purge(&url).await?;
                let moved =
                    if count > 0 { format!("; {count} moves to it are followed") } else { String::new() };
                Ok(Answer::Done(format!("what `{url}` has taken away until now is removed in time{moved}")))
            }
            Self::Sync => {
                let tell = progress.status_teller();
                let report = hub.sync_now(progress.teller(), |status| tell(&describe(&status))).await?;
                sync_answer(&report)
            }
        }
    }
}

fn sync_answer(report: &SyncReport) -> Result<Answer, Error> {
    if report.behind == 0 {
        return Ok(Answer::Done("every mirror serves the newest that its hub has signed".to_owned()));
    }
    let lines = [format!("{} are not up to date; see polder mirrors", report.behind)];
    let lines: Vec<&str> = lines.iter().chain(&report.reasons).map(String::as_str).collect();
    Err(Error::plain(lines.join("\n  ")))
}
