//! Receiving: parse the commands, take the pack, judge it, report.
//!
//! [`read_push`] → [`index_pack`] → [`check_ref_names`], [`check_push`] and [`check_ref_target`] → (the hub: pointers, hooks,
//! bytes, transaction) → [`report`]. Nothing here makes anything durable or visible.

mod check;
mod check_commit;
mod check_dot_files;
mod check_tree;
mod commands;
mod config_file;
mod connectivity;
mod dot_names;
mod index;
mod index_file;
mod limits;
mod object_hash;
mod push;
mod push_options;
mod reachable;
mod report;
mod resolve;
mod scan;
mod spool;
#[cfg(test)]
mod tests;
mod tree_path;

pub use commands::{Command, PushCapabilities, PushRequest, read_push, read_push_noting};
pub use connectivity::NewPointer;
pub use index::{Place, Received, index_pack};
pub use limits::IndexLimits;
pub(crate) use object_hash::hash_object;
pub use push::{Checked, Severity, check_push, check_ref_names, check_ref_target};
pub use push_options::read_push_options;
pub use reachable::{is_fast_forward, peel};
pub use report::{RefReport, progress, report};
pub use tree_path::TreePath;
