//! Going on with another epoch of a followed log, as the operator decided.

use polder_types::{RepoId, Sha256};

use super::attests;
use crate::sql::statements;
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

statements! {
    MOVE_UPSTREAM = "UPDATE upstream SET log = $2, state = 'following', evidence = NULL, last_error = NULL, signed = 0, \
        heard_at = NULL WHERE log = $1 AND NOT EXISTS (SELECT 1 FROM upstream u WHERE u.log = $2)";
    MOVE_RULES = "UPDATE follow_rule SET log = $2 WHERE log = $1";
    MOVE_SOURCES = "UPDATE follow_source SET log = $2 WHERE log = $1";
    DROP_MIRRORS = "DELETE FROM mirror WHERE log = $1";
    // Nothing is served that the new log has not told of.
    MOVE_REPOS = "UPDATE repo SET upstream = $2, withheld = COALESCE(withheld, 'epoch') WHERE upstream = $1";
    FREE_NAMES = "UPDATE remote_namespace SET nsid = $2 WHERE origin = (SELECT origin FROM log WHERE id = $1)";
    ADOPT = "UPDATE repo SET rid = $2 WHERE id = $1 AND upstream = $3 AND state = 'live' \
        AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.log = $3 AND m.repo = $1)";
}

/// What a namespace is pinned to that the operator let go of: the next that has its name.
pub(crate) const NO_NAMESPACE: Sha256 = Sha256::new([0; 32]);

impl Db {
    /// Follows one log of a hub instead of an earlier one: the same rules; its repositories are hidden until the
    /// new log tells of them, and its names are free for what that has. False if nothing was followed.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn accept_epoch(&self, old: i64, new: i64) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.execute(MOVE_UPSTREAM, args![old, new]).await? == 0 {
                    return Ok(Verdict::Discard(false));
                }
                attests::forget(tx, old).await?;
                for statement in [MOVE_RULES, MOVE_SOURCES, MOVE_REPOS] {
                    tx.execute(statement, args![old, new]).await?;
                }
                tx.execute(DROP_MIRRORS, args![old]).await?;
                tx.execute(FREE_NAMES, args![old, NO_NAMESPACE]).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Makes a repository that no mirror stands for any more that of `rid` in the same log; false if one does.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn adopt_repo(&self, repo: RepoId, rid: Sha256, log: i64) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move { Ok(Verdict::Keep(tx.execute(ADOPT, args![repo, rid, log]).await? > 0)) })
        })
        .await
    }
}
