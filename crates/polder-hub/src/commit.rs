//! Writing a commit from file changes, through the same door as a push.

use polder_git::{Change, Command, Severity, Signature};
use polder_types::ObjectId;
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::{LargeObjects, Origin};
use crate::access::{Grant, Write};
use crate::blocking::run_admitted;
use crate::error::{Error, Kind, Result};
use crate::protection::is_protection;

/// File changes to become one commit on a branch.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The branch, without `refs/heads/`; made when it does not exist and the repository is empty.
    pub branch: String,
    /// The commit that the changes were made on. When given, the branch must still be there; when not,
    /// the changes are applied to whatever the branch is by then.
    pub parent: Option<ObjectId>,
    /// What changes.
    pub changes: Vec<Change>,
    /// Who made it; also the committer.
    pub author: Signature,
    /// The commit message.
    pub message: String,
}

/// How often changes without a parent are applied again because the branch moved meanwhile.
const REAPPLY_MAX: usize = 32;

/// What a commit is called in the audit log.
const COMMIT: &str = "api.commit";

impl Hub {
    /// Writes a commit and moves its branch.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when `parent` is given and the branch is elsewhere; [`Kind::Invalid`] for a bad
    /// path, a missing large object or a hook's refusal; [`Kind::Forbidden`] where a rule protects the
    /// branch; [`Kind::NotFound`] for an unknown branch or file; [`Kind::Throttled`] and
    /// [`Kind::Unavailable`] when no place came free.
    pub async fn commit(&self, grant: &Grant<Write>, request: CommitRequest) -> Result<ObjectId> {
        let (hub, grant) = (self.clone(), grant.clone());
        let (entry, place) = (grant.entry(COMMIT), self.pushes.enter(grant.share()).await?);
        let done = run_admitted(place, move || {
            for _ in 0..REAPPLY_MAX {
                if let Some(commit_id) = hub.try_commit(&grant, &request)? {
                    return Ok(commit_id);
                }
            }
            Err(Error::unavailable("the branch moves too fast; try again"))
        })
        .await;
        if let Err(error) = &done {
            self.record_refusal(entry, error).await;
        }
        done
    }

    /// One attempt; `None` when the branch moved and the changes may be applied again. Blocking.
    fn try_commit(&self, grant: &Grant<Write>, request: &CommitRequest) -> Result<Option<ObjectId>> {
        let name = format!("refs/heads/{}", request.branch);
        polder_git::check_pushable(&name).map_err(Error::invalid)?;
        let held = Handle::current().block_on(self.held(grant.repo_id()))?;
        let tip = held.snapshot.find_ref(&name).map(|r| r.oid);
        if tip.is_none() && held.snapshot.visible_refs().any(|r| r.name.starts_with("refs/heads/")) {
            return Err(Error::not_found(format!("there is no branch `{}`", request.branch)));
        }
        if request.parent.is_some() && request.parent != tip {
            return Err(moved_on(&request.branch));
        }
        let written = polder_git::write_commit(
            &held.snapshot,
            tip,
            &request.changes,
            &request.author,
            &request.message,
        )?;
        let mut silent = |_: &str| {};
        let quarantined = self.quarantine(grant.repo_id(), &mut written.pack.as_ref(), &mut silent)?;
        let command = Command { name, old: tip.unwrap_or(ObjectId::ZERO), new: written.commit_id };
        let origin = Origin {
            repo: grant.repo_id(),
            name: grant.repo().clone(),
            actor: grant.actor(),
            pusher: Some(grant.clone()),
            push_options: None,
            severity: Severity::Push,
            run_hooks: true,
            atomic: true,
            large_objects: LargeObjects::Here,
            head: None,
            entry: grant.entry(COMMIT),
        };
        let mut said = String::new();
        let mut say = |line: &str| {
            said.push_str(line);
            said.push('\n');
        };
        let commands = [command];
        let results = self
            .accept(&origin, &commands, &quarantined, &mut say)
            .map_err(|error| with_output(error, &said))?;
        self.post_receive(&origin, &commands, &results, &mut silent);
        match results.into_iter().next() {
            Some((_, Ok(()))) => Ok(Some(written.commit_id)),
            Some((_, Err(why))) if why.starts_with("failed to update ref") => {
                if request.parent.is_some() {
                    Err(moved_on(&request.branch))
                } else {
                    Ok(None)
                }
            }
            Some((_, Err(why))) if is_protection(&why) => Err(Error::new(Kind::Forbidden, why)),
            Some((_, Err(why))) => Err(Error::invalid(why)),
            None => Err(Error::internal("no result for a commit's ref")),
        }
    }
}

fn moved_on(branch: &str) -> Error {
    Error::new(
        Kind::Conflict,
        format!("the branch `{branch}` is not at the given parent commit; fetch it first"),
    )
}

/// What a hook or a check printed is the part of a refusal that helps.
fn with_output(error: Error, said: &str) -> Error {
    if error.kind() != Kind::Invalid || said.is_empty() {
        return error;
    }
    Error::invalid(format!("{}\n{}", error.message(), said.trim_end()))
}
