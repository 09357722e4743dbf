//! Which mirrors do not serve the newest, and whether any of them is still to be tried.

use polder_types::UnixMillis;

use super::MirrorState;
use crate::blocks::is_blocked;
use crate::row::each;
use crate::sql::statements;
use crate::value::{Value, args};
use crate::{Db, Result};

/// Mirrors that are counted as still to be tried.
const UNTRIED_MAX: i64 = 1_000;

/// The mirrors of an upstream that do not serve the newest, but for those that the operator blocked.
macro_rules! behind {
    () => {
        concat!(
            "FROM mirror WHERE log = $1 AND (state IN ('waiting', 'retry', 'incomplete', 'paused-quota', ",
            "'paused-window', 'paused-disk', 'quarantined') OR (state = 'blocked' AND rid NOT IN ",
            "(SELECT m.rid FROM mirror m JOIN log o ON o.id = m.log WHERE m.log = $1 AND m.state = 'blocked' AND ",
            is_blocked!(),
            ")))"
        )
    };
}

statements! {
    // What is tried now, or is due; not what failed since: it would be waited for again and again.
    UNTRIED = "SELECT COUNT(*) FROM (SELECT 1 FROM mirror WHERE log = $1 AND due <= $3 AND (running OR due <= $2) \
        AND (state IN ('waiting', 'ready') OR changed_at < $4) LIMIT $5) untried";
    COUNT_BEHIND = concat!("SELECT COUNT(*) ", behind!());
    BEHIND = concat!("SELECT path, state, last_error ", behind!(), " ORDER BY path, rid LIMIT $2");
}

/// A mirror that does not serve the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehindMirror {
    /// Its id at home, with the kind.
    pub path: String,
    /// How far it is.
    pub state: MirrorState,
    /// Why.
    pub why: Option<String>,
}

impl Db {
    /// How many mirrors of an upstream are worked on or due at `now` and did not fail since `since`; no more
    /// than 1,000 are counted. Claims last at most `lease_seconds`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn count_untried(
        &self,
        log: i64,
        now: UnixMillis,
        since: UnixMillis,
        lease_seconds: i64,
    ) -> Result<u64> {
        let claimed = now.plus_seconds(lease_seconds);
        self.count(UNTRIED, args![log, now, claimed, since, UNTRIED_MAX]).await
    }

    /// How many mirrors of an upstream do not serve the newest, and the first of them, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mirrors_behind(&self, log: i64, limit: i64) -> Result<(u64, Vec<BehindMirror>)> {
        let behind = each(&self.rows(BEHIND, args![log, limit]).await?, |row| {
            Ok(BehindMirror { path: row.read(0)?, state: row.word(1)?, why: row.read(2)? })
        });
        Ok((self.count(COUNT_BEHIND, args![log]).await?, behind?))
    }

    async fn count(&self, statement: &'static str, args: Vec<Value>) -> Result<u64> {
        let row = self.row(statement, args).await?;
        let count = row.map(|row| row.read::<i64>(0)).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }
}
