//! Opening discussions, and saying and changing things in them.

use polder_db::{EventAt, Happened, NewDiscussion};
use polder_types::failpoint;

use super::{
    DiscussionAt, DiscussionEvent, DiscussionEventId, DiscussionStatus, Talker, checked_text, checked_title,
    done, no_discussion,
};
use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::{Error, Kind, Result};

impl Hub {
    /// Opens a discussion and answers its number.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a bad title or text, [`Kind::TooLarge`] when there are too many;
    /// [`Kind::Unauthenticated`] without an account, [`Kind::Mirrored`] where it is discussed elsewhere.
    pub async fn open_discussion(&self, grant: &Grant<Read>, title: &str, text: &str) -> Result<i64> {
        let talker = self.talker(grant).await?;
        let (title, text) = (checked_title(title)?, checked_text(text)?);
        let new = NewDiscussion { repo: grant.repo_id(), author: talker.account, title, text };
        let entry = grant.entry("discussion.open");
        let num = done(self.audited(entry).add_discussion(new).await?, 0)?;
        failpoint::hit("discussion.opened");
        Ok(num)
    }

    /// Says something in a discussion.
    ///
    /// # Errors
    /// As [`Hub::open_discussion`]; [`Kind::NotFound`] for no such discussion.
    pub async fn add_comment(&self, grant: &Grant<Read>, num: i64, text: &str) -> Result<DiscussionEvent> {
        let talker = self.talker(grant).await?;
        let text = checked_text(text)?;
        let at = DiscussionAt { repo: grant.repo_id(), num };
        let comment = done(self.db.add_comment(at, talker.account, text).await?, num)?;
        Ok(comment)
    }

    /// Calls a discussion otherwise: its author, or who may write to the repository.
    ///
    /// # Errors
    /// As [`Hub::add_comment`]; [`Kind::Forbidden`] for anyone else.
    pub async fn rename_discussion(
        &self,
        grant: &Grant<Read>,
        num: i64,
        title: &str,
    ) -> Result<DiscussionEvent> {
        let (talker, at) = self.led(grant, num).await?;
        let title = checked_title(title)?;
        let entry = grant.entry("discussion.rename").with("num", num);
        let renamed = done(self.audited(entry).rename_discussion(at, talker.account, title).await?, num)?;
        Ok(renamed)
    }

    /// Closes a discussion or opens it again: its author, or who may write to the repository.
    ///
    /// # Errors
    /// As [`Hub::rename_discussion`]; [`Kind::Conflict`] for a pull request that is merged.
    pub async fn close_discussion(
        &self,
        grant: &Grant<Read>,
        num: i64,
        is_closed: bool,
        comment: Option<&str>,
    ) -> Result<DiscussionEvent> {
        let (talker, at) = self.led(grant, num).await?;
        let comment = comment.map(checked_text).transpose()?;
        let status = if is_closed { DiscussionStatus::Closed } else { DiscussionStatus::Open };
        let entry = grant.entry("discussion.status").with("num", num).with("status", status.as_str());
        let set = self.audited(entry).set_discussion_status(at, talker.account, status, comment).await?;
        let set = done(set, num)?;
        Ok(set)
    }

    /// Lets a comment say something else; its author only.
    ///
    /// # Errors
    /// As [`Hub::add_comment`]; [`Kind::Forbidden`] for anyone else; [`Kind::Conflict`] for a hidden one.
    pub async fn edit_comment(
        &self,
        grant: &Grant<Read>,
        num: i64,
        id: DiscussionEventId,
        text: &str,
    ) -> Result<DiscussionEvent> {
        let talker = self.talker(grant).await?;
        let (at, comment) = self.comment(grant, num, id).await?;
        if comment.author != talker.account {
            return Err(Error::new(Kind::Forbidden, "only its author may edit a comment"));
        }
        let text = checked_text(text)?;
        let edited = done(self.db.edit_comment(at, text).await?, num)?;
        Ok(edited)
    }

    /// Hides a comment for good: who may write to the repository.
    ///
    /// # Errors
    /// As [`Hub::add_comment`]; [`Kind::Forbidden`] for anyone else.
    pub async fn hide_comment(
        &self,
        grant: &Grant<Read>,
        num: i64,
        id: DiscussionEventId,
    ) -> Result<DiscussionEvent> {
        let talker = self.talker(grant).await?;
        let (at, _) = self.comment(grant, num, id).await?;
        if !talker.writes() {
            return Err(Error::new(
                Kind::Forbidden,
                "only who may write to the repository may hide a comment",
            ));
        }
        let entry = grant.entry("discussion.hide").with("num", num).with("comment", id.to_string());
        let hidden = done(self.audited(entry).hide_comment(at).await?, num)?;
        Ok(hidden)
    }

    /// A discussion that the caller may end.
    async fn led(&self, grant: &Grant<Read>, num: i64) -> Result<(Talker, DiscussionAt)> {
        let talker = self.talker(grant).await?;
        let at = DiscussionAt { repo: grant.repo_id(), num };
        let Some(discussion) = self.db.discussion(at).await? else { return Err(no_discussion(num)) };
        if talker.account != discussion.author && !talker.writes() {
            let message = "only its author, and who may write to the repository, may change a discussion";
            return Err(Error::new(Kind::Forbidden, message));
        }
        Ok((talker, at))
    }

    async fn comment(
        &self,
        grant: &Grant<Read>,
        num: i64,
        id: DiscussionEventId,
    ) -> Result<(EventAt, DiscussionEvent)> {
        let at = EventAt { discussion: DiscussionAt { repo: grant.repo_id(), num }, id };
        let found = self.db.discussion_event(at).await?;
        let found = found.filter(|event| matches!(event.what, Happened::Comment { .. }));
        let missing = || Error::not_found(format!("discussion {num} has no such comment"));
        Ok((at, found.ok_or_else(missing)?))
    }
}
