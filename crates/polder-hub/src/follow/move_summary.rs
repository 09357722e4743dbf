//! What is known of namespaces that moved, to be shown to the operator.

use polder_db::{FollowRule, MoveState};

use crate::Hub;
use crate::error::Result;

/// A namespace that moved to a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveSummary {
    /// What it is called here, or its id where it has no name.
    pub namespace: String,
    /// The origin of the hub where it was, if that was ever followed.
    pub from: Option<String>,
    /// What is made of the move.
    pub state: MoveState,
    /// What is selected of it as it was there, besides what the rules for its new home select.
    pub carried: Vec<FollowRule>,
}

impl Hub {
    /// The moves to the hub of a log, in the order of the namespaces' operations.
    pub(super) async fn moves_hither(&self, log: i64) -> Result<Vec<MoveSummary>> {
        let carried = self.db.carried_rules(log).await?;
        let mut summaries = Vec::new();
        for which in self.db.list_moves(log).await?.into_iter().filter(|which| which.new_log == log) {
            let name = self.db.name_of_namespace(which.nsid).await?;
            let from = match which.old_log {
                Some(old) => self.db.log(old).await?.map(|old| old.name.origin.to_string()),
                None => None,
            };
            let its = carried.iter().filter(|one| one.nsid == which.nsid).map(|one| one.rule.clone());
            summaries.push(MoveSummary {
                namespace: name.map_or_else(|| which.nsid.to_string(), |name| name.to_string()),
                from,
                state: which.state,
                carried: its.collect(),
            });
        }
        Ok(summaries)
    }
}
