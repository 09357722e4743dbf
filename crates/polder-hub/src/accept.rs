//! The one way into a repository: a push, an API commit and an import all end here.
//!
//! quarantine → index → object checks → connectivity → locks → pointers present → hooks → durable bytes →
//! one transaction. The transaction is the only commit point; what fails before it leaves nothing.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use polder_blob::Scratch;
use polder_db::{LazyObject, NewCatalogEntry, NewPack, PackClass, Push, PushOutcome, RefRefusal, RefUpdate};
use polder_git::{Checked, Command, IndexLimits, NewPointer, Place, Received, Ref, Snapshot};
use polder_types::{ObjectId, PackId, Sha256, failpoint};
use tokio::runtime::Handle;

use crate::Hub;
use crate::body::Bounded;
use crate::catalog::head_after;
use crate::discussions::{proposed_commits, too_many_discussions};
use crate::error::{Error, Kind, Result};
use crate::exchange::mirror_lost;
use crate::lock_check::Heeded;
use crate::mechanisms::may_have_committed;
use crate::origin::{LargeObjects, Origin};
use crate::quota::Bill;
use crate::snapshots::{Advance, Held, MAPPED_PACK_WEIGHT_BYTES};

/// How often a push is checked again because objects were collected or files locked meanwhile.
const RECHECKS_MAX: usize = 3;
/// What git sends where no object is missing: a header and a hash.
const EMPTY_PACK_BYTES: u64 = 32;
/// Most missing large objects that a refusal names.
const MISSING_NAMED_MAX: usize = 10;

/// How every refusal begins that is about what changed meanwhile; git's own words.
pub(crate) const STALE: &str = "failed to update ref";

/// Why a ref stayed where another one of the same change had to.
pub(crate) const ABORTED: &str = "atomic transaction failed";

/// Objects in quarantine, indexed but not yet trusted.
pub(crate) struct Quarantined {
    pub(crate) received: Option<Received>,
    pub(crate) scratch: Scratch,
}

/// A push that is checked: what the transaction shall do, and what is refused without it.
struct Ready {
    push: Push,
    checked: Checked,
    /// What `push` is about.
    commands: Vec<Command>,
    refused: Vec<RefResult>,
}

/// The answer for one ref; the text of a refusal is one line.
pub(crate) type RefResult = (String, Result<(), String>);

/// Where lines for the person who waits go.
pub(crate) type Say<'a> = &'a mut dyn FnMut(&str);

impl Hub {
    /// Streams a pack into quarantine and indexes it; stops where there is no more room. Blocking.
    pub(crate) fn quarantine(&self, bill: Bill, body: &mut dyn Read, say: Say<'_>) -> Result<Quarantined> {
        let room = Handle::current().block_on(self.room(bill))?;
        let scratch = self.store.quarantine()?;
        let id = PackId(self.db.next_id());
        let bytes_max = room.as_ref().map_or(u64::MAX, |room| room.bytes_left.max(EMPTY_PACK_BYTES));
        let mut body = Bounded::new(body, bytes_max);
        let received = polder_git::index_pack(id, &mut body, scratch.path(), &IndexLimits::default(), say);
        let received = match (received, room) {
            (Err(_), Some(room)) if body.is_exceeded() => return Err(room.exceeded()),
            (received, _) => received?,
        };
        failpoint::hit("push.received");
        Ok(Quarantined { received, scratch })
    }

    /// For whom is counted what a change brings.
    pub(crate) fn bill_of(&self, origin: &Origin) -> Bill {
        origin.pusher.as_ref().map_or_else(|| origin.repo.into(), |pusher| self.bill(pusher))
    }

