//! Trusted publishers, of repositories and of users.

use clap::Args;
use polder_types::{AccountName, PublisherId};

use crate::admin::{Command, PublisherCommand, TrustedBy};

/// Whom to trust.
#[derive(Debug, Clone, Args)]
pub struct Publisher {
    /// Who speaks for it, such as <https://token.actions.githubusercontent.com> or <https://gitlab.com>
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Of whom it speaks: such as repo:acme/ci:ref:refs/heads/main, or repo:acme/ci:* for all that begin so
    #[arg(long)]
    subject: String,
    /// What else it must claim, to the letter; may be given more than once
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    claims: Vec<(String, String)>,
}

impl Publisher {
    pub(super) fn command(self, by: TrustedBy, user: AccountName) -> Command {
        let Self { issuer, subject, claims } = self;
        Command::Publishers { what: PublisherCommand::Trust { by, user, issuer, subject, claims } }
    }
}

pub(super) fn untrust(by: TrustedBy, publisher: PublisherId) -> Command {
    Command::Publishers { what: PublisherCommand::Untrust { by, publisher } }
}

pub(super) fn parse_publisher(text: &str) -> Result<PublisherId, String> {
    let wrong =
        |_error| format!("`{text}` is not a publisher's number; `repo trusted` and `user trusted` show them");
    text.parse().map(PublisherId).map_err(wrong)
}

fn parse_claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("say NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
