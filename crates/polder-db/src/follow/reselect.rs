//! What other rules make of the repositories of an upstream that were heard of before.

use polder_types::Sha256;

use super::page::to_bring;
use super::{MirrorMode, MirrorTarget};
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result, blocks};

statements! {
    // What its home took away stays so, and of what is here whole nothing more is needed. Work under way is for
    // the mode before: it loses its claim.
    TAKE = "UPDATE mirror SET mode = $3, \
        state = CASE WHEN state IN ('hidden', 'kept') OR (state = 'ready' AND mode IN ('full', 'archive')) \
        THEN state ELSE 'waiting' END, \
        due = CASE WHEN state IN ('hidden', 'kept') OR (state = 'ready' AND mode IN ('full', 'archive')) \
        THEN due ELSE CAST($4 AS BIGINT) END, \
        attempt = attempt + 1, running = FALSE, failures = 0, last_error = NULL, changed_at = $4 \
        WHERE log = $1 AND rid = $2 AND mode <> $3 RETURNING path";
    LEAVE = "UPDATE mirror SET mode = 'metadata', \
        state = CASE WHEN state IN ('hidden', 'kept') THEN state ELSE 'known' END, due = NULL, \
        attempt = attempt + 1, running = FALSE, failures = 0, last_error = NULL, changed_at = $3 \
        WHERE log = $1 AND rid = $2 AND mode <> 'metadata' RETURNING path";
    ADD = "INSERT INTO mirror (log, rid, path, mode, state, rseq, body, ready_rseq, due, running, attempt, failures, \
        changed_at, behind_since) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, FALSE, 0, 0, $9, $10) ON CONFLICT (log, rid) DO NOTHING";
}

impl Db {
    /// Takes mirrors in other modes from now on. What is here stays, what is hidden or blocked stays so; what a
    /// mode needs more of is due.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_mirror_modes(&self, log: i64, modes: Vec<(Sha256, MirrorMode)>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let some_blocked = blocks::concern(tx, log).await?;
                for (rid, mode) in modes {
                    let set = match mode {
                        MirrorMode::Metadata => tx.row(LEAVE, args![log, rid, now]).await?,
                        MirrorMode::Lazy | MirrorMode::Full | MirrorMode::Archive => {
                            tx.row(TAKE, args![log, rid, mode.as_str(), now]).await?
                        }
                    };
                    if let Some(row) = set.filter(|_row| some_blocked) {
                        blocks::stop(tx, log, rid, &row.read::<String>(0)?).await?;
                    }
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Begins to mirror what no rule fitted before, and what its home shows; those that there is a mirror of
    /// are left as they are.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn add_mirrors(&self, log: i64, targets: Vec<MirrorTarget>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let (now, some_blocked) = (tx.now(), blocks::concern(tx, log).await?);
                for target in targets.into_iter().filter(|target| target.hidden.is_none()) {
                    let (state, due) = to_bring(target.mode, now);
                    let rseq = i64::try_from(target.rseq).unwrap_or(i64::MAX);
                    let (mode, state) = (target.mode.as_str(), state.as_str());
                    let (path, since) = (target.path, target.since);
                    let args =
                        args![log, target.rid, path.clone(), mode, state, rseq, target.body, due, now, since];
                    if tx.execute(ADD, args).await? > 0 && some_blocked {
                        blocks::stop(tx, log, target.rid, &path).await?;
                    }
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}
