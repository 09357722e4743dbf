//! How many mirrors of an upstream are how far, and since when any is behind.

use polder_types::UnixMillis;

use super::MirrorState;
use crate::row::each;
use crate::sql::statements;
use crate::value::args;
use crate::{Db, Result};

statements! {
    // An index has all of it.
    STANDINGS = "SELECT state, COUNT(*), MIN(behind_since) FROM mirror WHERE log = $1 GROUP BY state";
}

/// The mirrors of an upstream that are in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorStanding {
    /// Which.
    pub state: MirrorState,
    /// How many there are.
    pub mirrors: u64,
    /// When the oldest event of them happened that is not served here, as their home has signed it.
    pub behind_since: Option<UnixMillis>,
}

impl Db {
    /// Counts the mirrors of an upstream by their states; those that no mirror is in are left out.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn mirror_standings(&self, log: i64) -> Result<Vec<MirrorStanding>> {
        each(&self.rows(STANDINGS, args![log]).await?, |row| {
            Ok(MirrorStanding {
                state: row.word(0)?,
                mirrors: u64::try_from(row.read::<i64>(1)?).unwrap_or_default(),
                behind_since: row.read::<Option<i64>>(2)?.map(UnixMillis),
            })
        })
    }
}
