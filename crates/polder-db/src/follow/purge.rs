//! What is removed of mirrors that were taken away at home long ago.

use polder_types::{RepoId, Sha256, UnixMillis};

use super::{MirrorMode, MirrorState};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, log, repos};

statements! {
    HELD = "SELECT COUNT(*) FROM mirror WHERE log = $1 AND repo IS NOT NULL";
    TAKEN_AWAY = "SELECT hidden_at, COUNT(*) FROM mirror WHERE log = $1 AND repo IS NOT NULL AND hidden_at > $2 \
        AND state <> 'kept' GROUP BY hidden_at ORDER BY hidden_at LIMIT $3";
    PURGEABLE = "SELECT m.rid, m.repo, m.mode, m.state, m.hidden_at, m.path, r.withheld FROM mirror m \
        LEFT JOIN repo r ON r.id = m.repo WHERE m.log = $1 AND m.repo IS NOT NULL AND m.hidden_at <= $2 \
        AND m.state IN ('hidden', 'ready') ORDER BY m.hidden_at, m.rid LIMIT $3";
    // Nothing that came back, or was hidden anew, since it was listed.
    PURGED = "UPDATE mirror SET repo = CASE WHEN state = 'hidden' THEN NULL ELSE repo END, \
        ready_rseq = CASE WHEN state = 'hidden' THEN 0 ELSE ready_rseq END, \
        hidden_at = CASE WHEN state = 'hidden' THEN hidden_at END, changed_at = $5 \
        WHERE log = $1 AND rid = $2 AND hidden_at = $3 AND state = $4";
    KEPT = "UPDATE mirror SET state = CASE WHEN state = 'hidden' THEN 'kept' ELSE state END, \
        hidden_at = CASE WHEN state = 'hidden' THEN hidden_at END, changed_at = $5 \
        WHERE log = $1 AND rid = $2 AND hidden_at = $3 AND state = $4";
    RELEASE_PURGE = "UPDATE upstream SET purge_until = $2 WHERE log = $1";
}

/// A mirror whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purgeable {
    /// Which.
    pub rid: Sha256,
    /// What is to be removed.
    pub repo: RepoId,
    /// How much of it is taken.
    pub mode: MirrorMode,
    /// Hidden, or ready: then only its refs are gone.
    pub state: MirrorState,
    /// Since when it is so.
    pub hidden_at: UnixMillis,
    /// Its id at home.
    pub path: String,
    /// Why it is hidden, if it is.
    pub withheld: Option<String>,
}

impl Purgeable {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            rid: row.sha256(0)?,
            repo: RepoId(row.read(1)?),
            mode: row.word(2)?,
            state: row.word(3)?,
            hidden_at: UnixMillis(row.read(4)?),
            path: row.read(5)?,
            withheld: row.read(6)?,
        })
    }
}

impl Db {
    /// How many mirrors of an upstream have something here, hidden or not.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn count_held_mirrors(&self, log: i64) -> Result<i64> {
        self.row(HELD, args![log]).await?.map_or(Ok(0), |row| row.read(0))
    }

    /// At most `limit` times after `after` at which mirrors of an upstream were taken away whose content is
    /// still here, and how many each.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_taken_away(
        &self,
        log: i64,
        after: UnixMillis,
        limit: i64,
    ) -> Result<Vec<(UnixMillis, i64)>> {
        let rows = self.rows(TAKEN_AWAY, args![log, after, limit]).await?;
        each(&rows, |row| Ok((UnixMillis(row.read(0)?), row.read(1)?)))
    }

    /// At most `limit` mirrors of an upstream that were taken away at `until` or before.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_purgeable(&self, log: i64, until: UnixMillis, limit: i64) -> Result<Vec<Purgeable>> {
        each(&self.rows(PURGEABLE, args![log, until, limit]).await?, Purgeable::from_row)
    }

    /// Removes what a mirror holds; false when it came back since it was listed. What was only emptied stays,
    /// empty.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn purge_mirror(&self, log: i64, purgeable: &Purgeable) -> Result<bool> {
        let Purgeable { rid, repo, state, hidden_at, .. } = *purgeable;
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                if tx.execute(PURGED, args![log, rid, hidden_at, state.as_str(), now]).await? == 0 {
                    return Ok(Verdict::Discard(false));
                }
                remove(tx, repo, state).await?;
                if state == MirrorState::Hidden {
                    log::drop_files(tx, log, rid).await?;
                }
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Keeps what a mirror holds, hidden, for good.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn keep_mirror(&self, log: i64, purgeable: &Purgeable) -> Result<()> {
        let Purgeable { rid, state, hidden_at, .. } = *purgeable;
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                tx.execute(KEPT, args![log, rid, hidden_at, state.as_str(), now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Lets everything be purged that an upstream has taken away until now, however much that is.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_purge(&self, log: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                tx.execute(RELEASE_PURGE, args![log, now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// Removes what is there; the operator may have been faster.
async fn remove(tx: &mut Tx, repo: RepoId, state: MirrorState) -> Result<()> {
    let removed = match state {
        MirrorState::Hidden => repos::delete(tx, repo, None).await,
        _ => repos::empty(tx, repo).await,
    };
    match removed {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
