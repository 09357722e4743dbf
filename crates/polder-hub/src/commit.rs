//! Writing a commit from file changes, through the same door as a push.

use std::io::Read;

use polder_db::Proposal;
use polder_git::{BlobSpool, Change, Command, NOTHING_TO_COMMIT, Signature, Snapshot, proposal_number};
use polder_types::ObjectId;
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::{ABORTED, STALE};
use crate::access::{Contribute, Contributes, Grant};
use crate::blocking::run_admitted;
use crate::body::{BlockingBody, BodyStream};
use crate::commit_draft::{CommitDraft, Lines, ReadCommit};
use crate::discussions::is_proposal_rule;
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;
use crate::origin::Origin;
use crate::protection::is_protection;

/// File changes to become one commit on a branch.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The branch, without `refs/heads/`; made when it does not exist and the repository is empty. Or the whole
    /// name of a pull request's ref.
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

impl CommitRequest {
    /// The full name of the ref that moves.
    fn ref_name(&self, snapshot: &Snapshot) -> Result<String> {
        if proposal_number(&self.branch).is_some() {
            return Ok(self.branch.clone());
        }
        let name = polder_git::branch_meant(snapshot, &self.branch);
        polder_git::check_pushable(&name).map_err(Error::invalid)?;
        Ok(name)
    }
}

/// How often changes without a parent are applied again because the branch moved meanwhile.
pub(crate) const REAPPLY_MAX: usize = 32;

/// What a commit is called in the audit log.
pub(crate) const COMMIT: &str = "api.commit";

impl Hub {
    /// Writes a commit and moves its branch. Changes that change nothing make none; the answer is the
    /// branch's commit then, and so it is for a commit that is sent again because its answer was lost.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when `parent` is given and the branch is elsewhere; [`Kind::Invalid`] for a bad
    /// path, a missing large object or a hook's refusal; [`Kind::Forbidden`] where a rule protects the
    /// branch; [`Kind::NotFound`] for an unknown branch or file; [`Kind::Throttled`] and
    /// [`Kind::Unavailable`] when no place came free.
    pub async fn commit<L: Contributes>(&self, grant: &Grant<L>, request: CommitRequest) -> Result<ObjectId> {
        let done = self.writing(grant, COMMIT, move |hub, grant| hub.apply(grant, &request, None)).await;
        done.map_err(OpenError::into_error)
    }

    /// Writes a commit whose changes arrive as a stream, which `read` understands; no more than one file
    /// of it is in memory at a time. Otherwise as [`Hub::commit`].
    ///
    /// # Errors
    /// As [`Hub::commit`], and whatever `read` answers. [`OpenError::Revision`] for an unknown branch,
    /// [`OpenError::Entry`] for a path that is not there.
    pub async fn commit_stream<L: Contributes>(
        &self,
        grant: &Grant<L>,
        branch: &str,
        body: BodyStream,
        read: ReadCommit,
    ) -> Result<ObjectId, OpenError> {
        let (body, branch) = (BlockingBody::new(body), branch.to_owned());
        self.writing(grant, COMMIT, move |hub, grant| {
            let mut draft = CommitDraft::new(hub, grant)?;
            read(&mut Lines::new(body, hub.bodies.open()), &mut draft)?;
            let (request, spool) = draft.finish(branch)?;
            hub.apply(grant, &request, Some(spool.blobs()))
        })
        .await
    }

