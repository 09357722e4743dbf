//! Discussions about repositories, and the pull requests among them.

mod events;
mod proposals;
mod read;
mod write;

use std::str::FromStr;

use polder_types::{AccountId, DiscussionEventId, ObjectId, RepoId, UnixMillis};

pub use events::{DiscussionEvent, Happened};
pub use proposals::{Proposal, ProposedCommit};
pub(crate) use proposals::{commit as commit_proposal, is_due};
pub use read::DiscussionFilter;

/// Every statement about discussions.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[events::ALL, proposals::ALL, read::ALL, write::ALL];

/// Most discussions of one repository that are not closed.
pub const DISCUSSIONS_OPEN_MAX: i64 = 10_000;
/// Most events of one discussion.
pub const DISCUSSION_EVENTS_MAX: i64 = 1_000;
/// Most bytes of text in the events of one discussion.
pub const DISCUSSION_TEXT_BYTES_MAX: i64 = 2 << 20;

/// Where a discussion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscussionStatus {
    /// A pull request that is being prepared.
    Draft,
    /// It goes on.
    Open,
    /// It is over.
    Closed,
    /// The pull request is in its branch.
    Merged,
}

impl DiscussionStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }

    /// Whether it still goes on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Draft | Self::Open)
    }
}

impl FromStr for DiscussionStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "draft" => Ok(Self::Draft),
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "merged" => Ok(Self::Merged),
            _ => Err(format!("`{text}` is not one of draft, open, closed, merged")),
        }
    }
}

/// A discussion, or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discussion {
    /// Its number in the repository, from 1.
    pub num: i64,
    /// What it is called.
    pub title: String,
    /// Who opened it.
    pub author: AccountId,
    /// The author's name.
    pub author_name: String,
    /// Where it stands.
    pub status: DiscussionStatus,
    /// When it was opened.
    pub created: UnixMillis,
    /// How many events it has; edits count.
    pub events: i64,
    /// What it is about, if it is a pull request.
    pub pull: Option<Pull>,
}

/// What a pull request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The branch that it is for, a full ref name.
    pub base: String,
    /// What it was begun on; once it is merged, where the branch was before.
    pub base_oid: ObjectId,
    /// What the branch was moved to when it was merged.
    pub merge_oid: Option<ObjectId>,
}

/// A discussion about to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDiscussion {
    /// The repository that it is about.
    pub repo: RepoId,
    /// Who opens it.
    pub author: AccountId,
    /// What it is called.
    pub title: String,
    /// The first comment.
    pub text: String,
}

/// Which discussion of which repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscussionAt {
    /// The repository.
    pub repo: RepoId,
    /// The number in it.
    pub num: i64,
}

/// What became of something said or done in a discussion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talked<T> {
    /// It is kept.
    Done(T),
    /// There is no such discussion, or no such comment in it.
    Unknown,
    /// A pull request that is merged stays so.
    Merged,
    /// A hidden comment stays as it is.
    Hidden,
    /// There are as many, or as long ones, as there may be.
    TooMany,
}

/// Which event of a discussion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventAt {
    /// The discussion.
    pub discussion: DiscussionAt,
    /// The event's id.
    pub id: DiscussionEventId,
}
