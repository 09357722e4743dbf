//! The operator's commands: values that run in the process which owns the data directory.
//!
//! While a server runs, a command goes to it as one line of JSON through `polder.sock` in the data
//! directory; otherwise the command opens the directory itself. Both ways end in [`execute`].

mod audit;
mod block;
mod branches;
mod bundle;
mod client;
mod command;
mod execute;
mod fetching;
mod follow;
mod gate;
mod imports;
mod key;
mod namespace;
mod progress;
mod publishers;
mod rows;
mod run;
mod server;
mod socket_path;
mod takedown;
mod wire;

pub use audit::AuditTask;
pub use block::{BlockRow, BlockTask};
pub use branches::{BranchCommand, ProtectionRow};
pub use bundle::BundleTask;
pub use client::Client;
pub use command::{Answer, Command, FsckAnswer};
pub use execute::execute;
pub use follow::{FollowTask, MoveRow, RuleText, UpstreamRow};
pub use gate::{GateCommand, RequestRow};
pub use imports::ImportFrom;
pub use key::{KeyCommand, KeyRow};
pub use namespace::NamespaceTask;
pub use progress::{Line, Progress};
pub use publishers::{PublisherCommand, PublisherRow, TrustedBy};
pub use rows::{AuditRow, MemberRow, MirrorRow, OrgRow, QuotaRow, RepoRow, TokenRow, UserRow};
pub use run::run;
pub(crate) use run::{Owner, take};
pub use server::Server;
pub use takedown::TakedownTask;

#[cfg(test)]
mod tests;
