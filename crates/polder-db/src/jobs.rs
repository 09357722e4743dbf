//! Background work as rows: deduplicated, leased, fenced by the number of the attempt.

use polder_types::{JobId, UnixMillis};

use crate::row::{Row, each};
use crate::sql::{statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Db, Result};

statements! {
    // Work that is asked for again while it runs may have missed what changed: it runs once more.
    INSERT_JOB = "INSERT INTO job (id, kind, dedup, payload, due, attempt, again, created_at) \
        VALUES ($1, $2, $3, $4, $5, 0, FALSE, $6) \
        ON CONFLICT (dedup) DO UPDATE SET again = TRUE, payload = excluded.payload \
        WHERE job.lease_until IS NOT NULL";
    FINISH_AGAIN = "UPDATE job SET again = FALSE, lease_until = NULL, due = $3, last_error = NULL \
        WHERE id = $1 AND attempt = $2 AND lease_until IS NOT NULL AND again";
    FINISH_JOB = "DELETE FROM job WHERE id = $1 AND attempt = $2 AND lease_until IS NOT NULL";
    NEXT_DUE = "SELECT MIN(CASE WHEN lease_until IS NULL THEN due ELSE lease_until END) FROM job WHERE kind = $1";
    RELEASE_JOBS = "UPDATE job SET lease_until = NULL WHERE kind = $1 AND lease_until IS NOT NULL";
    FAIL_JOB = "UPDATE job SET lease_until = NULL, again = FALSE, due = $3, last_error = $4 \
        WHERE id = $1 AND attempt = $2 AND lease_until IS NOT NULL";
}

templates! {
    // No two claims meet: writes take turns, among the nodes of one database too.
    CLAIM_JOBS(3) = "UPDATE job SET attempt = attempt + 1, lease_until = $2 WHERE id IN (SELECT id FROM job \
        WHERE due <= $1 AND (lease_until IS NULL OR lease_until <= $1) AND kind IN (", "?",
        ") ORDER BY due, id LIMIT $3) RETURNING id, kind, payload, attempt";
}

/// Kinds one claim may name.
const KINDS_MAX: usize = 64;

/// Longest kept error of a failed attempt, in characters.
const ERROR_CHARS_MAX: usize = 2000;

/// Work to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What to do, e.g. `sweep`.
    pub kind: String,
    /// At most one unfinished job has a given value, e.g. `sweep`.
    pub dedup: String,
    /// JSON for the runner.
    pub payload: String,
    /// Not before.
    pub due: UnixMillis,
}

/// Work that the caller holds until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Local id.
    pub id: JobId,
    /// What to do.
    pub kind: String,
    /// JSON for the runner.
    pub payload: String,
    /// How often it was claimed, from 1. Finishing with an older number has no effect: the fence.
    pub attempt: i64,
}

impl Db {
    /// Queues work unless an unfinished job has the same `dedup`; says whether it will run (again).
    ///
    /// A job that runs at this moment is marked to run once more, with the new payload.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn enqueue_job(&self, job: NewJob) -> Result<bool> {
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(enqueue(tx, job).await?)) })).await
    }

    /// Claims at most `limit` due jobs of the given kinds for `lease_seconds`, lapsed leases included.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn claim_jobs(&self, kinds: &[&str], lease_seconds: i64, limit: i64) -> Result<Vec<Job>> {
        let kinds: Vec<Value> = kinds.iter().take(KINDS_MAX).map(|kind| Value::from(*kind)).collect();
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let statement = CLAIM_JOBS.statement(kinds.len());
                let mut args = args![now, now.plus_seconds(lease_seconds), limit];
                args.extend(kinds);
                let jobs = each(&tx.rows(statement, args).await?, job)?;
                Ok(if jobs.is_empty() { Verdict::Discard(jobs) } else { Verdict::Keep(jobs) })
            })
        })
        .await
    }

    /// When a job of this kind can be claimed next.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next_job_due(&self, kind: &str) -> Result<Option<UnixMillis>> {
        let row = self.row(NEXT_DUE, args![kind]).await?;
        Ok(row.map(|row| row.read::<Option<i64>>(0)).transpose()?.flatten().map(UnixMillis))
    }

    /// Lets go of every claim on jobs of this kind: who had them is gone.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_jobs(&self, kind: &'static str) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(RELEASE_JOBS, args![kind]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Removes a finished job; false if the lease was lost to another attempt.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn finish_job(&self, job: &Job) -> Result<bool> {
        let (id, attempt) = (job.id, job.attempt);
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let again = tx.execute(FINISH_AGAIN, args![id, attempt, now]).await?;
                let done = again > 0 || tx.execute(FINISH_JOB, args![id, attempt]).await? > 0;
                Ok(Verdict::Keep(done))
            })
        })
        .await
    }

    /// Gives a job back, to be tried again at `retry_at`; false if the lease was lost.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn fail_job(&self, job: &Job, error: &str, retry_at: UnixMillis) -> Result<bool> {
        // PostgreSQL's text holds no NUL.
        let error: String = error.chars().filter(|c| *c != '\0').take(ERROR_CHARS_MAX).collect();
        let args = args![job.id, job.attempt, retry_at, error];
        self.write(move |tx| {
            Box::pin(async move { Ok(Verdict::Keep(tx.execute(FAIL_JOB, args).await? > 0)) })
        })
        .await
    }
}

/// Queues work in the write that makes it necessary.
pub(crate) async fn enqueue(tx: &mut Tx, job: NewJob) -> Result<bool> {
    let (id, now) = (JobId(tx.next_id()), tx.now());
    Ok(tx.execute(INSERT_JOB, args![id, job.kind, job.dedup, job.payload, job.due, now]).await? > 0)
}

fn job(row: &Row) -> Result<Job> {
    Ok(Job { id: JobId(row.read(0)?), kind: row.read(1)?, payload: row.read(2)?, attempt: row.read(3)? })
}
