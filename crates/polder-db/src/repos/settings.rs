//! Visibility and HEAD.

use polder_types::{AccountId, RepoId, Visibility};
use serde_json::json;

use super::{Repo, gone, load};
use crate::events::{Fact, record};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    // Hiding takes away what was provably reachable for all, so certificates before it do not count.
    SET_VISIBILITY = "UPDATE repo SET visibility = $2, rseq = rseq + 1, gen = gen + 1, rewind_gen = gen + 1, \
        cache_epoch = cache_epoch + 1 WHERE id = $1 AND state = 'live' RETURNING rseq";
    // As hiding; but what others are told of the repository is not this hub's to say.
    WITHHOLD = "UPDATE repo SET withheld = $2, gen = gen + 1, rewind_gen = gen + 1, cache_epoch = cache_epoch + 1 \
        WHERE id = $1 AND state = 'live'";
    SET_HEAD = "UPDATE repo SET head = $2, rseq = rseq + 1, gen = gen + 1 \
        WHERE id = $1 AND state = 'live' RETURNING rseq";
}

impl Db {
    /// Changes who may read a repository. Cached answers made before it are void.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn set_visibility(
        &self,
        id: RepoId,
        visibility: Visibility,
        actor: Option<AccountId>,
    ) -> Result<Repo> {
        self.write(move |tx| Box::pin(show_or_hide(tx, id, visibility, actor))).await
    }

    /// Withholds a repository from everyone but administrators, or gives it back. Cached answers made before
    /// it are void.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn withhold_repo(&self, id: RepoId, why: Option<String>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                withhold(tx, id, why).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Points HEAD at `head`, a full ref name that may be unborn.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn set_head(&self, id: RepoId, head: String, actor: Option<AccountId>) -> Result<Repo> {
        self.write(move |tx| {
            Box::pin(async move {
                let before = load(tx, id).await?;
                let after = point_head(tx, id, head, actor).await?;
                Ok(if after == before { Verdict::Discard(after) } else { Verdict::Keep(after) })
            })
        })
        .await
    }
}

async fn show_or_hide(
    tx: &mut Tx,
    id: RepoId,
    visibility: Visibility,
    actor: Option<AccountId>,
) -> Result<Verdict<Repo>> {
    let before = load(tx, id).await?;
    if before.visibility == visibility {
        return Ok(Verdict::Discard(before));
    }
    let row = tx.row(SET_VISIBILITY, args![id, visibility.as_str()]).await?.ok_or_else(|| gone(id))?;
    let facts = json!({"v": 1, "from": before.visibility.as_str(), "to": visibility.as_str()});
    record(tx, Fact { repo: id, rseq: row.read(0)?, actor, kind: "repo.visibility" }, &facts).await?;
    Ok(Verdict::Keep(load(tx, id).await?))
}

/// As [`Db::withhold_repo`], in a write.
pub(crate) async fn withhold(tx: &mut Tx, id: RepoId, why: Option<String>) -> Result<()> {
    if load(tx, id).await?.withheld != why {
        tx.execute(WITHHOLD, args![id, why]).await?;
    }
    Ok(())
}

/// As [`Db::set_head`], in a write.
pub(crate) async fn point_head(
    tx: &mut Tx,
    id: RepoId,
    head: String,
    actor: Option<AccountId>,
) -> Result<Repo> {
    let before = load(tx, id).await?;
    if before.head == head {
        return Ok(before);
    }
    let row = tx.row(SET_HEAD, args![id, head.clone()]).await?.ok_or_else(|| gone(id))?;
    let facts = json!({"v": 1, "visibility": before.visibility.as_str(),
        "head": {"from": before.head, "to": head}});
    record(tx, Fact { repo: id, rseq: row.read(0)?, actor, kind: "repo.meta" }, &facts).await?;
    load(tx, id).await
}
