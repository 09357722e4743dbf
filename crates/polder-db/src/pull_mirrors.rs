//! Repositories that are brought up to date from another git server by the clock.

use polder_types::{RepoId, UnixMillis, Visibility};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// The columns that [`PullMirror::from_row`] reads.
macro_rules! columns {
    () => {
        "repo, url, user_name, token_file, every_seconds, keeps_tips, due, attempt, running, tried_at, worked_at, \
            failures, last_result, closed_there, stays_open"
    };
}

statements! {
    IS_LIVE = "SELECT id FROM repo WHERE id = $1 AND state = 'live'";
    SET_PULL = "INSERT INTO pull_mirror (repo, url, user_name, token_file, every_seconds, keeps_tips, created_at, \
        due, attempt, running, failures, closed_there, stays_open) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $11, FALSE, 0, $9, $10) \
        ON CONFLICT (repo) DO UPDATE SET url = excluded.url, user_name = excluded.user_name, \
        token_file = excluded.token_file, every_seconds = excluded.every_seconds, keeps_tips = excluded.keeps_tips, \
        due = excluded.due, attempt = excluded.attempt, running = FALSE, failures = 0, last_result = NULL, \
        closed_there = excluded.closed_there, stays_open = excluded.stays_open";
    SET_CLOSED = "UPDATE pull_mirror SET closed_there = $3 WHERE repo = $1 AND attempt = $2";
    STOP_PULL = "DELETE FROM pull_mirror WHERE repo = $1";
    PULLS_AFTER = concat!("SELECT ", columns!(), " FROM pull_mirror WHERE repo > $1 ORDER BY repo LIMIT $2");
    NEXT_PULL = "SELECT MIN(due) FROM pull_mirror";
    FAILING_PULLS = "SELECT COUNT(*) FROM pull_mirror WHERE failures > 0";
    // No two claims meet: writes take turns, among the nodes of one database too.
    CLAIM_PULLS = concat!("UPDATE pull_mirror SET attempt = $4, due = $2, running = TRUE WHERE repo IN \
        (SELECT p.repo FROM pull_mirror p WHERE p.due <= $1 ORDER BY p.due, p.repo LIMIT $3) RETURNING ", columns!());
    STILL_PULLING = "UPDATE pull_mirror SET due = $3 WHERE repo = $1 AND attempt = $2 AND running";
    PULLED = "UPDATE pull_mirror SET due = $3, running = FALSE, tried_at = $4, worked_at = $4, failures = 0, \
        last_result = $5 WHERE repo = $1 AND attempt = $2 AND running";
    NOT_PULLED = "UPDATE pull_mirror SET due = $3, running = FALSE, tried_at = $4, failures = failures + 1, \
        last_result = $5 WHERE repo = $1 AND attempt = $2 AND running";
    RELEASE_PULLS = "UPDATE pull_mirror SET due = $1, running = FALSE WHERE running";
    HOLDS_CLAIM = "SELECT repo FROM pull_mirror WHERE repo = $1 AND attempt = $2 AND running";
    PUT_OFF = "UPDATE pull_mirror SET due = $3, running = FALSE WHERE repo = $1 AND attempt = $2 AND running";
}

/// Longest kept result, in characters.
const RESULT_CHARS_MAX: usize = 1_000;

/// A repository to be pulled by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullMirror {
    /// The repository here.
    pub repo: RepoId,
    /// The repository there.
    pub url: String,
    /// The user whose the token is.
    pub user_name: Option<String>,
    /// Where the token is.
    pub token_file: Option<String>,
    /// Time between two pulls, in seconds.
    pub every_seconds: i64,
    /// Whether tips that are deleted or rewritten there are kept here.
    pub keeps_tips: bool,
    /// Who may read the source, if that is not anyone.
    pub closed_there: Option<Visibility>,
    /// Whether the copy stays as open as it is whatever the source is.
    pub stays_open: bool,
    /// The first pull.
    pub due: UnixMillis,
}

