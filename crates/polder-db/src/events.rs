//! The outbox: what other hubs will need to know, written with the change itself.

use polder_types::{AccountId, RepoId, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Db, Error, Result};

statements! {
    // Writes take turns, among the nodes of one database too, so the next number is the commit order.
    INSERT_EVENT = "INSERT INTO event (seq, repo, rseq, time, actor, type, facts) \
        SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5, $6 FROM event";
    EVENTS_AFTER = "SELECT seq, repo, rseq, time, actor, type, facts FROM event \
        WHERE seq > $1 ORDER BY seq LIMIT $2";
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Position among all facts of this hub, in commit order, from 1.
    pub seq: i64,
    /// The repository.
    pub repo: RepoId,
    /// Position among the repository's facts, from 1.
    pub rseq: i64,
    /// When.
    pub time: UnixMillis,
    /// Who; `None` is the operator.
    pub actor: Option<AccountId>,
    /// `repo.create`, `repo.refs`, `repo.meta`, `repo.rename`, `repo.visibility`, `repo.delete`, `repo.takedown` or
    /// `repo.restore`.
    pub kind: String,
    /// A JSON object whose `v` is the version of its shape, 1.
    pub facts: String,
}

impl Db {
    /// Facts after `after_seq`, in commit order, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_events(&self, after_seq: i64, limit: i64) -> Result<Vec<Event>> {
        each(&self.rows(EVENTS_AFTER, args![after_seq, limit]).await?, event)
    }
}

fn event(row: &Row) -> Result<Event> {
    let actor: Option<i64> = row.read(4)?;
    Ok(Event {
        seq: row.read(0)?,
        repo: RepoId(row.read(1)?),
        rseq: row.read(2)?,
        time: UnixMillis(row.read(3)?),
        actor: actor.map(AccountId),
        kind: row.read(5)?,
        facts: row.read(6)?,
    })
}

/// Which fact, of which repository, by whom.
pub(crate) struct Fact {
    pub(crate) repo: RepoId,
    /// From the row that the same transaction has just increased.
    pub(crate) rseq: i64,
    pub(crate) actor: Option<AccountId>,
    pub(crate) kind: &'static str,
}

/// What a fact says.
pub(crate) fn parsed<T: DeserializeOwned>(seq: i64, facts: &str) -> Result<T> {
    serde_json::from_str(facts).map_err(|source| Error::Other {
        doing: "reading",
        subject: format!("fact {seq}"),
        source: Some(source.into()),
    })
}

/// Records a fact in the write that makes it true.
pub(crate) async fn record(tx: &mut Tx, fact: Fact, facts: &impl Serialize) -> Result<()> {
    let facts = serde_json::to_string(facts).map_err(|source| Error::Other {
        doing: "encoding",
        subject: fact.kind.to_owned(),
        source: Some(source.into()),
    })?;
    tx.leaves_fact();
    let now = tx.now();
    tx.execute(INSERT_EVENT, args![fact.repo, fact.rseq, now, fact.actor, fact.kind, facts]).await.map(drop)
}
