//! What a push does to pull requests: it opens one with its ref, adds commits to one, or merges one.

use polder_types::{AccountId, ObjectId, RepoId};

use super::events::{self, NewEvent};
use super::write::{next, now, open};
use super::{DiscussionAt, DiscussionStatus, NewDiscussion, Pull};
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::webhooks::leave_talk;
use crate::{Push, Result};

statements! {
    REF_NOW = "SELECT oid FROM ref WHERE repo = $1 AND name = $2";
    SET_MERGED = "UPDATE discussion SET status = 'merged', base_oid = $3, merge_oid = $4 WHERE repo = $1 AND num = $2";
}

/// What happens to a pull request in the same transaction as to refs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// It is opened, as a draft.
    Open {
        /// The number that it shall have, of which its ref is made.
        num: i64,
        /// What it is called, and the first comment.
        new: NewDiscussion,
        /// What it is about.
        pull: Pull,
    },
    /// It is merged.
    Merge {
        /// Its number.
        num: i64,
        /// Who does it.
        author: AccountId,
        /// Where its ref must be.
        head: ObjectId,
        /// Where the branch was before.
        base_oid: ObjectId,
        /// What the branch is moved to.
        merge_oid: ObjectId,
        /// What is said about it.
        comment: Option<String>,
    },
}

impl Proposal {
    /// The number of what is merged.
    pub(crate) const fn merged(&self) -> Option<i64> {
        match self {
            Self::Open { .. } => None,
            Self::Merge { num, .. } => Some(*num),
        }
    }
}

/// A commit that comes to be on a pull request's ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedCommit {
    /// The pull request's number.
    pub num: i64,
    /// The commit.
    pub oid: ObjectId,
    /// The first line of its message.
    pub subject: String,
}

/// Whether a proposal is about what is there now, in a write that took the repository.
pub(crate) async fn is_due(tx: &mut Tx, repo: RepoId, proposal: &Proposal) -> Result<bool> {
    match proposal {
        Proposal::Open { num, .. } => Ok(next(tx, repo).await? == *num),
        Proposal::Merge { num, head, .. } => {
            let standing = now(tx, DiscussionAt { repo, num: *num }).await?;
            let name = format!("refs/pr/{num}");
            let at = tx.row(REF_NOW, args![repo, name]).await?.map(|row| row.oid(0)).transpose()?;
            Ok(standing.is_some_and(|(_, status)| status.is_open()) && at == Some(*head))
        }
    }
}

/// Does to pull requests what the refs that were changed say; `false` when there are too many.
pub(crate) async fn commit(tx: &mut Tx, push: &Push, changed: &[&str]) -> Result<bool> {
    let has_room = match &push.proposal {
        None => true,
        Some(Proposal::Open { new, pull, .. }) => open(tx, new, Some(pull)).await?.is_some(),
        Some(Proposal::Merge { num, author, base_oid, merge_oid, comment, .. }) => {
            let at = DiscussionAt { repo: push.repo, num: *num };
            tx.execute(SET_MERGED, args![at.repo, at.num, *base_oid, *merge_oid]).await?;
            // Told even where there is no room for more.
            if let Some(text) = comment {
                events::insert(tx, at, NewEvent::comment(*author, text)).await?;
            }
            events::insert(tx, at, NewEvent::status(*author, DiscussionStatus::Merged)).await?;
            leave_talk(tx, at, false, None).await?;
            true
        }
    };
    if !has_room {
        return Ok(false);
    }
    for ProposedCommit { num, oid, subject } in &push.proposed {
        let Some(author) = push.actor.filter(|_| changed.contains(&format!("refs/pr/{num}").as_str())) else {
            continue;
        };
        let at = DiscussionAt { repo: push.repo, num: *num };
        let new = NewEvent { commit: Some(*oid), ..NewEvent::new("commit", author, subject) };
        // A discussion that is full takes commits all the same, and tells of them no more.
        events::add(tx, at, new).await?;
    }
    Ok(true)
}
