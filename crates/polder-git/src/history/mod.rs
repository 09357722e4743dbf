//! What commits did to paths: their last commits, their history, what lies between two of them.
//!
//! Which parent a path is followed to is git's rule: `revision.c` `try_to_simplify_commit` (the default
//! history simplification of `git log -- path`). A commit that has at the path what one of its parents
//! has did not change it, and the first such parent leads on.

mod compare;
mod entry_changes;
mod last_commits;
mod patch;
mod path_commits;
mod tree_changes;

pub use compare::{Comparison, FileChange, compare};
pub use last_commits::{FolderCommits, last_commits};
pub use patch::{Diff, unified_diff};
pub use path_commits::{PathCommits, path_commits};
pub(crate) use tree_changes::{Stands, TreeChange, tree_changes};
