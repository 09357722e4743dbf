//! Merging a commit into a branch, through the same door as a push.

use std::io::Cursor;

use bytes::Bytes;
use polder_db::Proposal;
use polder_git::{Command, Merge};
use polder_types::ObjectId;
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Contribute, Grant, Read, Write};
use crate::commit::Landed;
use crate::error::{Error, Result};
use crate::files::OpenError;

/// How often a merge is made again because the branch moved meanwhile.
pub(crate) const REMERGE_MAX: usize = 32;

/// What a merge is called in the audit log.
const MERGE: &str = "api.merge";

/// How a merge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The branch held it already.
    UpToDate,
    /// The branch is at the source now, which continued it.
    FastForward(ObjectId),
    /// The branch is at a new commit of both.
    Merged(ObjectId),
    /// Nothing changed: these paths differ on both sides, in byte order.
    Conflicts(Vec<String>),
}

impl Hub {
    /// Merges a commit of the repository into a branch; the author is whoever asks.
    ///
    /// Files are followed by path, text is merged by lines, and two versions of a large object are a conflict.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown branch or commit; [`crate::Kind::Invalid`] for histories that
    /// only git can merge, and for a hook's refusal; [`crate::Kind::Forbidden`] where a rule protects the branch;
    /// [`crate::Kind::Throttled`] and [`crate::Kind::Unavailable`] when no place came free.
    pub async fn merge(
        &self,
        grant: &Grant<Write>,
        source: ObjectId,
        branch: &str,
        message: &str,
    ) -> Result<Merged> {
        let (name, message) = (format!("refs/heads/{branch}"), message.to_owned());
        let done = self.writing(grant, MERGE, move |hub, grant| {
            for _ in 0..REMERGE_MAX {
                if let Some(merged) = hub.try_merge(grant, (source, &name), &message, |_, _| None)? {
                    return Ok(merged);
                }
            }
            Err(Error::unavailable("the branch moves too fast; try again").into())
        });
        done.await.map_err(OpenError::into_error)
    }

    /// One attempt to merge a commit into a ref; `None` when that moved meanwhile. `proposal` is told where it was
    /// and where it goes, and says what else happens then. Blocking.
    pub(crate) fn try_merge(
        &self,
        grant: &Grant<Contribute>,
        (source, name): (ObjectId, &str),
        message: &str,
        proposal: impl FnOnce(ObjectId, ObjectId) -> Option<Proposal>,
    ) -> Result<Option<Merged>> {
        polder_git::check_pushable(name).map_err(Error::invalid)?;
        let held = Handle::current().block_on(self.held(grant.repo_id()))?;
        let tip = held.snapshot.find_ref(name).filter(|found| found.is_visible()).map(|found| found.oid);
        let tip = tip.ok_or_else(|| Error::not_found(format!("there is no `{name}`")))?;
        let author = self.author(grant);
        let (merged, new, pack) =
            match polder_git::merge_commits(&held.snapshot, tip, source, &author, message)? {
                Merge::UpToDate => return Ok(Some(Merged::UpToDate)),
                Merge::Conflicts(paths) => return Ok(Some(Merged::Conflicts(paths))),
                Merge::FastForward => (Merged::FastForward(source), source, Bytes::new()),
                Merge::Merged(written) => {
                    (Merged::Merged(written.commit_id), written.commit_id, written.whole_pack()?)
                }
            };
        let (command, proposal) = (Command { name: name.to_owned(), old: tip, new }, proposal(tip, new));
        Ok(match self.land(grant, command, &mut Cursor::new(pack), MERGE, proposal)? {
            Landed::Done => Some(merged),
            Landed::Stale => None,
        })
    }

    /// The paths in which merging `source` into `target` would find conflicts.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown commit; [`crate::Kind::Invalid`] for histories that only git can
    /// merge; [`crate::Kind::Unavailable`] when no place came free.
    pub async fn merge_conflicts(
        &self,
        grant: &Grant<Read>,
        source: ObjectId,
        target: ObjectId,
    ) -> Result<Vec<String>> {
        let held = self.held(grant.repo_id()).await?;
        self.histories.run(move || Ok(polder_git::merge_conflicts(&held.snapshot, target, source)?)).await
    }

    /// A newest commit that both have, from which what one of them did is to be seen; `None` for histories that
    /// have nothing in common.
    ///
    /// # Errors
    /// As [`Hub::merge_conflicts`].
    pub async fn merge_base(
        &self,
        grant: &Grant<Read>,
        one: ObjectId,
        other: ObjectId,
    ) -> Result<Option<ObjectId>> {
        let held = self.held(grant.repo_id()).await?;
        let bases = move || Ok(polder_git::merge_bases(&held.snapshot, one, other)?.first().copied());
        self.histories.run(bases).await
    }
}
