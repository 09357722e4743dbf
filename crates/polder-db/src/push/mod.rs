//! The one commit point of a push: refs, pack, pointers, HEAD and the outbox fact, all or nothing.

mod commit;
mod conflicts;
mod decide;
mod load;
mod pointers;
mod store;

use bytes::Bytes;
use polder_types::{AccountId, ObjectId, PackId, RepoId, Sha256};

pub(crate) use store::pack as store_pack;

#[cfg(test)]
use crate::sql::Template;
use crate::{Db, LazyObject, MirrorPublish, NewCatalogEntry, Proposal, ProposedCommit, Result};

/// Every statement of a push.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[load::ALL, store::ALL];
/// Every list statement of a push.
#[cfg(test)]
pub(crate) const TEMPLATES: &[&[&Template]] = &[load::TEMPLATES, pointers::TEMPLATES, store::TEMPLATES];

/// One ref to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Full name; the caller has checked it.
    pub name: String,
    /// What it must point to now; `None`: it must not exist.
    pub old: Option<ObjectId>,
    /// What it shall point to; `None` deletes it.
    pub new: Option<ObjectId>,
    /// What the annotated tag `new` leads to in the end.
    pub peeled: Option<ObjectId>,
    /// Whether `old` may become unreachable. Deletions count as such by themselves.
    pub rewinds: bool,
    /// Why it must not happen, if a rule forbids it.
    pub forbidden: Option<String>,
}

/// What a pack is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackClass {
    /// What a push, an API commit or an import brought.
    Push,
    /// The closure of HEAD, branches and tags, made by repacking.
    Base,
    /// Objects that only hidden or request refs reach, made by repacking.
    Side,
}

impl PackClass {
    /// The word used in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Base => "base",
            Self::Side => "side",
        }
    }
}

/// A pack whose bytes are durable (a published file) or come along (`data`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPack {
    /// Its id, from [`Db::next_id`]; names its file.
    pub id: PackId,
    /// The pack's trailer.
    pub hash: ObjectId,
    /// Length of the pack in bytes.
    pub bytes: i64,
    /// How many objects it has.
    pub objects: i64,
    /// What it is for.
    pub class: PackClass,
    /// Pack and index, when they live in the row.
    pub data: Option<(Bytes, Bytes)>,
}

/// A checked push, ready to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The repository.
    pub repo: RepoId,
    /// Who pushes.
    pub actor: Option<AccountId>,
    /// The `gc_epoch` of the snapshot that the checks ran on.
    pub expected_gc_epoch: i64,
    /// The generation of the locks that were heeded; `None` heeds none.
    pub expected_lock_gen: Option<i64>,
    /// All or none.
    pub atomic: bool,
    /// The refs to change.
    pub updates: Vec<RefUpdate>,
    /// Where HEAD shall point if, after this push, its present target does not exist and this one
    /// does. Two racing first pushes therefore cannot undo one another's choice.
    pub new_head: Option<String>,
    /// Where HEAD shall point in any case, if anything changes: an import takes over its source's HEAD,
    /// an unborn one too.
    pub exact_head: Option<String>,
    /// The pack that brings the new objects.
    pub pack: Option<NewPack>,
    /// Newly reachable pointers: the large object, and the pointer's own blob.
    pub pointers: Vec<(Sha256, ObjectId)>,
    /// Those of their objects that need not be here yet: they come when somebody asks for them.
    pub lazy: Vec<LazyObject>,
    /// What the catalogue says from now on, if the default branch comes to be at the commit that it describes.
    pub catalog: Option<NewCatalogEntry>,
    /// The mirror that the repository is, which shows all this with it, or else nothing of it happens.
    pub mirror: Option<MirrorPublish>,
    /// What happens to a pull request, if every ref is changed; it needs `atomic`.
    pub proposal: Option<Proposal>,
    /// Commits that come to be on the refs of pull requests, the oldest first.
    pub proposed: Vec<ProposedCommit>,
}

/// Why one ref was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefRefusal {
    /// It does not point to `old`.
    Stale {
        /// What it points to.
        current: Option<ObjectId>,
    },
    /// Another ref is a directory of this name, or the other way round.
    DirectoryFileConflict {
        /// The other ref.
        with: String,
    },
    /// A rule forbids it.
    Forbidden {
        /// Which; for the client.
        why: String,
    },
    /// Another ref of the same atomic push was refused.
    AtomicAborted,
    /// The repository has as many refs as it may have.
    TooManyRefs,
}

/// What became of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefOutcome {
    /// Full name.
    pub name: String,
    /// Changed (or already so), or why not.
    pub result: Result<(), RefRefusal>,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// Decided per ref; what is `Ok` is durable. If nothing changed, nothing was written: the
    /// generation is the old one and the pack has no row.
    Done {
        /// Generation after the push.
        generation: i64,
        /// Where HEAD points after the push.
        head: String,
        /// Whether anything was written, the pack's row among it.
        changed: bool,
        /// Per ref, in the order of the updates.
        refs: Vec<RefOutcome>,
    },
    /// These large objects are not linked to the repository; nothing was written.
    MissingObjects(Vec<Sha256>),
    /// Garbage collection dropped objects since the checks ran: check again. Nothing was written.
    GcRaced,
    /// A file was locked since the locks were looked at: look again. Nothing was written.
    LockRaced,
    /// The repository was deleted meanwhile.
    RepoGone,
    /// The mirror was hidden, or taken up by another, meanwhile; nothing was written.
    MirrorLost,
    /// The pull request is not what it was, or the number is taken: look again. Nothing was written.
    ProposalRaced,
    /// There are as many discussions as there may be; nothing was written.
    TooManyDiscussions,
}

impl Db {
    /// Commits a push whose objects are checked and durable; returns when the outcome is durable too.
    ///
    /// Each ref is compared and swapped by itself, unless `atomic`. Every object of `pointers` must be
    /// linked to the repository at this very moment, or be one of `lazy`.
    ///
    /// # Errors
    /// [`crate::Error::Busy`], [`crate::Error::Full`], [`crate::Error::OverQuota`]: nothing was written.
    /// [`crate::Error::StorageFailed`]: whether it was written shows after the next start only.
    pub async fn commit_push(&self, push: Push) -> Result<PushOutcome> {
        self.write(move |tx| Box::pin(commit::commit(tx, push))).await
    }
}
