//! Where a change of a repository comes from.

use std::collections::HashMap;
use std::path::PathBuf;

use polder_db::{MirrorPublish, Proposal};
use polder_git::Severity;
use polder_types::{AccountId, RepoId, RepoName, Sha256};
use polder_xet::FileHash;

use crate::access::{Contribute, Contributes, Grant};
use crate::audit::Entry;
use crate::follow::PeerObjects;
use crate::pull::RemoteObjects;

/// Where a change comes from and what it may do.
pub(crate) struct Origin {
    pub(crate) repo: RepoId,
    pub(crate) name: RepoName,
    pub(crate) actor: Option<AccountId>,
    /// Whom the rules for branches apply to; `None` is the operator.
    pub(crate) pusher: Option<Grant<Contribute>>,
    /// For hooks; `None` if the client could send none.
    pub(crate) push_options: Option<Vec<String>>,
    pub(crate) severity: Severity,
    pub(crate) run_hooks: bool,
    pub(crate) atomic: bool,
    /// Where large objects that are missing may be had.
    pub(crate) large_objects: LargeObjects,
    /// Where HEAD shall point, whatever the branches are.
    pub(crate) head: Option<String>,
    /// The mirror that shows what changes, in the same transaction.
    pub(crate) mirror: Option<MirrorPublish>,
    /// What happens to a pull request in the same transaction.
    pub(crate) proposal: Option<Proposal>,
    /// Whether history is rewritten: the refs of pull requests move with it, of those that are over, too.
    pub(crate) rewrites: bool,
    /// What the audit log will say.
    pub(crate) entry: Entry,
}

impl Origin {
    /// Of a change that the hub makes for someone.
    pub(crate) fn of<L: Contributes>(grant: &Grant<L>, action: &'static str) -> Self {
        Self {
            repo: grant.repo_id(),
            name: grant.repo().clone(),
            actor: grant.actor(),
            pusher: Some(grant.as_contributor()),
            push_options: None,
            severity: Severity::Push,
            run_hooks: true,
            atomic: true,
            large_objects: LargeObjects::Here,
            head: None,
            mirror: None,
            proposal: None,
            rewrites: false,
            entry: grant.entry(action),
        }
    }
}

/// Where the large objects of a change come from.
pub(crate) enum LargeObjects {
    /// Whoever pushes has sent them before.
    Here,
    /// An `lfs/objects` tree.
    Directory(PathBuf),
    /// Another repository of this hub, which may be read by whom the change is for.
    Repository(RepoId),
    /// Another server.
    Server(Box<RemoteObjects>),
    /// Another hub, which is not trusted.
    Peer(Box<PeerObjects>),
    /// Such a hub, when somebody asks for them; what is known of their chunks.
    Later(HashMap<Sha256, FileHash>),
}