    /// Does blocking work on a repository once it is its turn among pushes, and records a refusal of it.
    pub(crate) async fn writing<L: Contributes, T: Send + 'static>(
        &self,
        grant: &Grant<L>,
        action: &'static str,
        work: impl FnOnce(&Self, &Grant<Contribute>) -> Result<T, OpenError> + Send + 'static,
    ) -> Result<T, OpenError> {
        let (hub, grant) = (self.clone(), grant.as_contributor());
        let (entry, place) = (grant.entry(action), self.pushes.enter(grant.share()).await?);
        let done = run_admitted(place, move || Ok(work(&hub, &grant)))
            .await
            .unwrap_or_else(|error| Err(error.into()));
        if let Err(error) = &done {
            self.record_refusal(entry, error.error()).await;
        }
        done
    }

    /// Blocking.
    fn apply(
        &self,
        grant: &Grant<Contribute>,
        request: &CommitRequest,
        spool: Option<&BlobSpool>,
    ) -> Result<ObjectId, OpenError> {
        for _ in 0..REAPPLY_MAX {
            if let Some(commit_id) = self.try_commit(grant, request, spool)? {
                return Ok(commit_id);
            }
        }
        Err(Error::unavailable("the branch moves too fast; try again").into())
    }

    /// One attempt; `None` when the branch moved and the changes may be applied again. Blocking.
    fn try_commit(
        &self,
        grant: &Grant<Contribute>,
        request: &CommitRequest,
        spool: Option<&BlobSpool>,
    ) -> Result<Option<ObjectId>, OpenError> {
        let held = Handle::current().block_on(self.held(grant.repo_id()))?;
        let snapshot = &held.snapshot;
        let name = request.ref_name(snapshot)?;
        let tip = snapshot.find_ref(&name).map(|r| r.oid);
        let is_pull = proposal_number(&name).is_some();
        if tip.is_none() && (is_pull || snapshot.visible_refs().any(|r| r.name.starts_with("refs/heads/"))) {
            let error = Error::not_found(format!("there is no branch `{}`", request.branch));
            return Err(OpenError::Revision(error));
        }
        if request.parent.is_some() && request.parent != tip {
            return repeated(snapshot, tip, request, spool)?
                .ok_or_else(|| moved_on(&request.branch).into())
                .map(Some);
        }
        let changes = polder_git::keep_attributes(snapshot, tip, &request.changes).map_err(Error::from)?;
        let (author, message) = (&request.author, request.message.as_str());
        let written = match polder_git::write_commit(snapshot, tip, &changes, spool, author, message) {
            Err(polder_git::Error::Refused { message }) if message == NOTHING_TO_COMMIT && tip.is_some() => {
                return Ok(tip);
            }
            Err(error @ polder_git::Error::NotFound { .. }) => {
                return Err(OpenError::Entry {
                    commit_id: tip.unwrap_or(ObjectId::ZERO),
                    error: error.into(),
                });
            }
            written => written.map_err(Error::from)?,
        };
        let command = Command { name, old: tip.unwrap_or(ObjectId::ZERO), new: written.commit_id };
        match self.land(grant, command, &mut written.pack(spool), COMMIT, None)? {
            Landed::Done => Ok(Some(written.commit_id)),
            Landed::Stale if request.parent.is_some() => Err(moved_on(&request.branch).into()),
            Landed::Stale => Ok(None),
        }
    }

    /// Receives the pack of a change that the hub made for someone, and moves its ref. Blocking.
    pub(crate) fn land<L: Contributes>(
        &self,
        grant: &Grant<L>,
        command: Command,
        pack: &mut dyn Read,
        action: &'static str,
        proposal: Option<Proposal>,
    ) -> Result<Landed> {
        self.land_all(&Origin { proposal, ..Origin::of(grant, action) }, &[command], pack)
    }

    /// The same for refs that move together or not at all. Blocking.
    pub(crate) fn land_all(
        &self,
        origin: &Origin,
        commands: &[Command],
        pack: &mut dyn Read,
    ) -> Result<Landed> {
        let mut silent = |_: &str| {};
        let quarantined = self.quarantine(self.bill_of(origin), pack, &mut silent)?;
        let mut said = String::new();
        let mut say = |line: &str| {
            said.push_str(line);
            said.push('\n');
        };
        let results = self
            .accept(origin, commands, &quarantined, &mut say)
            .map_err(|error| with_output(error, &said))?;
        self.post_receive(origin, commands, &results, &mut silent);
        let why = results.into_iter().filter_map(|(_, result)| result.err()).find(|why| why != ABORTED);
        match why {
            None => Ok(Landed::Done),
            Some(why) if why.starts_with(STALE) => Ok(Landed::Stale),
            Some(why) if is_protection(&why) || is_proposal_rule(&why) => {
                Err(Error::new(Kind::Forbidden, why))
            }
            Some(why) => Err(Error::invalid(why)),
        }
    }
}

/// How a change ended, unless it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// It is durable.
    Done,
    /// A ref is not where it was thought to be.
    Stale,
}

/// The tip, if it is what this very request made of its parent before.
fn repeated(
    snapshot: &Snapshot,
    tip: Option<ObjectId>,
    request: &CommitRequest,
    spool: Option<&BlobSpool>,
) -> Result<Option<ObjectId>> {
    let Some(tip) = tip else { return Ok(None) };
    if polder_git::commit_info(snapshot, tip)?.parents.as_slice() != request.parent.as_slice() {
        return Ok(None);
    }
    let changes = polder_git::keep_attributes(snapshot, request.parent, &request.changes)?;
    let (author, message) = (&request.author, request.message.as_str());
    let is_same = polder_git::is_commit_of(snapshot, tip, &changes, spool, author, message)?;
    Ok(is_same.then_some(tip))
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
