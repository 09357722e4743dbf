//! Namespaces that move from one hub to another: what was heard of that, and what it makes of their mirrors.

use std::fmt;
use std::str::FromStr;

use polder_types::{AccountName, RepoId, Sha256, UnixMillis};

use super::{FollowRule, carried, elsewhere, words};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result, repos};

macro_rules! select_move {
    ($rest:literal) => {
        concat!("SELECT nsid, seq, op, old_log, cut, new_log, state, held_at FROM ns_move ", $rest)
    };
}

statements! {
    MOVES_OF_LOG = select_move!("WHERE old_log = $1 OR new_log = $1 ORDER BY seq, held_at LIMIT $2");
    MOVES_OF_NAMESPACE = select_move!("WHERE nsid = $1 ORDER BY seq, held_at LIMIT $2");
    PUT_MOVE = "INSERT INTO ns_move (nsid, seq, op, old_log, cut, new_log, state, held_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (nsid, seq, op) DO UPDATE SET state = excluded.state";
    SET_RIVALS = "UPDATE ns_move SET state = $4 WHERE nsid = $1 AND seq = $2 AND op <> $3";
    // Of what was at home in the own log and is no longer.
    UNTOLD = "SELECT m.nsid, m.op FROM ns_move m WHERE m.state = 'followed' AND m.new_log <> $1 \
        AND EXISTS (SELECT 1 FROM ns_op o WHERE o.log = $1 AND o.nsid = m.nsid) AND NOT EXISTS \
        (SELECT 1 FROM ns_op o WHERE o.log = $1 AND o.nsid = m.nsid AND o.body_sha256 = m.op) \
        ORDER BY m.nsid, m.seq LIMIT $2";
    NAMESPACES_AT = "SELECT nsid FROM remote_namespace WHERE home = $1 AND nsid > $2 ORDER BY nsid LIMIT $3";
    EVERY_OP = "SELECT DISTINCT body_sha256 FROM ns_op WHERE nsid = $1 LIMIT $2";
    NAMED = "SELECT a.name FROM remote_namespace m JOIN account a ON a.id = m.account WHERE m.nsid = $1 \
        ORDER BY m.account LIMIT 1";
    SET_HOME = "UPDATE remote_namespace SET home = $2 WHERE nsid = $1";
    // Work under way is for the log before: it loses its claim. What waits for the operator waits no longer.
    MOVE_MIRROR = "UPDATE mirror SET log = $2, attempt = attempt + 1, running = FALSE, next_since = NULL, \
        state = CASE WHEN state = 'ready' AND rseq = ready_rseq THEN state WHEN state IN ('hidden', 'kept', 'known') \
        THEN state ELSE 'waiting' END, \
        due = CASE WHEN (state = 'ready' AND rseq = ready_rseq) OR state IN ('hidden', 'kept', 'known') THEN NULL \
        ELSE CAST($4 AS BIGINT) END \
        WHERE log = $1 AND rid = $3 AND NOT EXISTS (SELECT 1 FROM mirror x WHERE x.log = $2 AND x.rid = $3)";
    // The new log has told of it already: what is here is its. It is as far behind as both were.
    JOIN_BEHIND = "UPDATE mirror SET behind_since = (SELECT MIN(o.behind_since) FROM mirror o \
        WHERE o.log IN ($1, $2) AND o.rid = $3) WHERE log = $2 AND rid = $3 AND state NOT IN ('hidden', 'kept')";
    JOIN_MIRROR = "UPDATE mirror SET \
        repo = COALESCE((SELECT o.repo FROM mirror o WHERE o.log = $1 AND o.rid = $3), repo), \
        attempt = attempt + 1, running = FALSE, \
        state = CASE WHEN state = 'blocked' THEN 'waiting' ELSE state END, \
        next_since = NULL, \
        due = CASE WHEN state IN ('blocked', 'waiting', 'retry') THEN CAST($4 AS BIGINT) ELSE due END \
        WHERE log = $2 AND rid = $3";
    DROP_MIRROR = "DELETE FROM mirror WHERE log = $1 AND rid = $2";
    MOVE_REPO = "UPDATE repo SET upstream = $2 WHERE rid = $3 AND upstream = $1 RETURNING id";
    // What its new home has taken away before this hub learned where that is.
    TAKEN_AWAY = "SELECT 1 FROM mirror WHERE log = $1 AND rid = $2 AND state = 'hidden'";
    // A mirror that the operator has let go on.
    WAKE_BLOCKED = "UPDATE mirror SET state = 'waiting', due = $3 WHERE log = $1 AND rid = $2 AND state = 'blocked'";
}

/// Most moves that are read: of a log, and of a namespace.
const MOVES_MAX: i64 = 10_000;
/// Most operations of a namespace that are read.
const OPS_MAX: i64 = 1_000;

words! {
    /// What is made of a move.
    MoveState, "the state of a move":
    /// The new log speaks for the namespace.
    Followed = "followed",
    /// It would void what was applied here: the operator is asked.
    Asked = "asked",
    /// It was followed, until another one was heard of in its place: the operator is asked.
    Frozen = "frozen",
    /// The other one.
    Rival = "rival",
    /// Another one was held for too long, or the operator chose it.
    Refused = "refused",
}

