//! Opening discussions, and saying and changing things in them.

use polder_types::{AccountId, DiscussionEventId, RepoId, UnixMillis};

use super::events::{self, DiscussionEvent, Happened, NewEvent};
use super::read::{LAST_NUM, after};
use super::{DISCUSSIONS_OPEN_MAX, DiscussionAt, DiscussionStatus, EventAt, NewDiscussion, Pull, Talked};
use crate::db::missing;
use crate::row::each;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::webhooks::leave_talk;
use crate::{Db, Result};

statements! {
    // Changes nothing, but who does so first is first: as a push, and as who opens another.
    TAKE_REPO = "UPDATE repo SET gen = gen WHERE id = $1 AND state = 'live'";
    OPEN_NOW = "SELECT COUNT(*) FROM discussion WHERE repo = $1 AND status IN ('draft', 'open')";
    INSERT_DISCUSSION = "INSERT INTO discussion (repo, num, title, author, status, is_pull_request, created_at, \
        events, text_bytes, base, base_oid) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9)";
    // Takes its row, as `add` of an event does.
    TITLE_NOW = "UPDATE discussion SET num = num WHERE repo = $1 AND num = $2 RETURNING title, status";
    SET_TITLE = "UPDATE discussion SET title = $3 WHERE repo = $1 AND num = $2";
    SET_STATUS = "UPDATE discussion SET status = $3 WHERE repo = $1 AND num = $2";
    SET_TEXT = "UPDATE discussion_event SET text = $2, edited_at = $3 WHERE id = $1";
    HIDE = "UPDATE discussion_event SET text = '', hidden = TRUE WHERE id = $1";
    EDITS_OF = "SELECT text, created_at FROM discussion_event \
        WHERE repo = $1 AND num = $2 AND type = 'edit' AND comment = $3 ORDER BY id";
    DELETE_EDITS = "DELETE FROM discussion_event WHERE repo = $1 AND num = $2 AND type = 'edit' AND comment = $3";
}

impl Db {
    /// Opens a discussion, and answers its number.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn add_discussion(&self, new: NewDiscussion) -> Result<Talked<i64>> {
        self.write(move |tx| {
            Box::pin(async move {
                let num = open(tx, &new, None).await?;
                Ok(kept_if(num.map_or(Talked::TooMany, Talked::Done)))
            })
        })
        .await
    }

    /// Says something in a discussion.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn add_comment(
        &self,
        at: DiscussionAt,
        author: AccountId,
        text: String,
    ) -> Result<Talked<DiscussionEvent>> {
        self.write(move |tx| {
            Box::pin(async move {
                if now(tx, at).await?.is_none() {
                    return Ok(Verdict::Discard(Talked::Unknown));
                }
                let said = said(tx, at, NewEvent::comment(author, &text)).await?;
                comment_told(tx, at, true, said).await
            })
        })
        .await
    }

    /// Calls a discussion otherwise.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn rename_discussion(
        &self,
        at: DiscussionAt,
        author: AccountId,
        title: String,
    ) -> Result<Talked<DiscussionEvent>> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some((from, _)) = now(tx, at).await? else {
                    return Ok(Verdict::Discard(Talked::Unknown));
                };
                tx.execute(SET_TITLE, args![at.repo, at.num, title.as_str()]).await?;
                let new = NewEvent { was: Some(&from), ..NewEvent::new("title-change", author, &title) };
                let said = said(tx, at, new).await?;
                told(tx, at, said).await
            })
        })
        .await
    }

    /// Closes a discussion or opens it again, and says why, if there is something to say.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_discussion_status(
        &self,
        at: DiscussionAt,
        author: AccountId,
        status: DiscussionStatus,
        comment: Option<String>,
    ) -> Result<Talked<DiscussionEvent>> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some((_, before)) = now(tx, at).await? else {
                    return Ok(Verdict::Discard(Talked::Unknown));
                };
                if before == DiscussionStatus::Merged {
                    return Ok(Verdict::Discard(Talked::Merged));
                }
                if status.is_open() && !before.is_open() && is_full(tx, at.repo).await? {
                    return Ok(Verdict::Discard(Talked::TooMany));
                }
                if let Some(text) = &comment
                    && events::add(tx, at, NewEvent::comment(author, text)).await?.is_none()
                {
                    return Ok(Verdict::Discard(Talked::TooMany));
                }
                tx.execute(SET_STATUS, args![at.repo, at.num, status.as_str()]).await?;
                let said = said(tx, at, NewEvent::status(author, status)).await?;
                told(tx, at, said).await
            })
        })
        .await
    }

    /// Lets a comment say something else; what it said is kept.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn edit_comment(&self, at: EventAt, text: String) -> Result<Talked<DiscussionEvent>> {
        self.write(move |tx| {
            Box::pin(async move {
                let edited = edit(tx, at, &text).await?;
                comment_told(tx, at.discussion, false, edited).await
            })
        })
        .await
    }

    /// Hides a comment for good: nothing of what it ever said is kept.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn hide_comment(&self, at: EventAt) -> Result<Talked<DiscussionEvent>> {
        self.write(move |tx| {
            Box::pin(async move {
                let place = at.discussion;
                if now(tx, place).await?.is_none() || comment(tx, at).await?.is_none() {
                    return Ok(Verdict::Discard(Talked::Unknown));
                }
                tx.execute(DELETE_EDITS, args![place.repo, place.num, at.id]).await?;
                tx.execute(HIDE, args![at.id]).await?;
                let hidden = loaded(tx, place, at.id).await?;
                comment_told(tx, place, false, hidden).await
            })
        })
        .await
    }
}

