//! `polder takedown …`

use polder_hub::Hub;
use polder_types::RepoName;
use serde::{Deserialize, Serialize};

use super::Answer;
use super::command::text;
use crate::Error;

/// What is asked about what must not be had here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum TakedownTask {
    /// `takedown`
    Begin {
        #[serde(with = "text")]
        id: RepoName,
        reason: String,
        erase: bool,
    },
    /// `takedown --undo`
    Undo {
        #[serde(with = "text")]
        id: RepoName,
    },
}

impl TakedownTask {
    pub(super) async fn execute(self, hub: &Hub) -> Result<Answer, Error> {
        Ok(Answer::Done(match self {
            Self::Begin { id, reason, erase } => {
                hub.take_down(&id, &reason, erase).await?;
                if erase {
                    format!("took `{id}` down and deleted it; the log takes back what it has said of it")
                } else {
                    format!("took `{id}` down; `polder takedown --undo {id}` puts it back")
                }
            }
            Self::Undo { id } => {
                hub.undo_takedown(&id).await?;
                format!("`{id}` is back")
            }
        }))
    }
}
