//! Showing what a mirror now holds: refs, name, ref map and the mirror's own row, all together.

use polder_types::{RepoId, RepoName, Sha256};

use super::Mirror;
use crate::log::{self, LogFile};
use crate::repos;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    // Not of what was hidden meanwhile: that took the attempt away. A newer target stays due, and so does a
    // missing body.
    PUBLISH = "UPDATE mirror SET ready_rseq = $3, failures = 0, last_error = NULL, changed_at = $5, running = FALSE, \
        state = CASE WHEN rseq = $3 AND NOT EXISTS (SELECT 1 FROM missing_body b WHERE b.log = $1 AND b.rid = $2) \
        THEN 'ready' ELSE 'waiting' END, \
        due = CASE WHEN rseq = $3 AND NOT EXISTS (SELECT 1 FROM missing_body b WHERE b.log = $1 AND b.rid = $2) \
        THEN NULL ELSE CAST($5 AS BIGINT) END, \
        behind_since = next_since, next_since = NULL, \
        hidden_at = CASE WHEN CAST($6 AS BIGINT) IS NULL THEN NULL ELSE COALESCE(hidden_at, CAST($6 AS BIGINT)) END \
        WHERE log = $1 AND rid = $2 AND attempt = $4 AND running AND repo = $7";
}

/// What to show of a mirror, if the claim on it still holds by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorPublish {
    log: i64,
    rid: Sha256,
    rseq: u64,
    attempt: i64,
    repo: RepoId,
    /// Its name here from now on.
    pub name: RepoName,
    /// Where HEAD points.
    pub head: String,
    /// Whether its refs are all gone and what they reached is not: that is purged in time.
    pub emptied: bool,
    /// The signed ref map.
    pub file: LogFile,
}

impl MirrorPublish {
    /// What a claimed mirror shall show: the state of its target.
    pub fn of(mirror: &Mirror, repo: RepoId, name: RepoName, head: String, file: LogFile) -> Self {
        let Mirror { log, rid, rseq, attempt, .. } = *mirror;
        Self { log, rid, rseq, attempt, repo, name, head, emptied: false, file }
    }
}

impl Db {
    /// Shows what a mirror holds, which no push changes with it; false, and nothing is changed, when it was
    /// hidden or taken up by another meanwhile.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] if the name is or was another's.
    pub async fn publish_mirror(&self, publish: MirrorPublish) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let published = self::publish(tx, publish).await?;
                Ok(if published { Verdict::Keep(true) } else { Verdict::Discard(false) })
            })
        })
        .await
    }
}

/// As [`Db::publish_mirror`], in a write that must be discarded when the answer is false.
pub(crate) async fn publish(tx: &mut Tx, publish: MirrorPublish) -> Result<bool> {
    let MirrorPublish { log, rid, rseq, attempt, repo, name, head, emptied, file } = publish;
    let (now, rseq) = (tx.now(), i64::try_from(rseq).unwrap_or(i64::MAX));
    let emptied_at = emptied.then_some(now);
    if tx.execute(PUBLISH, args![log, rid, rseq, attempt, now, emptied_at, repo]).await? == 0 {
        return Ok(false);
    }
    repos::rename(tx, repo, name, None).await?;
    repos::point_head(tx, repo, head, None).await?;
    repos::withhold(tx, repo, None).await?;
    log::put_file(tx, log, file).await?;
    Ok(true)
}
