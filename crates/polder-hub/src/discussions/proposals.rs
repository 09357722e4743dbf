//! What pushes do to the refs of pull requests.

use polder_db::{DiscussionAt, Proposal, ProposedCommit, RefUpdate};
use polder_git::{Snapshot, proposal_number};
use polder_types::{ObjectId, Role};
use tokio::runtime::Handle;

use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::origin::Origin;

/// Most commits of one push that a pull request tells of: the latest.
const COMMITS_TOLD_MAX: usize = 100;
/// Longest subject of a commit that is told, in characters.
const SUBJECT_CHARS_MAX: usize = 200;

/// How every refusal begins.
const RULE: &str = "pull request";

impl Hub {
    /// Notes on each update why it must not happen: of the ref of a pull request that is not open, or not the
    /// pusher's; of any other by who may only propose. Who may write rewrites all of history. What has no pusher is the operator's, or a mirror's, and
    /// free. Blocking.
    pub(crate) fn apply_proposals(&self, origin: &Origin, updates: &mut [RefUpdate]) -> Result<()> {
        let Some(grant) = &origin.pusher else { return Ok(()) };
        let runtime = Handle::current();
        let role = runtime.block_on(self.role(grant.principal(), grant.repo_row()))?;
        let writes = role >= Some(Role::Write);
        if origin.rewrites && writes {
            return Ok(());
        }
        for update in updates.iter_mut().filter(|update| update.forbidden.is_none()) {
            let why = match (proposal_number(&update.name), update.new) {
                (None, _) if writes => continue,
                (None, _) => "you may push to your own open ones and nothing else".to_owned(),
                (Some(_), None) => "its ref stays".to_owned(),
                (Some(num), Some(_)) => {
                    if matches!(&origin.proposal, Some(Proposal::Open { num: opened, .. }) if *opened == num)
                    {
                        continue;
                    }
                    let at = DiscussionAt { repo: origin.repo, num };
                    let found =
                        runtime.block_on(self.db.discussion(at))?.filter(|found| found.pull.is_some());
                    match found {
                        None => format!("there is none of number {num}"),
                        Some(found) if !found.status.is_open() => {
                            format!("{num} is {}", found.status.as_str())
                        }
                        Some(found) if writes || Some(found.author) == grant.actor() => continue,
                        Some(_) => format!("{num} is somebody else's"),
                    }
                }
            };
            update.forbidden = Some(format!("{RULE}: {why}"));
        }
        Ok(())
    }
}

/// Whether a refusal is one of these rules'.
pub(crate) fn is_proposal_rule(why: &str) -> bool {
    why.starts_with(RULE)
}

/// The commits that updates bring to the refs of pull requests, the oldest first. `view` has their objects.
pub(crate) fn proposed_commits(
    view: &Snapshot,
    updates: &[RefUpdate],
    proposal: Option<&Proposal>,
) -> Result<Vec<ProposedCommit>> {
    let mut proposed = Vec::new();
    for update in updates.iter().filter(|update| update.forbidden.is_none()) {
        let (Some(num), Some(new)) = (proposal_number(&update.name), update.new) else { continue };
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
