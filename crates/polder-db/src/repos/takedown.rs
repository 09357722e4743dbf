//! Taking repositories of this hub down, and putting them back.

use polder_types::RepoId;
use serde::Deserialize;
use serde_json::json;

use super::{Repo, delete, gone, load};
use crate::events::{self, Fact, record};
use crate::log;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    // What can be read changes, so certificates and cached answers from before do not count.
    SET_WITHHELD = "UPDATE repo SET withheld = $2, rseq = rseq + 1, gen = gen + 1, rewind_gen = gen + 1, \
        cache_epoch = cache_epoch + 1 WHERE id = $1 AND state = 'live' RETURNING rseq";
    LAST_TAKEDOWN = "SELECT seq, facts FROM event WHERE repo = $1 AND type = 'repo.takedown' ORDER BY rseq DESC LIMIT 1";
}

/// Why a repository that its hub took down is withheld, there and where it is mirrored.
pub const TAKEN_DOWN: &str = "takedown";
/// Why a repository that the operator will not have here is withheld.
pub const BLOCKED: &str = "blocked";

/// What a `repo.takedown` says.
#[derive(Deserialize)]
pub(crate) struct TakedownFact {
    pub(crate) reason: String,
}

impl Repo {
    /// Whether its hub took it down.
    pub fn is_taken_down(&self) -> bool {
        self.withheld.as_deref() == Some(TAKEN_DOWN)
    }

    /// Whether nobody may have it through this hub, not even its administrators.
    pub fn is_banned(&self) -> bool {
        self.withheld.as_deref().is_some_and(|why| why == TAKEN_DOWN || why == BLOCKED)
    }
}

impl Db {
    /// Withholds a repository of this hub from everyone and has the log say so; false if it is down already.
    /// To erase it deletes it, too, and has the log give up what it has said of it before.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn take_down(&self, id: RepoId, reason: String, erase: bool) -> Result<bool> {
        self.write(move |tx| Box::pin(take_down(tx, id, reason, erase))).await
    }

    /// Why a repository of this hub was taken down last.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn takedown_reason(&self, id: RepoId) -> Result<Option<String>> {
        let Some(row) = self.row(LAST_TAKEDOWN, args![id]).await? else { return Ok(None) };
        let fact: TakedownFact = events::parsed(row.read(0)?, &row.read::<String>(1)?)?;
        Ok(Some(fact.reason))
    }

    /// Gives back what was taken down; false if it was not.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn undo_takedown(&self, id: RepoId) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                if !load(tx, id).await?.is_taken_down() {
                    return Ok(Verdict::Discard(false));
                }
                set(tx, id, None, "repo.restore", &json!({"v": 1})).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }
}

async fn take_down(tx: &mut Tx, id: RepoId, reason: String, erase: bool) -> Result<Verdict<bool>> {
    let is_down = load(tx, id).await?.is_taken_down();
    if is_down && !erase {
        return Ok(Verdict::Discard(false));
    }
    let facts = json!({"v": 1, "reason": reason, "erase": erase});
    set(tx, id, Some(TAKEN_DOWN), "repo.takedown", &facts).await?;
    if erase {
        log::begin_erasure(tx, id).await?;
        delete::delete(tx, id, None).await?;
    }
    Ok(Verdict::Keep(true))
}

async fn set(
    tx: &mut Tx,
    id: RepoId,
    withheld: Option<&str>,
    kind: &'static str,
    facts: &serde_json::Value,
) -> Result<()> {
    let row = tx.row(SET_WITHHELD, args![id, withheld]).await?.ok_or_else(|| gone(id))?;
    record(tx, Fact { repo: id, rseq: row.read(0)?, actor: None, kind }, facts).await
}
