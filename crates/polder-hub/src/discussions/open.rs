//! Opening pull requests, empty or with a first commit.

use std::io;

use polder_db::{NewDiscussion, Proposal, Pull};
use polder_git::Command;
use polder_types::ObjectId;
use tokio::runtime::Handle;

use super::{TITLE_CHARS_MAX, checked_text, checked_title, has_discussions};
use crate::Hub;
use crate::access::{Contribute, Contributes, Grant};
use crate::body::{BlockingBody, BodyStream};
use crate::commit::{CommitRequest, Landed, REAPPLY_MAX};
use crate::commit_draft::{CommitDraft, Lines, ReadCommit, Spool};
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;
use crate::snapshots::Held;

/// What opening one is called in the audit log.
const OPEN: &str = "pull.open";

/// A pull request that was opened with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposed {
    /// Its number.
    pub num: i64,
    /// The commit, to which its ref leads.
    pub commit_id: ObjectId,
}

/// What a pull request says of itself.
#[derive(Debug, Clone)]
struct Words {
    title: String,
    text: String,
}

impl Hub {
    /// Opens a pull request for the default branch, a draft without a commit, and answers its number. Its ref,
    /// `refs/pr/` and the number, is where the branch is.
    ///
    /// # Errors
    /// As [`Hub::open_discussion`]; [`Kind::Conflict`] when the default branch has no commit and the caller may
    /// make none.
    pub async fn open_pull(&self, grant: &Grant<Contribute>, title: &str, text: &str) -> Result<i64> {
        let words = Words { title: checked_title(title)?, text: checked_text(text)? };
        has_discussions(grant)?;
        self.commit_first(grant, "HEAD").await?;
        let opened = self.writing(grant, OPEN, move |hub, grant| {
            for _ in 0..REAPPLY_MAX {
                let held = Handle::current().block_on(hub.held(grant.repo_id()))?;
                let pull = pull_of(&held)?;
                let tip = pull.base_oid;
                if let Some(num) = hub.try_open(grant, &words, pull, tip, &mut io::empty())? {
                    return Ok(num);
                }
            }
            Err(Error::unavailable("too many open pull requests at the same time; try again").into())
        });
        let num = opened.await.map_err(OpenError::into_error)?;
        Ok(num)
    }

    /// Opens a pull request for the default branch with a commit whose changes arrive as a stream; the commit's
    /// message is what it says of itself.
    ///
    /// # Errors
    /// As [`Hub::open_pull`] and [`Hub::commit_stream`]; [`Kind::Invalid`] for changes that change nothing.
    pub async fn propose_stream<L: Contributes>(
        &self,
        grant: &Grant<L>,
        body: BodyStream,
        read: ReadCommit,
    ) -> Result<Proposed, OpenError> {
        has_discussions(grant)?;
        self.commit_first(grant, "HEAD").await?;
        let body = BlockingBody::new(body);
        let proposed = self.writing(grant, OPEN, move |hub, grant| {
            let mut draft = CommitDraft::new(hub, grant)?;
            read(&mut Lines::new(body, hub.bodies.open()), &mut draft)?;
            let (request, spool) = draft.finish(String::new())?;
            let words = words_of(&request.message)?;
            for _ in 0..REAPPLY_MAX {
                if let Some(proposed) = hub.try_propose(grant, &request, &spool, &words)? {
                    return Ok(proposed);
                }
            }
            Err(Error::unavailable("too many open pull requests at the same time; try again").into())
        });
        let proposed = proposed.await?;
        Ok(proposed)
    }

    /// One attempt to commit to a new pull request; `None` when the number was taken meanwhile. Blocking.
    fn try_propose(
        &self,
        grant: &Grant<Contribute>,
        request: &CommitRequest,
        spool: &Spool,
        words: &Words,
    ) -> Result<Option<Proposed>, OpenError> {
        let held = Handle::current().block_on(self.held(grant.repo_id()))?;
        let snapshot = &held.snapshot;
        let mut pull = pull_of(&held)?;
        if let Some(parent) = request.parent {
            // A parent that nobody may see is none.
            let found = polder_git::resolve_revision(snapshot, &parent.to_string());
            pull.base_oid = found.map_err(|error| OpenError::Revision(error.into()))?;
        }
        let (tip, spool) = (pull.base_oid, Some(spool.blobs()));
        let changes =
            polder_git::keep_attributes(snapshot, Some(tip), &request.changes).map_err(Error::from)?;
        let (author, message) = (&request.author, request.message.as_str());
        let written = match polder_git::write_commit(snapshot, Some(tip), &changes, spool, author, message) {
            Err(error @ polder_git::Error::NotFound { .. }) => {
                return Err(OpenError::Entry { commit_id: tip, error: error.into() });
            }
            written => written.map_err(Error::from)?,
        };
        let commit_id = written.commit_id;
        let opened = self.try_open(grant, words, pull, commit_id, &mut written.pack(spool))?;
        Ok(opened.map(|num| Proposed { num, commit_id }))
    }

    /// One attempt; `None` when the number was taken meanwhile. Blocking.
    fn try_open(
        &self,
        grant: &Grant<Contribute>,
        words: &Words,
        pull: Pull,
        head: ObjectId,
        pack: &mut dyn io::Read,
    ) -> Result<Option<i64>> {
        let author = grant.actor().ok_or_else(|| Error::hidden(true, ""))?;
        let num = Handle::current().block_on(self.db.next_discussion(grant.repo_id()))?;
        let Words { title, text } = words.clone();
        let new = NewDiscussion { repo: grant.repo_id(), author, title, text };
        let command = Command { name: format!("refs/pr/{num}"), old: ObjectId::ZERO, new: head };
        let proposal = Some(Proposal::Open { num, new, pull });
        Ok(match self.land(grant, command, pack, OPEN, proposal)? {
            Landed::Done => Some(num),
            Landed::Stale => None,
        })
    }
}

/// A pull request for the default branch as it is now.
fn pull_of(held: &Held) -> Result<Pull> {
    let base = held.snapshot.head().to_owned();
    let found = held.snapshot.find_ref(&base).map(|found| found.oid);
    let nothing = || Error::new(Kind::Conflict, "there is no commit yet that a pull request could be about");
    Ok(Pull { base_oid: found.ok_or_else(nothing)?, base, merge_oid: None })
}

/// Title and first comment from a commit's message.
fn words_of(message: &str) -> Result<Words> {
    let (title, text) = message.trim().split_once('\n').unwrap_or((message.trim(), ""));
    let title: String = title.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect();
    let text = if text.trim().is_empty() { title.as_str() } else { text.trim() };
    Ok(Words { text: checked_text(text)?, title })
}
