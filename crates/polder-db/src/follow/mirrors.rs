//! The mirrors of single repositories: taken up when they are due, one worker each.

use std::fmt;
use std::str::FromStr;

use polder_types::{RepoId, Sha256, UnixMillis};

use super::MirrorMode;
use super::{short, words};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

/// The columns that [`Mirror::from_row`] reads.
macro_rules! columns {
    () => {
        "log, rid, repo, path, mode, state, rseq, body, ready_rseq, attempt, failures, last_error, changed_at"
    };
}
pub(super) use columns;

statements! {
    MIRRORS_AFTER = concat!("SELECT ", columns!(), " FROM mirror WHERE log = $1 AND rid > $2 ORDER BY rid LIMIT $3");
    NEXT_DUE = "SELECT MIN(due) FROM mirror WHERE log = $1";
    CLAIM = concat!("UPDATE mirror SET attempt = attempt + 1, due = $3, running = TRUE, \
        next_since = NULL WHERE log = $1 AND rid IN \
        (SELECT m.rid FROM mirror m WHERE m.log = $1 AND m.due <= $2 ORDER BY m.due, m.rid LIMIT $4) RETURNING ",
        columns!());
    SET_REPO = "UPDATE mirror SET repo = $3 WHERE log = $1 AND rid = $2 AND attempt = $4";
    FAIL = "UPDATE mirror SET state = $4, last_error = $5, \
        failures = CASE WHEN CAST($9 AS BOOLEAN) THEN 0 ELSE failures + 1 END, changed_at = $7, running = FALSE, \
        due = CASE WHEN rseq > $8 THEN CAST($7 AS BIGINT) ELSE CAST($6 AS BIGINT) END \
        WHERE log = $1 AND rid = $2 AND attempt = $3 AND running";
    STILL = "UPDATE mirror SET due = $4 WHERE log = $1 AND rid = $2 AND attempt = $3 AND running";
    WAKE = "UPDATE mirror SET due = $2 WHERE log = $1 AND state IN ('retry', 'waiting', 'quarantined', 'incomplete', \
        'paused-quota', 'paused-window', 'paused-disk') AND NOT running";
    RELEASE = "UPDATE mirror SET due = $1, attempt = attempt + 1, running = FALSE WHERE running";
}

words! {
    /// How far a mirror is.
    MirrorState, "the state of a mirror":
    /// Nothing but the log's word is taken of it.
    Known = "known",
    /// Something new is to be fetched, or is being fetched.
    Waiting = "waiting",
    /// What is served is the newest.
    Ready = "ready",
    /// Fetching failed and is tried again.
    Retry = "retry",
    /// The body of an event is not to be had: nothing newer is shown, an older state is served.
    Incomplete = "incomplete",
    /// More would be over the budget of its upstream.
    PausedQuota = "paused-quota",
    /// It is not the time for it.
    PausedWindow = "paused-window",
    /// There is no space for it.
    PausedDisk = "paused-disk",
    /// What was fetched is not what was signed; an older state is served.
    Quarantined = "quarantined",
    /// It cannot be taken: its name is another's, or the signed words contradict one another.
    Blocked = "blocked",
    /// Its home hub took it away.
    Hidden = "hidden",
    /// As hidden; what is here stays, because the rule says so.
    Kept = "kept",
}

impl MirrorState {
    /// Whether nothing is wrong with it, and it goes on later.
    pub const fn is_paused(self) -> bool {
        matches!(self, Self::PausedQuota | Self::PausedWindow | Self::PausedDisk)
    }

    /// Whether what is known and not served is still to be served, sooner or later.
    pub const fn is_behind(self) -> bool {
        !matches!(self, Self::Known | Self::Ready | Self::Blocked | Self::Hidden | Self::Kept)
    }
}

/// The mirror of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The log that tells of it.
    pub log: i64,
    /// Which repository.
    pub rid: Sha256,
    /// The repository here, once there is one.
    pub repo: Option<RepoId>,
    /// Its id at home, with the kind.
    pub path: String,
    /// How much of it is taken.
    pub mode: MirrorMode,
    /// How far it is.
    pub state: MirrorState,
    /// The newest event.
    pub rseq: u64,
    /// The body of that.
    pub body: Sha256,
    /// The event whose state is served; 0 for none.
    pub ready_rseq: u64,
    /// Counts how often it was taken up: who has an older number has lost it.
    pub attempt: i64,
    /// Failures in a row.
    pub failures: i64,
    /// The last one.
    pub last_error: Option<String>,
    /// When any of this changed.
    pub changed_at: UnixMillis,
}

