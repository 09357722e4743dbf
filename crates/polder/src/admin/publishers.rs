//! Commands about trusted publishers: whose id tokens a repository, or a user, takes.

use std::collections::BTreeMap;

use polder_hub::{Hub, PublisherSummary, TrustRequest, Trusting};
use polder_types::{AccountName, PublisherId, RepoName};
use serde::{Deserialize, Serialize};

use super::Answer;
use super::command::text;
use crate::Error;

/// What the operator asks of trusted publishers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum PublisherCommand {
    /// `repo trust` and `user trust`
    Trust {
        by: TrustedBy,
        #[serde(with = "text")]
        user: AccountName,
        issuer: String,
        subject: String,
        claims: Vec<(String, String)>,
    },
    /// `repo trusted`; without a repository it lists those of all
    ListOfRepos {
        #[serde(with = "text::maybe")]
        id: Option<RepoName>,
    },
    /// `user trusted`; without a user it lists those of all
    ListOfUsers {
        #[serde(with = "text::maybe")]
        name: Option<AccountName>,
    },
    /// `repo untrust` and `user untrust`
    Untrust { by: TrustedBy, publisher: PublisherId },
}

/// What trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustedBy {
    /// A repository.
    Repo(#[serde(with = "text")] RepoName),
    /// A user.
    User(#[serde(with = "text")] AccountName),
}

impl From<TrustedBy> for Trusting {
    fn from(by: TrustedBy) -> Self {
        match by {
            TrustedBy::Repo(name) => Self::Repo(name),
            TrustedBy::User(name) => Self::User(name),
        }
    }
}

/// A line of `repo trusted` and `user trusted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherRow {
    /// Its number.
    pub id: String,
    /// The repository to which its tokens write; none where they read what the user may.
    pub repo: Option<String>,
    /// The user for whom they act.
    pub user: String,
    /// Who speaks for it.
    pub issuer: String,
    /// A subject, or the beginning of some and a star.
    pub subject: String,
    /// What else must be claimed.
    pub claims: BTreeMap<String, String>,
    /// Since when it is trusted (RFC 3339, UTC).
    pub created: String,
}

impl From<PublisherSummary> for PublisherRow {
    fn from(publisher: PublisherSummary) -> Self {
        let repo = match publisher.trusting {
            Trusting::Repo(name) => Some(name.to_string()),
            Trusting::User(_) => None,
        };
        Self {
            id: publisher.id.to_string(),
            repo,
            user: publisher.user.to_string(),
            issuer: publisher.issuer,
            subject: publisher.subject,
            claims: publisher.claims,
            created: publisher.created.rfc3339(),
        }
    }
}

pub(super) async fn execute(hub: &Hub, command: PublisherCommand) -> Result<Answer, Error> {
    match command {
        PublisherCommand::Trust { by, user, issuer, subject, claims } => {
            let may = match &by {
                TrustedBy::Repo(name) => format!("writes to `{name}` for `{user}`"),
                TrustedBy::User(_) => format!("reads what `{user}` may"),
            };
            let sentence = format!("`{subject}` of {issuer} {may}");
            let request = TrustRequest { user, issuer, subject, claims };
            let id = hub.trust(&by.into(), request).await?;
            Ok(Answer::Done(format!("{sentence}: publisher {id}")))
        }
        PublisherCommand::ListOfRepos { id } => list(hub, id.map(Trusting::Repo), true).await,
        PublisherCommand::ListOfUsers { name } => list(hub, name.map(Trusting::User), false).await,
        PublisherCommand::Untrust { by, publisher } => {
            hub.untrust(&by.into(), publisher).await?;
            Ok(Answer::Done(format!("publisher {publisher} is trusted no longer; its tokens are revoked")))
        }
    }
}

async fn list(hub: &Hub, of: Option<Trusting>, of_repos: bool) -> Result<Answer, Error> {
    let publishers = hub.publishers(of.as_ref()).await?.into_iter();
    let wanted = publishers.filter(|one| matches!(one.trusting, Trusting::Repo(_)) == of_repos);
    Ok(Answer::Publishers(wanted.map(PublisherRow::from).collect()))
}
