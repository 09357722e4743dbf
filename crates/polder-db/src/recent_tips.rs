//! What refs pointed at a short while ago.

use polder_types::{ObjectId, RepoId, UnixMillis};

use crate::row::each;
use crate::sql::statements;
use crate::value::args;
use crate::{Db, Result};

/// Most former tips that are told of.
const RECENT_TIPS_MAX: i64 = 1_000;

statements! {
    // Of a ref that is gone nothing is told, nor, once it is made anew, of what it was before.
    RECENT_TIPS = "SELECT l.old_oid FROM ref_log l \
        JOIN ref r ON r.repo = l.repo AND r.name = l.name AND r.class <> 'hidden' \
        WHERE l.repo = $1 AND l.time > $2 AND l.old_oid IS NOT NULL AND l.new_oid IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM ref_log d WHERE d.repo = l.repo AND d.name = l.name AND d.gen > l.gen \
            AND d.time > $2 AND d.new_oid IS NULL) \
        ORDER BY l.gen DESC LIMIT $3";
}

impl Db {
    /// What refs that are there and not hidden were moved away from after `since`, the latest first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn recent_tips(&self, repo: RepoId, since: UnixMillis) -> Result<Vec<ObjectId>> {
        each(&self.rows(RECENT_TIPS, args![repo, since, RECENT_TIPS_MAX]).await?, |row| row.oid(0))
    }
}
