//! What pushes do to the refs of pull requests.

use polder_db::{Proposal, ProposedCommit, RefUpdate};
use polder_git::Snapshot;
use polder_types::ObjectId;

use crate::error::{Error, Kind, Result};

/// Most commits of one push that a pull request tells of: the latest.
const COMMITS_TOLD_MAX: usize = 100;
/// Longest subject of a commit that is told, in characters.
const SUBJECT_CHARS_MAX: usize = 200;

/// The number of the pull request whose ref this is.
pub(crate) fn proposal_of(ref_name: &str) -> Option<i64> {
    let number = ref_name.strip_prefix("refs/pr/")?;
    let num: i64 = number.parse().ok()?;
    (num > 0 && num.to_string() == number).then_some(num)
}

/// The commits that updates bring to the refs of pull requests, the oldest first. `view` has their objects.
pub(crate) fn proposed_commits(
    view: &Snapshot,
    updates: &[RefUpdate],
    proposal: Option<&Proposal>,
) -> Result<Vec<ProposedCommit>> {
    let mut proposed = Vec::new();
    for update in updates.iter().filter(|update| update.forbidden.is_none()) {
        let (Some(num), Some(new)) = (proposal_of(&update.name), update.new) else { continue };
        let since = match proposal {
            Some(Proposal::Open { num: opened, pull, .. }) if *opened == num => Some(pull.base_oid),
            _ => update.old,
        };
        let mut told = told(view, since, new, update.rewinds)?;
        told.reverse();
        proposed.extend(told.into_iter().map(|(oid, subject)| ProposedCommit { num, oid, subject }));
    }
    Ok(proposed)
}

/// Commits from `new` back to `since` along the first parents; where history was rewritten, the last alone.
fn told(
    view: &Snapshot,
    since: Option<ObjectId>,
    new: ObjectId,
    rewinds: bool,
) -> Result<Vec<(ObjectId, String)>> {
    let count_max = if rewinds { 1 } else { COMMITS_TOLD_MAX };
    let mut told = Vec::new();
    let mut next = Some(new).filter(|new| Some(*new) != since);
    while let Some(oid) = next.filter(|_| told.len() < count_max) {
        let info = polder_git::commit_info(view, oid)?;
        // Neither engine of the database keeps NUL in a text.
        let subject = info.title().chars().filter(|c| *c != '\0').take(SUBJECT_CHARS_MAX).collect();
        told.push((oid, subject));
        next = info.parents.first().copied().filter(|parent| Some(*parent) != since);
    }
    Ok(told)
}

pub(crate) fn too_many_discussions() -> Error {
    Error::new(Kind::TooLarge, "there are as many discussions here as there may be; close some first")
}
