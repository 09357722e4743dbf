//! The verdict on a push: well formed, connected, and what it newly refers to.

use std::collections::HashMap;
use std::sync::Arc;

use polder_types::ObjectId;

use super::check::{Gravity, PackChecks, Problem};
use super::check_dot_files::{check_attributes, check_modules};
use super::commands::Command;
use super::connectivity::{Connected, NewPointer, connect};
use super::index::Received;
use super::reachable::peel;
use super::report::RefReport;
use crate::reader::ObjectReader;
use crate::{Error, ObjectKind, Result, Snapshot};

/// How strict the object checks are.
///
#[doc = include_str!("severity.md")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Whatever `git fsck --strict` calls an error is refused.
    Push,
    /// Harmless blemishes of old histories are reported instead; what can hurt a client is refused.
    Import,
}

/// What an accepted push brings.
#[derive(Debug, Default)]
pub struct Checked {
    /// For each new tip that is an annotated tag, what it stands for in the end.
    pub peeled: HashMap<ObjectId, ObjectId>,
    /// LFS pointers that become reachable, each blob once.
    pub pointers: Vec<NewPointer>,
    /// Lines for the user about what was accepted nevertheless.
    pub warnings: Vec<String>,
}

/// Decides whether `new_tips` may become refs.
///
/// `snapshot` is the repository before the push. Every object of the pack must be well formed;
/// everything the tips need must be in the pack or reachable from a visible ref of `snapshot`: that
/// it is stored is not enough. All tips stand and fall together. Zero ids (deletions) are ignored.
///
/// # Errors
/// [`Error::Refused`] with the reason for the client, which never tells whether an object that the
/// pusher may not see exists; [`Error::TooLarge`] when the proof would take too long;
/// [`Error::Corrupt`] and [`Error::Io`] for our own trouble.
///
/// Source: git `builtin/receive-pack.c`, `connected.c`, `fsck.c`.
pub fn check_push(
    snapshot: &Snapshot,
    received: Option<&Received>,
    new_tips: &[ObjectId],
    severity: Severity,
) -> Result<Checked> {
    let tips: Vec<ObjectId> = new_tips.iter().filter(|tip| !tip.is_zero()).copied().collect();
    let joined = received.map(|received| snapshot.with_pack(Arc::clone(&received.pack)));
    let view = joined.as_ref().unwrap_or(snapshot);
    let mut warnings = Vec::new();
    if let Some(received) = received {
        same_bytes(snapshot, received)?;
        judge(&received.checks, severity, &mut warnings)?;
    }
    let connected = connect(snapshot, view, received.map(|received| &*received.pack), &tips)?;
    let contents = check_contents(view, received, &connected)?;
    judge(&contents, severity, &mut warnings)?;
    let mut peeled = HashMap::new();
    for tip in tips {
        if let Some(target) = peel(view, tip)? {
            peeled.insert(tip, target);
        }
    }
    Ok(Checked { peeled, pointers: connected.pointers, warnings })
}

/// An id that is stored already must stand for the same bytes.
fn same_bytes(snapshot: &Snapshot, received: &Received) -> Result<()> {
    let alone = Snapshot::new(0, String::new(), Vec::new(), vec![Arc::clone(&received.pack)])
        .with_object_bytes_max(snapshot.object_bytes_max());
    let (mut stored, mut incoming) = (ObjectReader::new(snapshot), ObjectReader::new(&alone));
    for id in received.pack.object_ids() {
        if snapshot.contains(&id) && stored.read(&id)? != incoming.read(&id)? {
            return Err(Error::refused(format!("SHA1 COLLISION FOUND WITH {id} !")));
        }
    }
    Ok(())
}

