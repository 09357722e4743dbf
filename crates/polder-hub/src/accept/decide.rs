//! What the transaction shall do, and what it did.

use std::sync::Arc;

use polder_db::{Push, RefOutcome, RefUpdate};
use polder_git::{Checked, Command, Place, Received, Ref, Snapshot};
use polder_types::ObjectId;

use super::quarantine::new_pack;
use crate::discussions::proposed_commits;
use crate::error::Result;
use crate::origin::Origin;
use crate::snapshots::{Advance, Held, MAPPED_PACK_WEIGHT_BYTES};

/// What the transaction shall do. Pure but for reading commits to tell a rewind.
pub(super) fn decide(
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

pub(super) fn advance(
    generation: i64,
    head: String,
    commands: &[Command],
    outcomes: &[RefOutcome],
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

fn some(oid: ObjectId) -> Option<ObjectId> {
    (!oid.is_zero()).then_some(oid)
}