    /// Checks quarantined objects and makes the commands true, or says of each why not. Blocking.
    ///
    /// # Errors
    /// When nothing of it could be decided: no command has had an effect then.
    pub(crate) fn accept(
        &self,
        origin: &Origin,
        commands: &[Command],
        quarantined: &Quarantined,
        say: Say<'_>,
    ) -> Result<Vec<RefResult>> {
        let received = quarantined.received.as_ref();
        for _ in 0..RECHECKS_MAX {
            let Ready { push, checked, commands, refused } =
                self.check(origin, commands, quarantined, say)?;
            if commands.is_empty() {
                return Ok(refused);
            }
            tracing::debug!(repo = %origin.name, "publishing");
            let published = self.publish_pack(received)?;
            let db = self.bill_of(origin).counting(&self.audited(origin.entry.clone()));
            let outcome = Handle::current().block_on(db.commit_push(push));
            let landed = matches!(outcome, Ok(PushOutcome::Done { changed: true, .. }));
            let is_unknown = outcome.as_ref().is_err_and(may_have_committed);
            if published && !landed && !is_unknown {
                self.unpublish(received);
            }
            match outcome? {
                // All of it was there already: the mirror was brought there by another.
                PushOutcome::Done { changed: false, ref refs, .. }
                    if origin.mirror.is_some() && refs.iter().all(|r| r.result.is_ok()) =>
                {
                    return Err(mirror_lost());
                }
                PushOutcome::Done { generation, head, changed, refs } => {
                    if changed {
                        failpoint::hit("push.committed");
                        let advance = advance(generation, head, &commands, &refs, &checked, received);
                        Handle::current().block_on(self.advance(origin.repo, advance));
                    }
                    let told = refs.into_iter().map(|r| (r.name, r.result.map_err(|why| refusal(&why))));
                    return Ok(told.chain(refused).collect());
                }
                PushOutcome::MissingObjects(missing) => {
                    return Err(missing_objects(origin, &checked.pointers, &missing, say));
                }
                PushOutcome::GcRaced => Handle::current().block_on(self.forget(origin.repo)),
                PushOutcome::LockRaced => {}
                PushOutcome::MirrorLost => return Err(mirror_lost()),
                PushOutcome::ProposalRaced => {
                    let why = || format!("{STALE}: the pull request changed meanwhile");
                    let raced = commands.into_iter().map(|command| (command.name, Err(why())));
                    return Ok(raced.chain(refused).collect());
                }
                PushOutcome::TooManyDiscussions => return Err(too_many_discussions()),
                PushOutcome::RepoGone => return Err(Error::not_found("this repository is gone")),
            }
        }
        Err(Error::unavailable("the repository is being compacted or its files locked; push again"))
    }

    /// Every check that comes before the commit point, and what the transaction shall do.
    ///
    /// Objects come first: what looks at locks reads trees, and by then they are well formed.
    fn check(
        &self,
        origin: &Origin,
        commands: &[Command],
        quarantined: &Quarantined,
        say: Say<'_>,
    ) -> Result<Ready> {
        let runtime = Handle::current();
        let received = quarantined.received.as_ref();
        let held = runtime.block_on(self.held(origin.repo))?;
        let check = |commands: &[Command]| {
            polder_git::check_push(&held.snapshot, received, &tips(commands), origin.severity)
        };
        let mut checked = check(commands)?;
        let Heeded { free, refused, generation } = self.heed_locks(origin, commands, &held, received, say)?;
        if !refused.is_empty() {
            checked = check(&free)?;
        }
        for warning in &checked.warnings {
            say(&format!("warning: {warning}"));
        }
        let mut lazy = Vec::new();
        match &origin.large_objects {
            LargeObjects::Here => {}
            LargeObjects::Directory(from) => {
                self.take_objects(origin.repo, from, &checked.pointers, say)?;
            }
            LargeObjects::Repository(from) => {
                let oids: Vec<Sha256> = checked.pointers.iter().map(|new| new.pointer.oid).collect();
                self.link_from(*from, origin.repo, &oids)?;
            }
            LargeObjects::Server(from) => self.fetch_objects(origin.repo, from, &checked.pointers, say)?,
            LargeObjects::Peer(from) => self.bring_objects(origin.repo, from, &checked.pointers, say)?,
            LargeObjects::Later(xet) => lazy = self.later_objects(origin.repo, xet, &checked.pointers)?,
        }
        self.require_objects(origin, &checked.pointers, &lazy, say)?;
        if origin.run_hooks && !free.is_empty() {
            self.pre_receive(origin, &free, &held.snapshot, quarantined, say)?;
        }
        failpoint::hit("push.checked");
        let mut push = decide(origin, &free, received, &checked, &held)?;
        push.expected_lock_gen = generation;
        push.lazy = lazy;
        push.catalog = self.catalog_entry(origin, &free, received, &push, &held);
        self.apply_protection(origin, &mut push.updates)?;
        self.apply_proposals(origin, &mut push.updates)?;
        Ok(Ready { push, checked, commands: free, refused })
    }

