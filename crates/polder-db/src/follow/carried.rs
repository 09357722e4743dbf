//! What was selected of a namespace where it was, and still is where it has moved to.

use polder_types::Sha256;

use super::FollowRule;
use crate::row::each;
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Db, Result};

statements! {
    CARRIED = "SELECT nsid, pattern, mode FROM carried_rule WHERE log = $1 ORDER BY nsid, place LIMIT $2";
    PUT = "INSERT INTO carried_rule (log, nsid, place, pattern, mode) VALUES ($1, $2, $3, $4, $5)";
    // It is somewhere else now.
    DROP_OF = "DELETE FROM carried_rule WHERE nsid = $1";
    DROP = "DELETE FROM carried_rule WHERE log = $1";
}

/// Most rules that are read of a log.
const RULES_MAX: i64 = 100_000;

/// A rule that came to a log with a namespace, and is about that alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedRule {
    /// Which namespace.
    pub nsid: Sha256,
    /// The rule.
    pub rule: FollowRule,
}

impl Db {
    /// The rules that came to a log with namespaces which moved there, each namespace's in order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn carried_rules(&self, log: i64) -> Result<Vec<CarriedRule>> {
        each(&self.rows(CARRIED, args![log, RULES_MAX]).await?, |row| {
            let rule = FollowRule { pattern: row.read(1)?, mode: row.word(2)? };
            Ok(CarriedRule { nsid: row.sha256(0)?, rule })
        })
    }
}

/// The rules that come with a namespace to a log, instead of those it had anywhere before.
pub(super) async fn put(tx: &mut Tx, log: i64, nsid: Sha256, rules: Vec<FollowRule>) -> Result<()> {
    tx.execute(DROP_OF, args![nsid]).await?;
    for (place, rule) in (0_i64..).zip(rules) {
        tx.execute(PUT, args![log, nsid, place, rule.pattern, rule.mode.as_str()]).await?;
    }
    Ok(())
}

/// The operator has said anew what is selected there.
pub(super) async fn drop(tx: &mut Tx, log: i64) -> Result<()> {
    tx.execute(DROP, args![log]).await.map(std::mem::drop)
}