/// A repository that is pulled by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullMirror {
    /// The repository here.
    pub repo: RepoId,
    /// The repository there.
    pub url: String,
    /// The user whose the token is.
    pub user_name: Option<String>,
    /// Where the token is.
    pub token_file: Option<String>,
    /// Time between two pulls, in seconds.
    pub every_seconds: i64,
    /// Whether tips that are deleted or rewritten there are kept here.
    pub keeps_tips: bool,
    /// The next pull; while one runs, the end of its claim.
    pub due: UnixMillis,
    /// The number of the last claim; the fence. No other claim has it, of whatever mirror the repository was.
    pub attempt: i64,
    /// Whether it is being pulled.
    pub running: bool,
    /// The last pull that ended.
    pub tried_at: Option<UnixMillis>,
    /// The last pull that worked.
    pub worked_at: Option<UnixMillis>,
    /// How many failed in a row.
    pub failures: i64,
    /// What came of the last one.
    pub last_result: Option<String>,
    /// Who may read the source, where that was seen and is not anyone.
    pub closed_there: Option<Visibility>,
    /// Whether the copy stays as open as it is whatever the source is.
    pub stays_open: bool,
}

impl PullMirror {
    fn from_row(row: &Row) -> Result<Self> {
        let moment = |at: Option<i64>| at.map(UnixMillis);
        Ok(Self {
            repo: RepoId(row.read(0)?),
            url: row.read(1)?,
            user_name: row.read(2)?,
            token_file: row.read(3)?,
            every_seconds: row.read(4)?,
            keeps_tips: row.read(5)?,
            due: UnixMillis(row.read(6)?),
            attempt: row.read(7)?,
            running: row.read(8)?,
            tried_at: moment(row.read(9)?),
            worked_at: moment(row.read(10)?),
            failures: row.read(11)?,
            last_result: row.read(12)?,
            closed_there: row.read::<Option<String>>(13)?.as_deref().map(closed),
            stays_open: row.read(14)?,
        })
    }
}

/// The claim of whoever pulls a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullClaim {
    repo: RepoId,
    attempt: i64,
}

impl PullMirror {
    /// The claim that it was taken up by.
    pub fn claim(&self) -> PullClaim {
        PullClaim { repo: self.repo, attempt: self.attempt }
    }
}

/// Refuses what is written for a pull that was stopped, changed or taken up by another meanwhile.
pub(crate) async fn require_claim(tx: &mut Tx, claim: PullClaim) -> Result<()> {
    if tx.row(HOLDS_CLAIM, args![claim.repo, claim.attempt]).await?.is_none() {
        return Err(Error::Conflict { what: "the mirror was stopped or changed meanwhile".to_owned() });
    }
    Ok(())
}

/// A word that is none of ours is no reason to show anything.
fn closed(word: &str) -> Visibility {
    if word == Visibility::Gated.as_str() { Visibility::Gated } else { Visibility::Private }
}

/// What came of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEnd {
    /// It worked; what it did, for the operator.
    Worked(String),
    /// It failed; why.
    Failed(String),
    /// It was not tried.
    PutOff,
}

impl Db {
    /// A handle that writes while a claim holds, and else refuses with [`Error::Conflict`]: what a pull writes
    /// that was stopped comes to nothing, however late.
    #[must_use]
    pub fn while_pulling(&self, claim: PullClaim) -> Self {
        self.with(|goes_along| goes_along.pull = Some(claim))
    }

    /// Has a repository pulled by the clock, from now on as `new` says.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such repository.
    pub async fn set_pull_mirror(&self, new: NewPullMirror) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let repo = new.repo;
                if tx.row(IS_LIVE, args![repo]).await?.is_none() {
                    return Err(missing(format!("repository {repo}")));
                }
                let now = tx.now();
                let NewPullMirror {
                    repo, url, user_name, token_file, every_seconds, keeps_tips, due, ..
                } = new;
                let closed = new.closed_there.map(Visibility::as_str);
                let mut args = args![repo, url, user_name, token_file, every_seconds, keeps_tips, now, due];
                args.extend(args![closed, new.stays_open, tx.next_id()]);
                tx.execute(SET_PULL, args).await?;
                tx.audit(|entry| entry.repo = Some(repo));
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Writes down who may read the source of one that is being pulled, if that is not anyone.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_closed_there(&self, mirror: &PullMirror, closed: Option<Visibility>) -> Result<()> {
        let (repo, attempt) = (mirror.repo, mirror.attempt);
        let word = closed.map(Visibility::as_str);
        self.write(move |tx| {
            Box::pin(async move {
                let changed = tx.execute(SET_CLOSED, args![repo, attempt, word]).await?;
                Ok(if changed > 0 { Verdict::Keep(()) } else { Verdict::Discard(()) })
            })
        })
        .await
    }