    /// What the catalogue will say, if the push moves the default branch.
    fn catalog_entry(
        &self,
        origin: &Origin,
        commands: &[Command],
        received: Option<&Received>,
        push: &Push,
        held: &Held,
    ) -> Option<NewCatalogEntry> {
        let branch =
            head_after(&held.snapshot, commands, push.new_head.as_deref(), push.exact_head.as_deref());
        let joined = received.map(|received| held.snapshot.with_pack(Arc::clone(&received.pack)));
        let after = joined.as_ref().unwrap_or(&held.snapshot);
        self.entry_after(origin.repo, origin.name.kind(), after, commands, branch)
    }

    /// Makes a pack's files durable, if it has files; says whether it has.
    pub(crate) fn publish_pack(&self, received: Option<&Received>) -> Result<bool> {
        let Some(Received { place: Place::Files { pack, index }, pack: opened, .. }) = received else {
            return Ok(false);
        };
        self.store.publish_pack(opened.id(), pack, index)?;
        failpoint::hit("push.published");
        Ok(true)
    }

    /// Before anything costly: every newly reachable pointer has its object here, or it is one of `lazy`. The
    /// transaction asks again.
    fn require_objects(
        &self,
        origin: &Origin,
        pointers: &[NewPointer],
        lazy: &[LazyObject],
        say: Say<'_>,
    ) -> Result<()> {
        if pointers.is_empty() {
            return Ok(());
        }
        let oids: Vec<Sha256> = pointers.iter().map(|pointer| pointer.pointer.oid).collect();
        let linked = Handle::current().block_on(self.db.linked_blobs(origin.repo, &oids))?;
        let linked = linked.iter().map(|blob| (blob.sha256, blob.size_bytes));
        let sizes: HashMap<Sha256, i64> =
            lazy.iter().map(|object| (object.sha256, object.size_bytes)).chain(linked).collect();
        for NewPointer { path, pointer, .. } in pointers {
            let size = sizes.get(&pointer.oid);
            if size.is_some_and(|size| u64::try_from(*size) != Ok(pointer.size_bytes)) {
                let message = format!("the pointer `{path}` gives a wrong size for object {}", pointer.oid);
                return Err(Error::invalid(message));
            }
        }
        let missing: Vec<Sha256> = oids.into_iter().filter(|oid| !sizes.contains_key(oid)).collect();
        self.refuse_blocked(&missing)?;
        if missing.is_empty() { Ok(()) } else { Err(missing_objects(origin, pointers, &missing, say)) }
    }

    pub(crate) fn unpublish(&self, received: Option<&Received>) {
        if let Some(received) = received
            && let Err(error) = self.store.remove_pack(received.pack.id())
        {
            tracing::warn!(%error, "the files of a refused push stay for the sweep");
        }
    }
}

fn tips(commands: &[Command]) -> Vec<ObjectId> {
    commands.iter().map(|command| command.new).filter(|new| !new.is_zero()).collect()
}

fn some(oid: ObjectId) -> Option<ObjectId> {
    (!oid.is_zero()).then_some(oid)
}

/// What the transaction shall do. Pure but for reading commits to tell a rewind.
fn decide(
    origin: &Origin,
    commands: &[Command],
    received: Option<&Received>,
    checked: &Checked,
    held: &Held,
) -> Result<Push> {
    let joined = received.map(|received| held.snapshot.with_pack(Arc::clone(&received.pack)));
    let after = joined.as_ref().unwrap_or(&held.snapshot);
    let mut updates = Vec::with_capacity(commands.len());
    for command in commands {
        let rewinds = match (some(command.old), some(command.new)) {
            // Where `old` is not what the ref holds, the transaction refuses anyway: no walk for that.
            (Some(old), Some(new)) if held.snapshot.find_ref(&command.name).is_some_and(|r| r.oid == old) => {
                !polder_git::is_fast_forward(after, old, new)?
            }
            (old, _) => old.is_some(),
        };
        updates.push(RefUpdate {
            name: command.name.clone(),
            old: some(command.old),
            new: some(command.new),
            peeled: checked.peeled.get(&command.new).copied(),
            rewinds,
            forbidden: polder_git::check_ref_target(after, command)?,
        });
    }
    Ok(Push {
        repo: origin.repo,
        actor: origin.actor,
        expected_gc_epoch: held.gc_epoch,
        expected_lock_gen: None,
        atomic: origin.atomic,
        new_head: first_branch(commands, &held.snapshot),
        exact_head: origin.head.clone(),
        pack: received.map(new_pack).transpose()?,
        pointers: checked.pointers.iter().map(|new| (new.pointer.oid, new.blob)).collect(),
        lazy: Vec::new(),
        catalog: None,
        mirror: origin.mirror.clone(),
        proposal: origin.proposal.clone(),
        proposed: if origin.rewrites {
            Vec::new()
        } else {
            proposed_commits(after, &updates, origin.proposal.as_ref())?
        },
        updates,
    })
}

