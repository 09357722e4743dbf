//! Who may append to the own log: one process at a time, known by a number that grows with every change.

use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    RENEW = "UPDATE log SET lease_until = $3 WHERE id = $1 AND holder = $2 AND lease_until > $4 RETURNING fence";
    TAKE = "UPDATE log SET holder = $2, lease_until = $3, fence = fence + 1 \
        WHERE id = $1 AND ($5 OR lease_until <= $4) RETURNING fence";
    GIVE_BACK = "UPDATE log SET lease_until = 0 WHERE id = $1 AND fence = $2";
    // No time in it: a lease that lapsed and that nobody else took is as good as one that did not.
    IS_HELD = "SELECT 1 FROM log WHERE id = $1 AND fence = $2";
}

/// The right to append to a log, until another takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every holder: the fence.
    pub fence: i64,
}

impl Db {
    /// Takes or renews the right to append to a log for some seconds; `None` while another has it. `alone`
    /// says that no other process can have the database open, so that its lease is void.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn lease_log(&self, log: i64, holder: i64, seconds: i64, alone: bool) -> Result<Option<Lease>> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let until = now.plus_seconds(seconds);
                let mut row = tx.row(RENEW, args![log, holder, until, now]).await?;
                if row.is_none() {
                    row = tx.row(TAKE, args![log, holder, until, now, alone]).await?;
                }
                let fence: Option<i64> = row.map(|row| row.read(0)).transpose()?;
                let lease = fence.map(|fence| Lease { fence });
                Ok(if lease.is_some() { Verdict::Keep(lease) } else { Verdict::Discard(lease) })
            })
        })
        .await
    }

    /// Gives the right back, so that another can take it at once.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn give_back_log(&self, log: i64, lease: Lease) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(GIVE_BACK, args![log, lease.fence]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// Whether nobody else has taken the lease since.
pub(super) async fn is_held(tx: &mut Tx, log: i64, lease: Lease) -> Result<bool> {
    Ok(tx.row(IS_HELD, args![log, lease.fence]).await?.is_some())
}
