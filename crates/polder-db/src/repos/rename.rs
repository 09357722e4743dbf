//! Giving a repository another name or another namespace.

use polder_types::{AccountId, RepoId, RepoName};
use serde_json::json;

use super::{INSERT_NAME, Repo, gone, load, name_state, owned_name, taken};
use crate::events::{Fact, record};
use crate::quota::{self, Change};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

statements! {
    LEAVE_NAME = "UPDATE repo_name SET state = 'moved' WHERE repo = $1 AND state = 'live'";
    TAKE_NAME_BACK = "UPDATE repo_name SET state = 'live' WHERE kind = $1 AND fold = $2 AND repo = $3";
    SET_NAME = "UPDATE repo SET ns = $2, name = $3, rseq = rseq + 1 \
        WHERE id = $1 AND state = 'live' RETURNING rseq";
}

impl Db {
    /// Renames or moves a repository. Every former name leads to it for ever; a former name of its own
    /// may be taken back, one of another repository never.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the name is or was another's, or is of another kind;
    /// [`Error::NotFound`] if the repository or the new namespace does not exist; [`Error::OverQuota`] if
    /// the new namespace may not store what the repository has.
    pub async fn rename_repo(&self, id: RepoId, to: RepoName, actor: Option<AccountId>) -> Result<Repo> {
        self.write(move |tx| {
            Box::pin(async move {
                let before = load(tx, id).await?;
                let after = rename(tx, id, to, actor).await?;
                Ok(if after == before { Verdict::Discard(after) } else { Verdict::Keep(after) })
            })
        })
        .await
    }
}

/// As [`Db::rename_repo`], in a write.
pub(crate) async fn rename(tx: &mut Tx, id: RepoId, to: RepoName, actor: Option<AccountId>) -> Result<Repo> {
    let before = load(tx, id).await?;
    let (owner, to) = owned_name(tx, &to).await?;
    if to == before.name {
        return Ok(before);
    }
    if to.kind() != before.name.kind() {
        return Err(Error::Conflict {
            what: format!("`{}` cannot become `{to}`: another kind", before.name),
        });
    }
    match name_state(tx, &to).await? {
        None => {
            tx.execute(LEAVE_NAME, args![id]).await?;
            tx.execute(INSERT_NAME, args![to.kind().as_str(), to.fold(), id]).await?;
        }
        Some((_, holder)) if holder == id => {
            tx.execute(LEAVE_NAME, args![id]).await?;
            tx.execute(TAKE_NAME_BACK, args![to.kind().as_str(), to.fold(), id]).await?;
        }
        Some((state, _)) => return Err(taken(&to, &state)),
    }
    if owner != before.namespace {
        move_weight(tx, id, before.namespace, owner).await?;
    }
    let row = tx.row(SET_NAME, args![id, owner, to.name()]).await?.ok_or_else(|| gone(id))?;
    let facts = json!({"v": 1, "from": before.name.to_string(), "to": to.to_string(),
        "visibility": before.visibility.as_str()});
    record(tx, Fact { repo: id, rseq: row.read(0)?, actor, kind: "repo.rename" }, &facts).await?;
    load(tx, id).await
}

/// Counts what the repository has for its new namespace instead of its old one.
async fn move_weight(tx: &mut Tx, repo: RepoId, from: AccountId, to: AccountId) -> Result<()> {
    // Always in the same order, so that two moves cannot wait for one another.
    for namespace in [from.min(to), from.max(to)] {
        quota::charge(tx, namespace, Change::default()).await?;
    }
    let (less, more) = (quota::weight(tx, repo, from).await?, quota::weight(tx, repo, to).await?);
    quota::charge(tx, from, -less).await?;
    quota::charge(tx, to, more).await
}
