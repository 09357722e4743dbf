//! Taking repositories down.

use clap::Args;
use polder_types::RepoName;

use crate::admin::{Command, TakedownTask};

/// `polder takedown`
#[derive(Debug, Args)]
pub struct Takedown {
    /// The repository
    pub id: RepoName,
    /// Why; the log tells it to everyone
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    pub reason: Option<String>,
    /// Also delete it for good, and take back what the log has said of it
    #[arg(long)]
    pub erase: bool,
    /// Put it back; what was erased stays gone
    #[arg(long, conflicts_with_all = ["reason", "erase"])]
    pub undo: bool,
}

impl Takedown {
    pub(super) fn command(self) -> (Command, bool) {
        let Self { id, reason, erase, .. } = self;
        let task = match reason {
            Some(reason) => TakedownTask::Begin { id, reason, erase },
            None => TakedownTask::Undo { id },
        };
        (Command::Takedown { task }, false)
    }
}
