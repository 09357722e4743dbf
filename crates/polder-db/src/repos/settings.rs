//! Visibility, the gate, and HEAD.

use polder_types::{AccountId, Gate, RepoId, Visibility};
use serde_json::json;

use super::{Repo, gone, load};
use crate::events::{Fact, record};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    // Hiding takes away what was provably reachable for all, so certificates before it do not count.
    SET_VISIBILITY = "UPDATE repo SET visibility = $2, shown = $3, gate = $4, rseq = rseq + 1, gen = gen + 1, rewind_gen = gen + 1, \
        cache_epoch = cache_epoch + 1 WHERE id = $1 AND state = 'live' RETURNING rseq";
    // As hiding; but what others are told of the repository is not this hub's to say.
    WITHHOLD = "UPDATE repo SET withheld = $2, gen = gen + 1, rewind_gen = gen + 1, cache_epoch = cache_epoch + 1 \
        WHERE id = $1 AND state = 'live'";
    SET_HEAD = "UPDATE repo SET head = $2, rseq = rseq + 1, gen = gen + 1 \
        WHERE id = $1 AND state = 'live' RETURNING rseq";
}

impl Db {
    /// Makes a repository private, or shows it: to read if it has no gate. Cached answers made before it are void.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn set_visibility(
        &self,
        id: RepoId,
        visibility: Visibility,
        actor: Option<AccountId>,
    ) -> Result<Repo> {
        self.write(move |tx| {
            Box::pin(async move {
                let before = load(tx, id).await?;
                let gate = before.gate;
                settle(tx, before, visibility, gate, actor).await
            })
        })
        .await
    }

    /// Puts a gate before a repository, or takes it away. Cached answers made before it are void.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn set_gate(&self, id: RepoId, gate: Option<Gate>, actor: Option<AccountId>) -> Result<Repo> {
        self.write(move |tx| {
            Box::pin(async move {
                let before = load(tx, id).await?;
                let visibility = before.visibility;
                settle(tx, before, visibility, gate, actor).await
            })
        })
        .await
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

/// Makes a repository private or not, and gates it or not: a gate counts on what is not private.
async fn settle(
    tx: &mut Tx,
    before: Repo,
    wanted: Visibility,
    gate: Option<Gate>,
    actor: Option<AccountId>,
) -> Result<Verdict<Repo>> {
    let (id, was) = (before.id, (before.visibility, before.gate));
    let visibility = match (wanted, gate) {
        (Visibility::Private, _) => Visibility::Private,
        (Visibility::Public | Visibility::Gated, Some(_)) => Visibility::Gated,
        (Visibility::Public | Visibility::Gated, None) => Visibility::Public,
    };
    if was == (visibility, gate) {
        return Ok(Verdict::Discard(before));
    }
    let (column, shown) = columns(visibility);
    let args = args![id, column, shown, gate.map(Gate::as_str)];
    let row = tx.row(SET_VISIBILITY, args).await?.ok_or_else(|| gone(id))?;
    let facts = json!({"v": 1, "from": was.0.as_str(), "to": visibility.as_str()});
    record(tx, Fact { repo: id, rseq: row.read(0)?, actor, kind: "repo.visibility" }, &facts).await?;
    Ok(Verdict::Keep(load(tx, id).await?))
}

/// The columns `visibility` and `shown` that say it.
pub(super) fn columns(visibility: Visibility) -> (&'static str, bool) {
    match visibility {
        Visibility::Gated => (Visibility::Private.as_str(), true),
        Visibility::Public | Visibility::Private => (visibility.as_str(), false),
    }
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
