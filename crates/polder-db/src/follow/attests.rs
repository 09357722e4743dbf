//! What hubs say of one another's logs.

use polder_types::Sha256;

use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    PUT = "INSERT INTO attest (log, by_log, size, root, contradicts) VALUES ($1, $2, $3, $4, FALSE) \
        ON CONFLICT (log, by_log) DO UPDATE SET size = excluded.size, root = excluded.root \
        WHERE excluded.size > attest.size AND NOT attest.contradicts";
    ATTESTS = "SELECT log, by_log, size, root, contradicts FROM attest ORDER BY log, by_log LIMIT $1";
    CONTRADICT = "UPDATE attest SET contradicts = TRUE WHERE log = $1 AND by_log = $2 AND size = $3";
    FORGET = "DELETE FROM attest WHERE contradicts AND (log = $1 OR by_log = $1)";
}

/// Most of them that are listed.
const ATTESTS_MAX: i64 = 100_000;

/// What one log says of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attest {
    /// The log that it is about.
    pub log: i64,
    /// The log that says it.
    pub by: i64,
    /// Events in it.
    pub size: u64,
    /// Its root then.
    pub root: Sha256,
    /// Whether that is not the root of what is here.
    pub contradicts: bool,
}

impl Attest {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            log: row.read(0)?,
            by: row.read(1)?,
            size: u64::try_from(row.read::<i64>(2)?).unwrap_or_default(),
            root: row.sha256(3)?,
            contradicts: row.read(4)?,
        })
    }
}

fn count(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl Db {
    /// Keeps what logs say of others; the newest of each, but nothing in the place of a contradiction.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn put_attests(&self, attests: Vec<Attest>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                for Attest { log, by, size, root, .. } in attests {
                    tx.execute(PUT, args![log, by, count(size), root]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Everything that was said.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn attests(&self) -> Result<Vec<Attest>> {
        each(&self.rows(ATTESTS, args![ATTESTS_MAX]).await?, Attest::from_row)
    }

    /// Remembers that what was said is not what is here; false if something else was said meanwhile.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn contradict_attest(&self, attest: Attest) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let args = args![attest.log, attest.by, count(attest.size)];
                Ok(Verdict::Keep(tx.execute(CONTRADICT, args).await? > 0))
            })
        })
        .await
    }
}

/// Forgets contradictions about and by a log: the operator has decided.
pub(super) async fn forget(tx: &mut Tx, log: i64) -> Result<()> {
    tx.execute(FORGET, args![log]).await.map(drop)
}
