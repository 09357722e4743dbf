//! The one way into a repository: a push, an API commit and an import all end here.
//!
//! quarantine → index → object checks → connectivity → locks → pointers present → hooks → durable bytes →
//! one transaction. The transaction is the only commit point; what fails before it leaves nothing.

mod decide;
mod large_objects;
mod quarantine;
mod refusal;

use std::sync::Arc;

use polder_db::{NewCatalogEntry, Push, PushOutcome};
use polder_git::{Checked, Command, Received};
use polder_types::{ObjectId, Sha256, failpoint};
use tokio::runtime::Handle;

use self::decide::{advance, decide};
use self::large_objects::missing_objects;
use self::refusal::refusal;
use crate::Hub;
use crate::catalog::head_after;
use crate::discussions::too_many_discussions;
use crate::error::{Error, Result};
use crate::exchange::mirror_lost;
use crate::lock_check::Heeded;
use crate::mechanisms::may_have_committed;
use crate::origin::{LargeObjects, Origin};
use crate::quota::Bill;
use crate::snapshots::Held;

pub(crate) use quarantine::{Quarantined, new_pack};
pub(crate) use refusal::{ABORTED, STALE};

/// How often a push is checked again because objects were collected or files locked meanwhile.
const RECHECKS_MAX: usize = 3;

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
}

fn tips(commands: &[Command]) -> Vec<ObjectId> {
    commands.iter().map(|command| command.new).filter(|new| !new.is_zero()).collect()
}