    /// Ends that; false if it was not so.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn stop_pull_mirror(&self, repo: RepoId) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let stopped = tx.execute(STOP_PULL, args![repo]).await? > 0;
                Ok(if stopped { Verdict::Keep(true) } else { Verdict::Discard(false) })
            })
        })
        .await
    }

    /// Lists them by repository, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_pull_mirrors(&self, after: Option<RepoId>, limit: i64) -> Result<Vec<PullMirror>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(PULLS_AFTER, args![after, limit]).await?, PullMirror::from_row)
    }

    /// When the next one is due, if there is any, and how many failed the last time.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next_pull(&self) -> Result<(Option<UnixMillis>, i64)> {
        let due = self.row(NEXT_PULL, args![]).await?.map(|row| row.read::<Option<i64>>(0)).transpose()?;
        let failing = self.row(FAILING_PULLS, args![]).await?.map(|row| row.read(0)).transpose()?;
        Ok((due.flatten().map(UnixMillis), failing.unwrap_or_default()))
    }

    /// Takes up at most `limit` that are due, for `lease_seconds`, lapsed claims included.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn claim_pulls(&self, lease_seconds: i64, limit: i64) -> Result<Vec<PullMirror>> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let args = args![now, now.plus_seconds(lease_seconds), limit, tx.next_id()];
                let claimed = each(&tx.rows(CLAIM_PULLS, args).await?, PullMirror::from_row)?;
                Ok(if claimed.is_empty() { Verdict::Discard(claimed) } else { Verdict::Keep(claimed) })
            })
        })
        .await
    }

    /// Has those pulled at once that a process which is gone was pulling; the caller is the only one there is.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_pulls(&self) -> Result<()> {
        self.write(|tx| {
            Box::pin(async move {
                let now = tx.now();
                let released = tx.execute(RELEASE_PULLS, args![now]).await?;
                Ok(if released > 0 { Verdict::Keep(()) } else { Verdict::Discard(()) })
            })
        })
        .await
    }

    /// Keeps a claim for `lease_seconds` more; false if it was lost.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn still_pulling(&self, mirror: &PullMirror, lease_seconds: i64) -> Result<bool> {
        let (repo, attempt) = (mirror.repo, mirror.attempt);
        self.write(move |tx| {
            Box::pin(async move {
                let until = tx.now().plus_seconds(lease_seconds);
                Ok(Verdict::Keep(tx.execute(STILL_PULLING, args![repo, attempt, until]).await? > 0))
            })
        })
        .await
    }

    /// Writes down what came of a pull, and when the next is; false if the claim was lost.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn end_pull(&self, mirror: &PullMirror, end: PullEnd, next: UnixMillis) -> Result<bool> {
        let (repo, attempt) = (mirror.repo, mirror.attempt);
        // PostgreSQL's text holds no NUL.
        let short =
            |text: String| text.chars().filter(|c| *c != '\0').take(RESULT_CHARS_MAX).collect::<String>();
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let changed = match end {
                    PullEnd::Worked(text) => {
                        tx.execute(PULLED, args![repo, attempt, next, now, short(text)]).await?
                    }
                    PullEnd::Failed(text) => {
                        tx.execute(NOT_PULLED, args![repo, attempt, next, now, short(text)]).await?
                    }
                    PullEnd::PutOff => tx.execute(PUT_OFF, args![repo, attempt, next]).await?,
                };
                Ok(Verdict::Keep(changed > 0))
            })
        })
        .await
    }
}