/// Opens a discussion, in a write; `None` when there are too many.
pub(super) async fn open(tx: &mut Tx, new: &NewDiscussion, pull: Option<&Pull>) -> Result<Option<i64>> {
    if tx.execute(TAKE_REPO, args![new.repo]).await? == 0 {
        return Err(missing(format!("repository {}", new.repo)));
    }
    if is_full(tx, new.repo).await? {
        return Ok(None);
    }
    let num = next(tx, new.repo).await?;
    let (now, is_pull) = (tx.now(), pull.is_some());
    let status = if is_pull { DiscussionStatus::Draft } else { DiscussionStatus::Open };
    let (base, base_oid) = pull.map(|pull| (pull.base.clone(), pull.base_oid)).unzip();
    let (title, status) = (new.title.as_str(), status.as_str());
    let args = args![new.repo, num, title, new.author, status, is_pull, now, base, base_oid];
    tx.execute(INSERT_DISCUSSION, args).await?;
    let at = DiscussionAt { repo: new.repo, num };
    if events::add(tx, at, NewEvent::comment(new.author, &new.text)).await?.is_none() {
        return Ok(None);
    }
    leave_talk(tx, at, true, None).await?;
    Ok(Some(num))
}

/// The number of the next discussion, in a write that took the repository.
pub(super) async fn next(tx: &mut Tx, repo: RepoId) -> Result<i64> {
    tx.row(LAST_NUM, args![repo]).await?.map_or(Ok(1), |row| after(&row))
}

async fn is_full(tx: &mut Tx, repo: RepoId) -> Result<bool> {
    let open: i64 = tx.row(OPEN_NOW, args![repo]).await?.map_or(Ok(0), |row| row.read(0))?;
    Ok(open >= DISCUSSIONS_OPEN_MAX)
}

/// Title and status of a discussion that nobody else changes until the write's end.
pub(super) async fn now(tx: &mut Tx, at: DiscussionAt) -> Result<Option<(String, DiscussionStatus)>> {
    let row = tx.row(TITLE_NOW, args![at.repo, at.num]).await?;
    row.map(|row| Ok((row.read(0)?, row.word(1)?))).transpose()
}

async fn edit(tx: &mut Tx, at: EventAt, text: &str) -> Result<Talked<DiscussionEvent>> {
    let place = at.discussion;
    if now(tx, place).await?.is_none() {
        return Ok(Talked::Unknown);
    }
    let Some(before) = comment(tx, at).await? else { return Ok(Talked::Unknown) };
    let Happened::Comment { text: was, hidden, .. } = &before.what else { return Ok(Talked::Unknown) };
    if *hidden {
        return Ok(Talked::Hidden);
    }
    // The longer text counts anew, so that the bound holds whatever it is changed to.
    let kept = NewEvent { comment: Some(at.id), ..NewEvent::new("edit", before.author, was) };
    if events::add(tx, place, kept).await?.is_none() {
        return Ok(Talked::TooMany);
    }
    let now = tx.now();
    tx.execute(SET_TEXT, args![at.id, text, now]).await?;
    let mut edited = loaded(tx, place, at.id).await?;
    if let Talked::Done(event) = &mut edited
        && let Happened::Comment { history, .. } = &mut event.what
    {
        let rows = tx.rows(EDITS_OF, args![place.repo, place.num, at.id]).await?;
        *history = each(&rows, |row| Ok((row.read(0)?, UnixMillis(row.read(1)?))))?;
    }
    Ok(edited)
}

/// The comment, if it is one.
async fn comment(tx: &mut Tx, at: EventAt) -> Result<Option<DiscussionEvent>> {
    let found = events::load(tx, at.discussion, at.id).await?;
    Ok(found.filter(|event| matches!(event.what, Happened::Comment { .. })))
}

async fn said(tx: &mut Tx, at: DiscussionAt, new: NewEvent<'_>) -> Result<Talked<DiscussionEvent>> {
    match events::add(tx, at, new).await? {
        Some(id) => loaded(tx, at, id).await,
        None => Ok(Talked::TooMany),
    }
}

async fn loaded(tx: &mut Tx, at: DiscussionAt, id: DiscussionEventId) -> Result<Talked<DiscussionEvent>> {
    Ok(events::load(tx, at, id).await?.map_or(Talked::Unknown, Talked::Done))
}

/// Has webhooks told of a discussion, if something was done.
async fn told(
    tx: &mut Tx,
    at: DiscussionAt,
    done: Talked<DiscussionEvent>,
) -> Result<Verdict<Talked<DiscussionEvent>>> {
    if let Talked::Done(_) = &done {
        leave_talk(tx, at, false, None).await?;
    }
    Ok(kept_if(done))
}

/// Has webhooks told of a comment, if something was done.
async fn comment_told(
    tx: &mut Tx,
    at: DiscussionAt,
    is_new: bool,
    done: Talked<DiscussionEvent>,
) -> Result<Verdict<Talked<DiscussionEvent>>> {
    if let Talked::Done(comment) = &done {
        leave_talk(tx, at, is_new, Some(comment)).await?;
    }
    Ok(kept_if(done))
}

/// Only what was done is kept.
fn kept_if<T>(talked: Talked<T>) -> Verdict<Talked<T>> {
    match talked {
        done @ Talked::Done(_) => Verdict::Keep(done),
        other => Verdict::Discard(other),
    }
}
