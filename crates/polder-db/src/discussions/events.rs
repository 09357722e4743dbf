//! What happens in a discussion.

use polder_types::{AccountId, DiscussionEventId, ObjectId, UnixMillis};

use super::{DISCUSSION_EVENTS_MAX, DISCUSSION_TEXT_BYTES_MAX, DiscussionAt, DiscussionStatus, EventAt};
use crate::row::Row;
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Db, Error, Result};

/// The columns that [`DiscussionEvent::from_row`] reads.
macro_rules! select_event {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.type, a.name, e.created_at, e.text, e.was, e.commit_oid, e.edited_at, e.hidden, ",
            "e.comment, e.author FROM discussion_event e JOIN account a ON a.id = e.author ",
            $rest
        )
    };
}

statements! {
    MAKE_ROOM = "UPDATE discussion SET events = events + 1, text_bytes = text_bytes + $3 \
        WHERE repo = $1 AND num = $2 AND events < $4 AND text_bytes + $3 <= $5";
    INSERT_EVENT = "INSERT INTO discussion_event (id, repo, num, type, author, created_at, text, was, commit_oid, \
        comment, hidden) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE)";
    EVENT_BY_ID = select_event!("WHERE e.id = $1 AND e.repo = $2 AND e.num = $3");
    EVENTS_OF = select_event!("WHERE e.repo = $1 AND e.num = $2 ORDER BY e.id");
}

/// One thing that happened in a discussion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscussionEvent {
    /// Its id.
    pub id: DiscussionEventId,
    /// Who did it.
    pub author: AccountId,
    /// The author's name.
    pub author_name: String,
    /// When.
    pub created: UnixMillis,
    /// What.
    pub what: Happened,
}

/// What it was that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Something was said.
    Comment {
        /// What it says now; nothing when it is hidden.
        text: String,
        /// When it was last changed by its author.
        edited: Option<UnixMillis>,
        /// Whether it was hidden.
        hidden: bool,
        /// What it said before, the oldest first, and until when.
        history: Vec<(String, UnixMillis)>,
    },
    /// It stands elsewhere now.
    Status(DiscussionStatus),
    /// A commit was made on the pull request's ref.
    Commit {
        /// The commit.
        oid: ObjectId,
        /// The first line of its message.
        subject: String,
    },
    /// It is called otherwise.
    Title {
        /// What it was called.
        from: String,
        /// What it is called.
        to: String,
    },
}

impl Db {
    /// Everything that happened in a discussion, in that order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn discussion_events(&self, at: DiscussionAt) -> Result<Vec<DiscussionEvent>> {
        let mut events: Vec<DiscussionEvent> = Vec::new();
        for row in self.rows(EVENTS_OF, args![at.repo, at.num]).await? {
            let Some(edited): Option<i64> = row.read(9)? else {
                events.push(event(&row)?);
                continue;
            };
            // An edit comes after its comment.
            let of = events.iter_mut().rev().find(|event| event.id.0 == edited);
            if let Some(Happened::Comment { history, .. }) = of.map(|event| &mut event.what) {
                history.push((row.read(4)?, UnixMillis(row.read(3)?)));
            }
        }
        Ok(events)
    }

    /// An event of a discussion; what a comment said before is not told.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn discussion_event(&self, at: EventAt) -> Result<Option<DiscussionEvent>> {
        let EventAt { discussion, id } = at;
        let row = self.row(EVENT_BY_ID, args![id, discussion.repo, discussion.num]).await?;
        row.map(|row| event(&row)).transpose()
    }
}

/// What is about to be kept of an event.
pub(super) struct NewEvent<'a> {
    pub(super) kind: &'static str,
    pub(super) author: AccountId,
    pub(super) text: &'a str,
    pub(super) was: Option<&'a str>,
    pub(super) commit: Option<ObjectId>,
    pub(super) comment: Option<DiscussionEventId>,
}

impl<'a> NewEvent<'a> {
    pub(super) fn new(kind: &'static str, author: AccountId, text: &'a str) -> Self {
        Self { kind, author, text, was: None, commit: None, comment: None }
    }

    pub(super) fn comment(author: AccountId, text: &'a str) -> Self {
        Self::new("comment", author, text)
    }

    pub(super) fn status(author: AccountId, status: DiscussionStatus) -> Self {
        Self::new("status-change", author, status.as_str())
    }
}

/// Keeps an event, in a write; `None` when the discussion is full, or not there.
pub(super) async fn add(
    tx: &mut Tx,
    at: DiscussionAt,
    new: NewEvent<'_>,
) -> Result<Option<DiscussionEventId>> {
    let bytes = new.text.len() + new.was.map_or(0, str::len);
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let args = args![at.repo, at.num, bytes, DISCUSSION_EVENTS_MAX, DISCUSSION_TEXT_BYTES_MAX];
    if tx.execute(MAKE_ROOM, args).await? == 0 {
        return Ok(None);
    }
    insert(tx, at, new).await.map(Some)
}

/// Keeps an event however many there are.
pub(super) async fn insert(tx: &mut Tx, at: DiscussionAt, new: NewEvent<'_>) -> Result<DiscussionEventId> {
    let NewEvent { kind, author, text, was, commit, comment } = new;
    let (id, now) = (DiscussionEventId(tx.next_id()), tx.now());
    let was = was.map(str::to_owned);
    tx.execute(INSERT_EVENT, args![id, at.repo, at.num, kind, author, now, text, was, commit, comment])
        .await?;
    Ok(id)
}

/// An event of a discussion, in a write.
pub(super) async fn load(
    tx: &mut Tx,
    at: DiscussionAt,
    id: DiscussionEventId,
) -> Result<Option<DiscussionEvent>> {
    tx.row(EVENT_BY_ID, args![id, at.repo, at.num]).await?.map(|row| event(&row)).transpose()
}

fn event(row: &Row) -> Result<DiscussionEvent> {
    let (kind, text): (String, String) = (row.read(1)?, row.read(4)?);
    let what = match kind.as_str() {
        "comment" => Happened::Comment {
            text,
            edited: row.read::<Option<i64>>(7)?.map(UnixMillis),
            hidden: row.read(8)?,
            history: Vec::new(),
        },
        "status-change" => Happened::Status(row.word(4)?),
        "commit" => Happened::Commit { oid: row.oid(6)?, subject: text },
        "title-change" => {
            Happened::Title { from: row.read::<Option<String>>(5)?.unwrap_or_default(), to: text }
        }
        _ => return Err(Error::Other { doing: "reading an event of type", subject: kind, source: None }),
    };
    Ok(DiscussionEvent {
        id: DiscussionEventId(row.read(0)?),
        author: AccountId(row.read(10)?),
        author_name: row.read(2)?,
        created: UnixMillis(row.read(3)?),
        what,
    })
}