fn judge(checks: &PackChecks, severity: Severity, warnings: &mut Vec<String>) -> Result<()> {
    let is_refused = |problem: Problem| match problem.gravity() {
        Gravity::Error => true,
        Gravity::Blemish => severity == Severity::Push,
        Gravity::Note => false,
    };
    if let Some(finding) = checks.findings().iter().find(|finding| is_refused(finding.problem)) {
        return Err(Error::refused(format!("fsck error in pack: {finding}")));
    }
    warnings.extend(checks.findings().iter().map(|finding| format!("warning: {finding}")));
    if checks.more() > 0 {
        warnings.push(format!("warning: {} more of this kind", checks.more()));
    }
    Ok(())
}

/// Checks what trees call `.gitmodules` and `.gitattributes`.
///
/// Only what is in the pack or has been proven reachable is looked at: a verdict on anything else
/// would tell something about it.
fn check_contents(view: &Snapshot, received: Option<&Received>, connected: &Connected) -> Result<PackChecks> {
    let mut reader = ObjectReader::new(view);
    let mut found = PackChecks::default();
    let in_pack = |id: &&ObjectId| received.is_some_and(|received| received.pack.contains(id));
    let named =
        |pick: fn(&PackChecks) -> &Vec<ObjectId>| received.map(|r| pick(&r.checks)).into_iter().flatten();
    let modules = named(|checks| &checks.modules).filter(in_pack).chain(&connected.modules);
    for id in unique(modules) {
        match reader.read(&id)? {
            Some((ObjectKind::Blob, data)) => check_modules(&data, &mut |problem| found.add(id, problem)),
            Some(_) => found.add(id, Problem::GitmodulesBlob),
            None => return Err(Error::corrupt("check .gitmodules", id)),
        }
    }
    let attributes = named(|checks| &checks.attributes).filter(in_pack).chain(&connected.attributes);
    for id in unique(attributes) {
        match reader.read(&id)? {
            Some((ObjectKind::Blob, data)) => check_attributes(&data, &mut |problem| found.add(id, problem)),
            Some(_) => found.add(id, Problem::GitattributesBlob),
            None => return Err(Error::corrupt("check .gitattributes", id)),
        }
    }
    Ok(found)
}

fn unique<'a>(ids: impl Iterator<Item = &'a ObjectId>) -> Vec<ObjectId> {
    let mut ids: Vec<ObjectId> = ids.copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Checks the name of each command: the hub's own refs are left alone. One report per command, in their
/// order.
///
/// Source: git `builtin/receive-pack.c`.
pub fn check_ref_names(commands: &[Command]) -> Vec<RefReport> {
    commands
        .iter()
        .map(|command| RefReport { name: command.name.clone(), result: check_name(command) })
        .collect()
}

fn check_name(command: &Command) -> Result<(), String> {
    // The heads of proposals are made and removed by the hub alone; those that are there may be moved.
    if crate::proposal_number(&command.name).is_some() && !command.old.is_zero() && !command.new.is_zero() {
        return Ok(());
    }
    crate::check_pushable(&command.name).or_else(|reason| {
        // What is there under a bad name may still be deleted, unless it is the hub's.
        let is_bad_name_only = command.new.is_zero() && crate::check_ref_name(&command.name).is_err();
        if is_bad_name_only && command.name.starts_with("refs/") { Ok(()) } else { Err(reason) }
    })
}

/// Why `command` may not be, judged by what it points at: branches hold commits.
///
/// `view` is the repository with the incoming pack. Only for what [`check_push`] accepted: of anything else
/// the pusher may not learn the kind, nor that it exists.
///
/// # Errors
/// Our own trouble only.
///
/// Source: git `refs.c` ("trying to write non-commit object").
pub fn check_ref_target(view: &Snapshot, command: &Command) -> Result<Option<String>> {
    let Command { name, new, .. } = command;
    let is_branch = name.starts_with("refs/heads/") || crate::proposal_number(name).is_some();
    if new.is_zero() || !is_branch {
        return Ok(None);
    }
    let is_commit = matches!(ObjectReader::new(view).header(new)?, Some((ObjectKind::Commit, _)));
    Ok((!is_commit).then(|| format!("trying to write non-commit object {new} to branch '{name}'")))
}
