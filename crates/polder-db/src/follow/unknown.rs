//! Mirrors that came to a log with their namespace, and that this log has never told of.

use polder_types::{RepoId, Sha256};

use super::{Mirror, mirrors};
use crate::repos;
use crate::row::each;
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    // Whatever a log has told of has a newest event.
    UNKNOWN = concat!("SELECT ", mirrors::columns!(), " FROM mirror WHERE log = $1 AND rid > $2 \
        AND state NOT IN ('hidden', 'kept') AND NOT EXISTS \
        (SELECT 1 FROM log_head h WHERE h.log = $1 AND h.rid = mirror.rid) ORDER BY rid LIMIT $3");
    HIDE = "UPDATE mirror SET state = 'hidden', hidden_at = $3, due = NULL, running = FALSE, attempt = attempt + 1, \
        failures = 0, last_error = NULL, behind_since = NULL, next_since = NULL, changed_at = $3, \
        mode = CASE WHEN CAST($4 AS BOOLEAN) THEN 'archive' ELSE mode END \
        WHERE log = $1 AND rid = $2 AND state NOT IN ('hidden', 'kept') AND NOT EXISTS \
        (SELECT 1 FROM log_head h WHERE h.log = $1 AND h.rid = $2) RETURNING repo";
}

impl Db {
    /// At most `limit` mirrors after `after` that are shown, or are to be, and that their log has never told of.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_unknown(&self, log: i64, after: Option<Sha256>, limit: i64) -> Result<Vec<Mirror>> {
        let after = after.map_or(bytes::Bytes::new(), |rid| bytes::Bytes::copy_from_slice(rid.as_bytes()));
        each(&self.rows(UNKNOWN, args![log, after, limit]).await?, Mirror::from_row)
    }

    /// Hides such a mirror as if its home had taken it away, unless that has told of it since; whether it did.
    /// One that is `kept` is never purged.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn hide_unknown(&self, log: i64, rid: Sha256, kept: bool) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let Some(row) = tx.row(HIDE, args![log, rid, now, kept]).await? else {
                    return Ok(Verdict::Discard(false));
                };
                if let Some(repo) = row.read::<Option<i64>>(0)? {
                    repos::withhold(tx, RepoId(repo), Some("moved".to_owned())).await?;
                }
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }
}