/// The branch of a first push, when it is the only one: it becomes the default if `main` is not there.
fn first_branch(commands: &[Command], snapshot: &Snapshot) -> Option<String> {
    let is_branch = |name: &str| name.starts_with("refs/heads/");
    if snapshot.refs().iter().any(|r| is_branch(&r.name)) {
        return None;
    }
    let mut branches = commands.iter().filter(|command| is_branch(&command.name) && !command.new.is_zero());
    let only = branches.next()?;
    branches.next().is_none().then(|| only.name.clone())
}

pub(crate) fn new_pack(received: &Received) -> Result<NewPack> {
    Ok(NewPack {
        id: received.pack.id(),
        hash: received.hash,
        bytes: i64::try_from(received.bytes).map_err(Error::internal)?,
        objects: i64::from(received.objects),
        class: PackClass::Push,
        data: match &received.place {
            Place::Memory { pack, index } => Some((pack.clone(), index.clone())),
            Place::Files { .. } => None,
        },
    })
}

fn advance(
    generation: i64,
    head: String,
    commands: &[Command],
    outcomes: &[polder_db::RefOutcome],
    checked: &Checked,
    received: Option<&Received>,
) -> Advance {
    let landed = |name: &str| outcomes.iter().any(|outcome| outcome.name == name && outcome.result.is_ok());
    let refs = commands
        .iter()
        .filter(|command| landed(&command.name))
        .map(|command| {
            let peeled = checked.peeled.get(&command.new).copied();
            let new = some(command.new).map(|oid| Ref { name: command.name.clone(), oid, peeled });
            (command.name.clone(), new)
        })
        .collect();
    let pack_bytes = received.map_or(0, |received| match &received.place {
        Place::Memory { pack, index } => pack.len() + index.len(),
        Place::Files { .. } => MAPPED_PACK_WEIGHT_BYTES,
    });
    let packs = received.iter().map(|received| Arc::clone(&received.pack)).collect();
    Advance { generation, head, refs, packs, pack_bytes }
}

/// Git's own words where it has them; `send-pack` and its users know these.
fn refusal(why: &RefRefusal) -> String {
    match why {
        RefRefusal::Stale { current: Some(_) } => {
            format!("{STALE}: it moved meanwhile; fetch first")
        }
        RefRefusal::Stale { current: None } => format!("{STALE}: it is gone"),
        RefRefusal::DirectoryFileConflict { with } => format!("'{with}' exists; cannot create"),
        RefRefusal::Forbidden { why } => why.clone(),
        RefRefusal::AtomicAborted => ABORTED.to_owned(),
        RefRefusal::TooManyRefs => "too many refs in this repository".to_owned(),
    }
}

fn missing_objects(origin: &Origin, pointers: &[NewPointer], missing: &[Sha256], say: Say<'_>) -> Error {
    say("these files are stored with LFS, but their objects are not on this hub:");
    let lacking = pointers.iter().filter(|new| missing.contains(&new.pointer.oid));
    for new in lacking.take(MISSING_NAMED_MAX) {
        say(&format!("  {} ({})", new.path, new.pointer.oid));
    }
    if missing.len() > MISSING_NAMED_MAX {
        say(&format!("  … and {} more", missing.len() - MISSING_NAMED_MAX));
    }
    say(match origin.large_objects {
        LargeObjects::Here => "upload them first: git lfs push --all <remote>",
        LargeObjects::Directory(_) => "fetch them into the source first: git lfs fetch --all",
        LargeObjects::Repository(_) => "the repository that is copied has not got them here",
        LargeObjects::Server(_) | LargeObjects::Peer(_) | LargeObjects::Later(_) => {
            "the server they come from does not have them either"
        }
    });
    let first = pointers.iter().find(|new| missing.contains(&new.pointer.oid));
    let named = first.map_or(String::new(), |new| format!(": `{}` needs {}", new.path, new.pointer.oid));
    Error::new(Kind::Invalid, format!("{} LFS object(s) missing{named}", missing.len()))
}