/// An operation that moves a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which namespace.
    pub nsid: Sha256,
    /// Its place among the namespace's operations.
    pub seq: u64,
    /// Its body.
    pub op: Sha256,
    /// Local id of the log that ends to speak for the namespace, if it is here.
    pub old_log: Option<i64>,
    /// Leaves of that which still do.
    pub cut: u64,
    /// Local id of the log that speaks for it from then on.
    pub new_log: i64,
    /// What is made of it.
    pub state: MoveState,
    /// Since when it is known here.
    pub held_at: UnixMillis,
}

impl Move {
    fn from_row(row: &Row) -> Result<Self> {
        let count = |index| row.read::<i64>(index).map(|count| u64::try_from(count).unwrap_or_default());
        Ok(Self {
            nsid: row.sha256(0)?,
            seq: count(1)?,
            op: row.sha256(2)?,
            old_log: row.read(3)?,
            cut: count(4)?,
            new_log: row.read(5)?,
            state: row.word(6)?,
            held_at: UnixMillis(row.read(7)?),
        })
    }
}

/// What to follow a move with.
#[derive(Debug, Clone)]
pub struct FollowedMove {
    /// Which; followed from now on.
    pub which: Move,
    /// The log from which its repositories are mirrored now, if they are.
    pub from: Option<i64>,
    /// Base of the URLs of the new home.
    pub home: String,
    /// The repositories that are mirrored.
    pub rids: Vec<Sha256>,
    /// What was selected of it where it was, which is selected from now on besides what the rules for the new log
    /// say.
    pub carried: Vec<FollowRule>,
}

impl Db {
    /// The moves from and to a log, in their order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_moves(&self, log: i64) -> Result<Vec<Move>> {
        each(&self.rows(MOVES_OF_LOG, args![log, MOVES_MAX]).await?, Move::from_row)
    }

    /// The moves of a namespace, in their order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn moves_of(&self, nsid: Sha256) -> Result<Vec<Move>> {
        each(&self.rows(MOVES_OF_NAMESPACE, args![nsid, MOVES_MAX]).await?, Move::from_row)
    }

    /// Moves of namespaces which the own log told of, to other logs, that it has not told of.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn untold_moves(&self, own: i64, limit: i64) -> Result<Vec<(Sha256, Sha256)>> {
        each(&self.rows(UNTOLD, args![own, limit]).await?, |row| Ok((row.sha256(0)?, row.sha256(1)?)))
    }

    /// The namespaces, known by their names here, that are at home at the URL of a hub; at most `limit` after
    /// `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn namespaces_at(&self, home: &str, after: Option<Sha256>, limit: i64) -> Result<Vec<Sha256>> {
        let after = after.map_or(bytes::Bytes::new(), |nsid| bytes::Bytes::copy_from_slice(nsid.as_bytes()));
        each(&self.rows(NAMESPACES_AT, args![home, after, limit]).await?, |row| row.sha256(0))
    }

    /// The bodies of all operations of a namespace that any log here has told of, in no order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn every_op(&self, nsid: Sha256) -> Result<Vec<Sha256>> {
        each(&self.rows(EVERY_OP, args![nsid, OPS_MAX]).await?, |row| row.sha256(0))
    }

    /// What a namespace of another hub is called here, if it is known.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn name_of_namespace(&self, nsid: Sha256) -> Result<Option<AccountName>> {
        self.row(NAMED, args![nsid]).await?.map(|row| row.word(0)).transpose()
    }

    /// Writes down a move that is not followed, or no longer.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn put_move(&self, which: Move) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                put(tx, &which).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Lets the new log speak for a namespace: its mirrors are that log's from now on, and nothing of them is
    /// fetched anew. Other moves in its place are refused.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn follow_move(&self, followed: FollowedMove) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                follow(tx, followed).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

pub(crate) async fn put(tx: &mut Tx, which: &Move) -> Result<()> {
    let Move { nsid, seq, op, old_log, cut, new_log, state, held_at } = which;
    let place = |count: &u64| i64::try_from(*count).unwrap_or(i64::MAX);
    let args = args![*nsid, place(seq), *op, *old_log, place(cut), *new_log, state.as_str(), *held_at];
    tx.execute(PUT_MOVE, args).await.map(drop)
}

pub(super) async fn follow(tx: &mut Tx, followed: FollowedMove) -> Result<()> {
    let FollowedMove { which, from, home, rids, carried } = followed;
    let Move { nsid, seq, op, new_log, .. } = which;
    put(tx, &Move { state: MoveState::Followed, ..which }).await?;
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    tx.execute(SET_RIVALS, args![nsid, seq, op, MoveState::Refused.as_str()]).await?;
    tx.execute(SET_HOME, args![nsid, home]).await?;
    carried::put(tx, new_log, nsid, carried).await?;
    elsewhere::pass_on(tx, nsid, seq, new_log).await?;
    let now = tx.now();
    for rid in rids {
        let Some(old) = from.filter(|old| *old != new_log) else {
            tx.execute(WAKE_BLOCKED, args![new_log, rid, now]).await?;
            continue;
        };
        if tx.execute(MOVE_MIRROR, args![old, new_log, rid, now]).await? == 0 {
            tx.execute(JOIN_MIRROR, args![old, new_log, rid, now]).await?;
            tx.execute(JOIN_BEHIND, args![old, new_log, rid]).await?;
            tx.execute(DROP_MIRROR, args![old, rid]).await?;
        }
        let Some(row) = tx.row(MOVE_REPO, args![old, new_log, rid]).await? else { continue };
        if tx.row(TAKEN_AWAY, args![new_log, rid]).await?.is_some() {
            repos::withhold(tx, RepoId(row.read(0)?), Some("moved".to_owned())).await?;
        }
    }
    Ok(())
}
