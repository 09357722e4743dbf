//! No push changes a file that someone else has locked.
//!
//! The locks are read before the checks of a push, with the generation that every new lock raises. The
//! transaction refuses to commit under another generation and the push looks again: a lock made
//! meanwhile either waits for the push or is heeded by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_git::{Command, Received, WatchedPaths};
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::{RefResult, Say};
use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::snapshots::Held;

/// Most locked paths that a refusal names.
const PATHS_NAMED_MAX: usize = 10;

/// The commands of a push, sorted by what locks allow.
pub(crate) struct Heeded {
    /// Those that touch no lock of others.
    pub(crate) free: Vec<Command>,
    /// Those that do, refused.
    pub(crate) refused: Vec<RefResult>,
    /// The generation of the locks looked at; `None` if none were: an import is the operator's.
    pub(crate) generation: Option<i64>,
}

impl Hub {
    /// Refuses the commands that change what others have locked, each by itself, all of an atomic push
    /// together. Blocking.
    ///
    /// Only branches count: a tag is a label, and a branch that goes takes no file from another.
    pub(crate) fn heed_locks(
        &self,
        origin: &Origin,
        commands: &[Command],
        held: &Held,
        received: Option<&Received>,
        say: Say<'_>,
    ) -> Result<Heeded> {
        let Some(actor) = origin.actor else {
            return Ok(Heeded { free: commands.to_vec(), refused: Vec::new(), generation: None });
        };
        let against = Handle::current().block_on(self.db.locks_against(origin.repo, actor))?;
        let against = against.ok_or_else(|| Error::not_found("this repository is gone"))?;
        let mut heeded =
            Heeded { free: Vec::new(), refused: Vec::new(), generation: Some(against.generation) };
        if against.locks.is_empty() {
            heeded.free = commands.to_vec();
            return Ok(heeded);
        }
        let owners: BTreeMap<&str, &str> =
            against.locks.iter().map(|(path, owner)| (path.as_str(), owner.as_str())).collect();
        let watched = WatchedPaths::new(owners.keys().copied());
        let joined = received.map(|received| held.snapshot.with_pack(Arc::clone(&received.pack)));
        let after = joined.as_ref().unwrap_or(&held.snapshot);
        for command in commands {
            let current = held.snapshot.find_ref(&command.name).map(|found| found.oid);
            let old = (!command.old.is_zero()).then_some(command.old);
            // Where `old` is not what the ref holds, the transaction refuses anyway.
            let counts = command.name.starts_with("refs/heads/") && !command.new.is_zero() && old == current;
            let changed = if counts {
                polder_git::changed_paths((&held.snapshot, after), old, command.new, &watched)?
            } else {
                Vec::new()
            };
            match changed.first() {
                None => heeded.free.push(command.clone()),
                Some(first) => {
                    tell(&changed, &owners, say);
                    heeded.refused.push((command.name.clone(), Err(locked(first, changed.len(), &owners))));
                }
            }
        }
        if origin.atomic && !heeded.refused.is_empty() {
            let rest = heeded.free.drain(..);
            heeded.refused.extend(rest.map(|c| (c.name, Err("atomic transaction failed".to_owned()))));
        }
        Ok(heeded)
    }
}

fn locked(path: &str, count: usize, owners: &BTreeMap<&str, &str>) -> String {
    let owner = owners.get(path).copied().unwrap_or("someone");
    match count {
        1 => format!("`{path}` is locked by {owner}"),
        _ => format!("`{path}` is locked by {owner}, and {} more", count - 1),
    }
}

fn tell(changed: &[String], owners: &BTreeMap<&str, &str>, say: Say<'_>) {
    say("this push changes files that others have locked:");
    for path in changed.iter().take(PATHS_NAMED_MAX) {
        let owner = owners.get(path.as_str()).copied().unwrap_or("someone");
        say(&format!("  {path} (locked by {owner})"));
    }
    if changed.len() > PATHS_NAMED_MAX {
        say(&format!("  … and {} more", changed.len() - PATHS_NAMED_MAX));
    }
}
