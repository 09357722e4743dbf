//! Discussions about a repository: who may see them, take part in them, and end them.

mod merge;
mod open;
mod proposals;
mod say;

use polder_db::{Discussion, DiscussionAt, DiscussionEvent, DiscussionFilter, DiscussionStatus, Talked};
use polder_types::{AccountId, AccountName, DiscussionEventId, RepoKind, Role};

use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::{Error, Kind, Result};

pub use merge::PullChanges;
pub use open::Proposed;
pub(crate) use proposals::{is_proposal_rule, proposed_commits, too_many_discussions};

/// Discussions on a page.
const PAGE: i64 = 50;
/// Last page that is looked for.
const PAGES_MAX: i64 = 1_000_000;
/// Fewest and most characters of a title.
const TITLE_CHARS_MIN: usize = 3;
const TITLE_CHARS_MAX: usize = 200;
/// Longest text of one comment, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Which discussions to list, in the order of their numbers, the latest first.
#[derive(Debug, Clone, Default)]
pub struct DiscussionQuery {
    /// Pull requests only, or none of them.
    pub is_pull_request: Option<bool>,
    /// Those that go on, or those that do not.
    pub is_open: Option<bool>,
    /// Those that somebody opened.
    pub author: Option<String>,
    /// The page, from 0.
    pub page: u32,
}

/// Some discussions of a repository.
#[derive(Debug, Clone)]
pub struct DiscussionPage {
    /// They.
    pub discussions: Vec<Discussion>,
    /// How many there are before them.
    pub start: i64,
    /// How many there are on all pages.
    pub count: i64,
}

/// A discussion and what happened in it.
#[derive(Debug, Clone)]
pub struct DiscussionDetails {
    /// The discussion.
    pub discussion: Discussion,
    /// What happened, in that order.
    pub events: Vec<DiscussionEvent>,
}

/// Someone who takes part.
pub(crate) struct Talker {
    pub(crate) account: AccountId,
    role: Option<Role>,
}

impl Talker {
    pub(crate) fn writes(&self) -> bool {
        self.role >= Some(Role::Write)
    }
}

impl Hub {
    /// Lists discussions.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a kind of repository that has none.
    pub async fn discussions(&self, grant: &Grant<Read>, query: DiscussionQuery) -> Result<DiscussionPage> {
        has_discussions(grant)?;
        let start = i64::from(query.page).min(PAGES_MAX) * PAGE;
        let author_fold = match query.author.as_deref().map(str::parse::<AccountName>) {
            None => None,
            Some(Ok(name)) => Some(name.fold()),
            // Nobody is called so.
            Some(Err(_)) => return Ok(DiscussionPage { discussions: Vec::new(), start, count: 0 }),
        };
        let status = query.is_open.map(|is_open| if is_open { "open" } else { "closed" }.to_owned());
        let filter = DiscussionFilter { is_pull_request: query.is_pull_request, status, author_fold };
        let (discussions, count) = self.db.discussions(grant.repo_id(), &filter, start, PAGE).await?;
        Ok(DiscussionPage { discussions, start, count })
    }

    /// A discussion and everything that happened in it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none of this number.
    pub async fn discussion(&self, grant: &Grant<Read>, num: i64) -> Result<DiscussionDetails> {
        has_discussions(grant)?;
        let at = DiscussionAt { repo: grant.repo_id(), num };
        let Some(discussion) = self.db.discussion(at).await? else { return Err(no_discussion(num)) };
        let events = self.db.discussion_events(at).await?;
        Ok(DiscussionDetails { discussion, events })
    }

    /// Who takes part in the discussions of a repository.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without an account; [`Kind::Mirrored`] where it is discussed elsewhere.
    pub(crate) async fn talker(&self, grant: &Grant<Read>) -> Result<Talker> {
        let account = grant.actor().ok_or_else(|| Error::hidden(true, ""))?;
        has_discussions(grant)?;
        let repo = grant.repo_row();
        if let Some(url) = repo.home_url() {
            return Err(Error::mirrored(grant.repo(), &url));
        }
        let role = self.role(grant.principal(), repo).await?;
        Ok(Talker { account, role })
    }
}

/// Source: `huggingface_hub` 2.4.0 `constants.py`: `REPO_TYPES` of discussions are models, datasets and spaces.
fn has_discussions<L>(grant: &Grant<L>) -> Result<()> {
    if grant.repo().kind() == RepoKind::Kernel {
        return Err(Error::invalid("kernels have no discussions"));
    }
    Ok(())
}

fn no_discussion(num: i64) -> Error {
    Error::not_found(format!("this repository has no discussion {num}"))
}

/// A title in one line, or why it is none.
pub(crate) fn checked_title(title: &str) -> Result<String> {
    let title = title.trim();
    let count = title.chars().count();
    if !(TITLE_CHARS_MIN..=TITLE_CHARS_MAX).contains(&count) || title.chars().any(char::is_control) {
        let message = format!("a title is one line of {TITLE_CHARS_MIN} to {TITLE_CHARS_MAX} characters");
        return Err(Error::invalid(message));
    }
    Ok(title.to_owned())
}

/// What somebody says, if it is something and not too much.
pub(crate) fn checked_text(text: &str) -> Result<String> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a comment has at most {} KiB", TEXT_BYTES_MAX >> 10);
        return Err(Error::new(Kind::TooLarge, message));
    }
    // Neither engine of the database keeps it in a text.
    if text.contains('\0') || text.trim().is_empty() {
        return Err(Error::invalid("a comment says something, without NUL"));
    }
    Ok(text.to_owned())
}

/// What was done, or why it was not.
fn done<T>(talked: Talked<T>, num: i64) -> Result<T> {
    match talked {
        Talked::Done(value) => Ok(value),
        Talked::Unknown => Err(no_discussion(num)),
        Talked::Merged => Err(Error::new(Kind::Conflict, "this pull request is merged, and stays so")),
        Talked::Hidden => Err(Error::new(Kind::Conflict, "this comment is hidden, and stays as it is")),
        Talked::TooMany => Err(Error::new(
            Kind::TooLarge,
            "there are as many discussions, or comments, here as there may be",
        )),
    }
}
