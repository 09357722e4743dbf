//! Namespaces of followed hubs that have moved to hubs which are not followed: what is here of them stays as it is.

use polder_types::{Sha256, UnixMillis};

use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

macro_rules! select_elsewhere {
    ($rest:literal) => {
        concat!("SELECT nsid, seq, op, old_log, handle, origin, voids, heard_at FROM ns_elsewhere ", $rest)
    };
}

statements! {
    OF_LOG = select_elsewhere!("WHERE old_log = $1 ORDER BY nsid, seq, heard_at LIMIT $2");
    OF_NAMESPACE = select_elsewhere!("WHERE nsid = $1 ORDER BY seq, heard_at LIMIT $2");
    PUT = "INSERT INTO ns_elsewhere (nsid, seq, op, old_log, handle, origin, voids, heard_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (nsid, op) DO NOTHING";
    // What came after that leaves the log that speaks for the namespace now.
    PASS_ON = "UPDATE ns_elsewhere SET old_log = $2 WHERE nsid = $1";
    DROP_UNTIL = "DELETE FROM ns_elsewhere WHERE nsid = $1 AND seq <= $2";
}

/// Most rows that are read.
const MOVES_MAX: i64 = 10_000;

/// An operation that moves a namespace to a hub that is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveElsewhere {
    /// Which namespace.
    pub nsid: Sha256,
    /// Its place among the namespace's operations.
    pub seq: u64,
    /// Its body.
    pub op: Sha256,
    /// Local id of the log that told of the namespace so far.
    pub old_log: i64,
    /// The namespace's name there.
    pub handle: String,
    /// The hub that it moved to.
    pub origin: String,
    /// Whether that log's word of it counts no longer: not where only the operator may agree.
    pub voids: bool,
    /// Since when it is known here, by this hub's clock.
    pub heard_at: UnixMillis,
}

impl MoveElsewhere {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            nsid: row.sha256(0)?,
            seq: u64::try_from(row.read::<i64>(1)?).unwrap_or_default(),
            op: row.sha256(2)?,
            old_log: row.read(3)?,
            handle: row.read(4)?,
            origin: row.read(5)?,
            voids: row.read(6)?,
            heard_at: UnixMillis(row.read(7)?),
        })
    }
}

impl Db {
    /// The namespaces that have left a log for hubs that are not followed.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_elsewhere(&self, log: i64) -> Result<Vec<MoveElsewhere>> {
        each(&self.rows(OF_LOG, args![log, MOVES_MAX]).await?, MoveElsewhere::from_row)
    }

    /// Where else a namespace has moved, as far as no hub is followed there.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn elsewhere_of(&self, nsid: Sha256) -> Result<Vec<MoveElsewhere>> {
        each(&self.rows(OF_NAMESPACE, args![nsid, MOVES_MAX]).await?, MoveElsewhere::from_row)
    }

    /// Writes down such a move; once is enough.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn put_elsewhere(&self, which: MoveElsewhere) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let MoveElsewhere { nsid, seq, op, old_log, handle, origin, voids, heard_at } = which;
                let seq = i64::try_from(seq).unwrap_or(i64::MAX);
                tx.execute(PUT, args![nsid, seq, op, old_log, handle, origin, voids, heard_at]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// A move to a log is followed: those until then are over.
pub(super) async fn pass_on(tx: &mut Tx, nsid: Sha256, seq: i64, to: i64) -> Result<()> {
    tx.execute(DROP_UNTIL, args![nsid, seq]).await?;
    tx.execute(PASS_ON, args![nsid, to]).await.map(drop)
}
