//! Another epoch of the own log, when what was said in the one before is lost.

use polder_log::{LogName, VerifierKey};

use super::append::{Appended, LogEntry, append};
use super::open;
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    FORGET_REPOS = "DELETE FROM published";
    FORGET_NAMESPACES = "DELETE FROM published_ns";
}

impl Db {
    /// Begins the own log anew with some events, under another epoch: nothing has been said in it so far.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn begin_epoch(
        &self,
        name: LogName,
        key: VerifierKey,
        entries: Vec<LogEntry>,
    ) -> Result<Appended> {
        self.write(move |tx| {
            Box::pin(async move {
                let log = open(tx, &name, &key, true).await?;
                if log.tree.size() > 0 {
                    return Ok(Verdict::Discard(Appended::Raced));
                }
                let appended = append(tx, log.append(entries)).await?;
                tx.execute(FORGET_REPOS, args![]).await?;
                tx.execute(FORGET_NAMESPACES, args![]).await?;
                Ok(Verdict::Keep(appended))
            })
        })
        .await
    }
}