impl Mirror {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        let count = |index| row.read::<i64>(index).map(|count| u64::try_from(count).unwrap_or_default());
        Ok(Self {
            log: row.read(0)?,
            rid: row.sha256(1)?,
            repo: row.read::<Option<i64>>(2)?.map(RepoId),
            path: row.read(3)?,
            mode: row.word(4)?,
            state: row.word(5)?,
            rseq: count(6)?,
            body: row.sha256(7)?,
            ready_rseq: count(8)?,
            attempt: row.read(9)?,
            failures: row.read(10)?,
            last_error: row.read(11)?,
            changed_at: UnixMillis(row.read(12)?),
        })
    }
}

/// Why working on a mirror ended without anything new to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorEnd {
    /// What it is now.
    pub state: MirrorState,
    /// Why.
    pub why: String,
    /// When to try again; `None` for when something new is heard of it.
    pub due: Option<UnixMillis>,
}

impl Db {
    /// Lists the mirrors of an upstream by rid, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_mirrors(&self, log: i64, after: Option<Sha256>, limit: i64) -> Result<Vec<Mirror>> {
        let after = after.map_or(bytes::Bytes::new(), |rid| bytes::Bytes::copy_from_slice(rid.as_bytes()));
        each(&self.rows(MIRRORS_AFTER, args![log, after, limit]).await?, Mirror::from_row)
    }

    /// When the next mirror of an upstream is due.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next_mirror(&self, log: i64) -> Result<Option<UnixMillis>> {
        let due = self.row(NEXT_DUE, args![log]).await?.map(|row| row.read::<Option<i64>>(0)).transpose()?;
        Ok(due.flatten().map(UnixMillis))
    }

    /// Takes up at most `limit` mirrors of an upstream that are due, for `lease_seconds`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn claim_mirrors(&self, log: i64, lease_seconds: i64, limit: i64) -> Result<Vec<Mirror>> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let args = args![log, now, now.plus_seconds(lease_seconds), limit];
                let claimed = each(&tx.rows(CLAIM, args).await?, Mirror::from_row)?;
                Ok(if claimed.is_empty() { Verdict::Discard(claimed) } else { Verdict::Keep(claimed) })
            })
        })
        .await
    }

    /// Writes down which repository here a mirror is; false when the claim was lost.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_mirror_repo(&self, mirror: &Mirror, repo: RepoId) -> Result<bool> {
        let (log, rid, attempt) = (mirror.log, mirror.rid, mirror.attempt);
        self.write(move |tx| {
            Box::pin(async move {
                let set = tx.execute(SET_REPO, args![log, rid, repo, attempt]).await? > 0;
                Ok(Verdict::Keep(set))
            })
        })
        .await
    }

    /// Keeps a claim for `lease_seconds` more; false if it was lost.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn still_mirroring(&self, mirror: &Mirror, lease_seconds: i64) -> Result<bool> {
        let (log, rid, attempt) = (mirror.log, mirror.rid, mirror.attempt);
        self.write(move |tx| {
            Box::pin(async move {
                let until = tx.now().plus_seconds(lease_seconds);
                Ok(Verdict::Keep(tx.execute(STILL, args![log, rid, attempt, until]).await? > 0))
            })
        })
        .await
    }

    /// Writes down why a mirror has nothing new to serve.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn end_mirror(&self, mirror: &Mirror, end: MirrorEnd) -> Result<()> {
        let (log, rid, attempt) = (mirror.log, mirror.rid, mirror.attempt);
        let rseq = i64::try_from(mirror.rseq).unwrap_or(i64::MAX);
        self.write(move |tx| {
            Box::pin(async move {
                let (now, why) = (tx.now(), short(&end.why));
                let (state, is_paused) = (end.state.as_str(), end.state.is_paused());
                let args = args![log, rid, attempt, state, why, end.due, now, rseq, is_paused];
                tx.execute(FAIL, args).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Has everything of an upstream that waits tried now.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn wake_mirrors(&self, log: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                tx.execute(WAKE, args![log, now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Gives back what a process that is gone had taken up; the caller is the only one there is.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_mirrors(&self) -> Result<()> {
        self.write(|tx| {
            Box::pin(async move {
                let now = tx.now();
                let released = tx.execute(RELEASE, args![now]).await?;
                Ok(if released > 0 { Verdict::Keep(()) } else { Verdict::Discard(()) })
            })
        })
        .await
    }
}
