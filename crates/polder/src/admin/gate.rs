//! Commands about the gate of one repository, and who asks to come in.

use polder_hub::{AccessRequest, AccessStatus, Hub};
use polder_types::{AccountName, Gate, RepoName};
use serde::{Deserialize, Serialize};

use super::Answer;
use super::command::text;
use crate::Error;

/// What the operator asks of a repository's gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum GateCommand {
    /// `repo gate`
    Set { gate: Option<Gate> },
    /// `repo requests`
    Requests {
        #[serde(with = "text")]
        status: AccessStatus,
    },
    /// `repo requests --accept` and `--reject`
    Decide {
        #[serde(with = "text")]
        user: AccountName,
        #[serde(with = "text")]
        status: AccessStatus,
    },
}

/// A line of `repo requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Who asked.
    pub user: String,
    /// pending, accepted or rejected.
    pub status: String,
    /// When they asked (RFC 3339, UTC).
    pub created: String,
    /// When somebody last decided on it.
    pub decided: Option<String>,
    /// What they wrote.
    pub fields: serde_json::Value,
}

impl From<AccessRequest> for RequestRow {
    fn from(request: AccessRequest) -> Self {
        Self {
            user: request.account.to_string(),
            status: request.status.to_string(),
            created: request.created.rfc3339(),
            decided: request.decided.map(polder_types::UnixMillis::rfc3339),
            fields: serde_json::from_str(&request.fields).unwrap_or_default(),
        }
    }
}

pub(super) async fn execute(hub: &Hub, id: &RepoName, command: GateCommand) -> Result<Answer, Error> {
    let sentence = match command {
        GateCommand::Set { gate } => {
            hub.set_gate(id, gate).await?;
            match gate {
                Some(Gate::Auto) => format!("`{id}` is gated: whoever asks gets access"),
                Some(Gate::Manual) => format!("`{id}` is gated: administrators of its namespace give access"),
                None => format!("`{id}` has no gate"),
            }
        }
        GateCommand::Requests { status } => {
            let requests = hub.list_access_requests(id, status).await?;
            return Ok(Answer::Requests(requests.into_iter().map(RequestRow::from).collect()));
        }
        GateCommand::Decide { user, status } => {
            hub.decide_request(id, &user, status).await?;
            format!("the request of `{user}` to read `{id}` is {status}")
        }
    };
    Ok(Answer::Done(sentence))
}
