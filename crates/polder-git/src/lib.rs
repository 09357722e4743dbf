//! The git protocol and pack storage: what is served, received, walked and written.
//!
//! Everything works on an immutable [`Snapshot`]: refs and packs as one moment saw them. Serving
//! ([`upload_pack`], [`advertise`]) reads one; receiving makes a new pack and checks it against one;
//! content functions read and write trees and commits of one. All of it is synchronous.
//!
//! This crate never sees a database, a user or a URL, runs no program, and makes nothing durable: the
//! hub decides who may ask, when bytes are safe and which snapshot is current.

mod attributes;
mod audit;
mod capabilities;
mod changed_paths;
pub mod client;
mod commit;
#[cfg(test)]
mod content_test;
mod error;
mod export;
mod file;
mod filter;
mod gunzip;
mod history;
mod id_set;
mod ignore;
mod import;
mod links;
mod log;
mod merge;
mod negotiate;
mod object;
mod pack;
mod pack_writer;
pub mod pkt_line;
mod reader;
mod receive;
mod ref_name;
mod revision;
mod rewrite;
mod shallow;
mod sink;
mod snapshot;
mod tree;
mod upload_pack;
mod walk;
mod walk_commits;
mod walk_reachable;

pub use attributes::Attributes;
pub use audit::{Audit, audit, unsound_refs, verify_pack};
pub use capabilities::{Protocol, Service, advertise, advertise_push_with_options};
pub use changed_paths::{WatchedPaths, changed_paths};
pub use commit::{
    BlobSpool, COMMIT_CHANGES_MAX, Change, CommitPack, NOTHING_TO_COMMIT, Signature, WrittenCommit,
    check_path, folder_id, is_commit_of, keep_attributes, write_commit, write_root_commit, write_tag,
    write_taken_commit,
};
pub use error::{Error, Result};
pub use export::{ExportPack, PackBytes, check_export_target, export, write_view};
pub use file::read_file;
pub use filter::Filter;
pub use gunzip::{Gunzip, gunzip};
pub use history::{
    Comparison, Diff, FileChange, FolderCommits, PathCommits, compare, last_commits, path_commits,
    unified_diff,
};
pub use id_set::{IdHasher, IdMap, IdSet, IdState};
pub use ignore::Ignore;
pub use import::{LocalClone, Source, open_clone, open_source, write_import_pack};
pub use log::{CommitInfo, CommitPage, commit_info, list_commits};
pub use merge::{Merge, merge_bases, merge_commits, merge_conflicts};
pub use object::{Object, ObjectKind};
pub use pack::Pack;
pub use pack_writer::{PackOptions, PackSummary, write_pack};
pub use reader::ObjectReader;
pub use receive::{
    Checked, Command, IndexLimits, NewPointer, Place, PushCapabilities, PushRequest, Received, RefReport,
    Severity, TreePath, check_push, check_ref_names, check_ref_target, index_pack, is_fast_forward, peel,
    progress, read_push, read_push_noting, read_push_options, report,
};
pub use ref_name::{check_pushable, check_ref_name, proposal_number};
pub use revision::{USUAL_BRANCH, branch_meant, resolve_revision};
pub use rewrite::{Rewritten, rewrite_without};
pub use sink::Sink;
pub use snapshot::{HIDDEN_PREFIX, KEPT_PREFIX, Ref, Snapshot};
pub use tree::{EntryKind, FileList, TreeEntry, TreePage, entry, list_files, list_tree};
pub use upload_pack::{NO_RECENT_TIPS, RecentTips, refuse, upload_pack};
pub use walk::{WalkRequest, Walked, objects_between, reachable_objects, walk};
