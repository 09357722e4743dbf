//! Users, organisations and their tokens.

use std::time::Duration;

use clap::Subcommand;
use polder_types::{AccountName, PublisherId, RepoName, Role, TokenId};

use super::duration::parse_duration;
use super::trust::{parse_publisher, untrust};
use super::{List, Publisher};
use crate::admin::{Command, PublisherCommand, TrustedBy};

/// `polder user …`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user
    Add {
        /// Name of the user, which is also a namespace
        name: AccountName,
        /// May do everything on this hub
        #[arg(long)]
        admin: bool,
    },
    /// List the users
    List(List),
    /// Let jobs elsewhere, such as a CI's, have tokens for an hour that read what a user may
    Trust {
        /// The user
        name: AccountName,
        /// Which
        #[command(flatten)]
        what: Publisher,
    },
    /// List those that have
    Trusted {
        /// Only those of this user
        name: Option<AccountName>,
        /// How to list
        #[command(flatten)]
        list: List,
    },
    /// Trust one no longer; its tokens are revoked
    Untrust {
        /// The user
        name: AccountName,
        /// Its number, as `user trusted` shows it
        #[arg(value_name = "PUBLISHER-ID", value_parser = parse_publisher)]
        publisher: PublisherId,
    },
}

/// `polder org …`
#[derive(Debug, Subcommand)]
pub enum Org {
    /// Add an organisation
    Add {
        /// Name of the organisation, which is also a namespace
        name: AccountName,
        /// The user who becomes its first admin
        #[arg(long, value_name = "USER")]
        owner: AccountName,
    },
    /// Make a user a member, or change a member's role
    Member {
        /// The organisation
        org: AccountName,
        /// The user
        user: AccountName,
        /// read, write or admin
        #[arg(long)]
        role: Role,
    },
    /// List the organisations with their members and roles
    List(List),
}

/// `polder token …`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it: the only time it is shown
    Add {
        /// Whose token it is
        #[arg(long, value_name = "NAME")]
        user: AccountName,
        /// The most it may do: read, write or admin
        #[arg(long, default_value = "write")]
        scope: Role,
        /// Only for this repository; may be given more than once
        #[arg(long = "repo", value_name = "ID")]
        repos: Vec<RepoName>,
        /// How long it is valid, such as 90d, 12h or 30m; without it, until revoked
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<Duration>,
    },
    /// List the tokens that were not revoked, without their secrets
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<AccountName>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Agree that a program that shows a code (as `hf auth login` does) acts for a user
    Approve {
        /// The code
        code: String,
        /// For whom
        #[arg(long, value_name = "NAME")]
        user: AccountName,
        /// The most it may do: read, write or admin
        #[arg(long, default_value = "write")]
        scope: Role,
    },
    /// Take a token back; its next request is refused
    Revoke {
        /// Its number, as `token list` shows it
        #[arg(value_parser = parse_token_id)]
        id: TokenId,
    },
}

impl User {
    pub(super) fn command(self) -> (Command, bool) {
        match self {
            Self::Add { name, admin } => (Command::UserAdd { name, admin }, false),
            Self::List(list) => (Command::UserList, list.json),
            Self::Trust { name, what } => (what.command(TrustedBy::User(name.clone()), name), false),
            Self::Trusted { name, list } => {
                (Command::Publishers { what: PublisherCommand::ListOfUsers { name } }, list.json)
            }
            Self::Untrust { name, publisher } => (untrust(TrustedBy::User(name), publisher), false),
        }
    }
}

impl Org {
    pub(super) fn command(self) -> (Command, bool) {
        match self {
            Self::Add { name, owner } => (Command::OrgAdd { name, owner }, false),
            Self::Member { org, user, role } => (Command::OrgMember { org, user, role }, false),
            Self::List(list) => (Command::OrgList, list.json),
        }
    }
}

impl Token {
    pub(super) fn command(self) -> (Command, bool) {
        match self {
            Self::Add { user, scope, repos, expires } => {
                let expires_seconds = expires.map(|time| time.as_secs());
                (Command::TokenAdd { user, scope, repos, expires_seconds }, false)
            }
            Self::List { user, json } => (Command::TokenList { user }, json),
            Self::Approve { code, user, scope } => (Command::TokenApprove { code, user, scope }, false),
            Self::Revoke { id } => (Command::TokenRevoke { id }, false),
        }
    }
}

fn parse_token_id(text: &str) -> Result<TokenId, String> {
    let wrong = |_error| format!("`{text}` is not a token's number; `polder token list` shows them");
    text.parse().map(TokenId).map_err(wrong)
}
