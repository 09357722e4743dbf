//! What webhooks are to be told of discussions.
//!
//! What happens in a discussion leaves a row in the same write, as it is then. Deliveries are made of the rows in
//! writes of their own, as of the facts of pushes ([`super::queue`]); a row goes with that. So nothing is passed over,
//! whenever the hub dies and in whichever order rows become visible, and who writes waits for no watchers.

use std::collections::BTreeSet;

use polder_types::{AccountId, DiscussionEventId, ObjectId};
use serde::{Deserialize, Serialize};

use super::queue::{INSERT_DELIVERY, start};
use crate::discussions::{Discussion, DiscussionAt, DiscussionEvent, Happened};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// Rows that deliveries are made of in one write.
const ROWS_MAX: i64 = 50;

/// The rest of a query about webhooks that watch a repository `$1`.
macro_rules! watching {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM repo r JOIN webhook_watch t ON t.target IN (r.id, r.ns) \
            JOIN webhook w ON w.id = t.webhook AND NOT w.disabled AND w.talk_events \
            WHERE r.id = $1 AND r.kind <> 'kernel' ",
            $rest
        )
    };
}

statements! {
    IS_WATCHED = watching!("1", "LIMIT 1");
    WATCHERS = watching!("DISTINCT w.id", "AND w.created_at <= $2 ORDER BY w.id");
    INSERT_TALK = "INSERT INTO talk (id, repo, facts, created_at) VALUES ($1, $2, $3, $4)";
    FIRST_TALK = "SELECT id, repo, facts, created_at FROM talk ORDER BY id LIMIT $1";
    TAKE_TALK = "DELETE FROM talk WHERE id = $1";
}

/// What happened in a discussion, and what it and its comment were then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Whether it was opened, or said, just then.
    pub is_new: bool,
    /// The discussion's number.
    pub num: i64,
    /// What it is called.
    pub title: String,
    /// Whose it is.
    pub author: AccountId,
    /// Where it stands.
    pub status: String,
    /// What a pull request is for, and what the branch was moved to when it was merged.
    pub pull: Option<(String, Option<ObjectId>)>,
    /// The comment that it is about.
    pub comment: Option<TalkComment>,
}

/// A comment as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkComment {
    /// Its id.
    pub id: DiscussionEventId,
    /// Who said it.
    pub author: AccountId,
    /// What it says; `None` when it is hidden.
    pub text: Option<String>,
}

impl Talk {
    fn of(discussion: Discussion, is_new: bool, comment: Option<&DiscussionEvent>) -> Self {
        let comment = comment.and_then(|event| match &event.what {
            Happened::Comment { text, hidden, .. } => Some(TalkComment {
                id: event.id,
                author: event.author,
                text: (!hidden).then(|| text.clone()),
            }),
            _ => None,
        });
        Self {
            is_new,
            num: discussion.num,
            title: discussion.title,
            author: discussion.author,
            status: discussion.status.as_str().to_owned(),
            pull: discussion.pull.map(|pull| (pull.base, pull.merge_oid)),
            comment,
        }
    }
}

/// Has webhooks told later what this write did in a discussion, or to one of its comments.
pub(crate) async fn leave(
    tx: &mut Tx,
    at: DiscussionAt,
    is_new: bool,
    comment: Option<&DiscussionEvent>,
) -> Result<()> {
    if tx.row(IS_WATCHED, args![at.repo]).await?.is_none() {
        return Ok(());
    }
    let Some(discussion) = Discussion::load(tx, at).await? else { return Ok(()) };
    let talk = Talk::of(discussion, is_new, comment);
    let facts = serde_json::to_string(&talk).map_err(|source| Error::Other {
        doing: "encoding",
        subject: "talk".to_owned(),
        source: Some(source.into()),
    })?;
    tx.leaves_talk();
    let (id, now) = (tx.next_id(), tx.now());
    tx.execute(INSERT_TALK, args![id, at.repo, facts, now]).await.map(drop)
}

impl Db {
    /// Makes deliveries of what happened in discussions; says whether there may be more.
    pub(super) async fn queue_talk(&self) -> Result<bool> {
        if self.row(FIRST_TALK, args![1_i64]).await?.is_none() {
            return Ok(false);
        }
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(queue(tx).await?)) })).await
    }
}

async fn queue(tx: &mut Tx) -> Result<bool> {
    let rows = tx.rows(FIRST_TALK, args![ROWS_MAX]).await?;
    let mut told_to = BTreeSet::new();
    for row in &rows {
        let (id, repo, facts): (i64, i64, String) = (row.read(0)?, row.read(1)?, row.read(2)?);
        // Another node may be at it: who takes the row tells of it.
        if tx.execute(TAKE_TALK, args![id]).await? == 0 {
            continue;
        }
        let created: i64 = row.read(3)?;
        for watcher in tx.rows(WATCHERS, args![repo, created]).await? {
            let (delivery, webhook): (i64, i64) = (tx.next_id(), watcher.read(0)?);
            let args = args![delivery, webhook, repo, None::<i64>, facts.as_str()];
            tx.execute(INSERT_DELIVERY, args).await?;
            told_to.insert(webhook);
        }
    }
    start(tx, told_to).await?;
    Ok(i64::try_from(rows.len()) == Ok(ROWS_MAX))
}
