//! `polder block …`

use polder_hub::{BlockTarget, Hub};
use serde::{Deserialize, Serialize};

use super::Answer;
use super::command::text;
use crate::Error;

/// What is asked about what is not to be here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum BlockTask {
    /// `block add`
    Add {
        #[serde(with = "text")]
        what: BlockTarget,
        reason: String,
    },
    /// `block remove`
    Remove {
        #[serde(with = "text")]
        what: BlockTarget,
    },
    /// `block list`
    List,
}

/// A line of `block list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRow {
    /// repo, namespace, origin or object.
    pub kind: String,
    /// Which.
    pub what: String,
    /// Since when (RFC 3339, UTC).
    pub since: String,
    /// Why.
    pub reason: String,
}

impl From<polder_hub::Block> for BlockRow {
    fn from(block: polder_hub::Block) -> Self {
        let polder_hub::Block { kind, what, reason, created_at } = block;
        Self { kind, what, since: created_at.rfc3339(), reason }
    }
}

impl BlockTask {
    pub(super) async fn execute(self, hub: &Hub) -> Result<Answer, Error> {
        match self {
            Self::Add { what, reason } => {
                hub.block(&what, &reason).await?;
                Ok(Answer::Done(format!("`{what}` is not to be had here any more")))
            }
            Self::Remove { what } => {
                hub.unblock(&what).await?;
                Ok(Answer::Done(format!("`{what}` is no longer blocked")))
            }
            Self::List => {
                let rows = hub.list_blocks().await?.into_iter().map(BlockRow::from);
                Ok(Answer::Blocks(rows.collect()))
            }
        }
    }
}
