//! Mirrors that were removed and come back: another hub's repository is the same one for ever.

use polder_types::RepoId;
use serde_json::json;

use super::{FIRST_HEAD, Repo, load};
use crate::Result;
use crate::catalog;
use crate::events::{Fact, record};
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;

statements! {
    REVIVE = "UPDATE repo SET state = 'live', withheld = 'incoming', head = $3, gen = gen + 1, rewind_gen = gen + 1, \
        cache_epoch = cache_epoch + 1, rseq = rseq + 1 WHERE rid = $1 AND upstream = $2 AND state = 'deleted' \
        RETURNING id, rseq";
    REVIVE_NAMES = "UPDATE repo_name SET state = CASE WHEN kind = $2 AND fold = $3 THEN 'live' ELSE 'moved' END \
        WHERE repo = $1 AND state = 'retired'";
}

/// Makes a removed mirror a repository again, empty and withheld; `None` if there was none.
pub(super) async fn revive(tx: &mut Tx, rid: [u8; 32], upstream: i64) -> Result<Option<Repo>> {
    let Some(row) = tx.row(REVIVE, args![rid, upstream, FIRST_HEAD]).await? else { return Ok(None) };
    let (id, rseq) = (RepoId(row.read(0)?), row.read(1)?);
    let repo = load(tx, id).await?;
    let kind = repo.name.kind().as_str();
    tx.execute(REVIVE_NAMES, args![id, kind, repo.name.fold()]).await?;
    catalog::open(tx, id).await?;
    let facts = json!({"v": 1, "kind": kind, "path": repo.name.to_string(),
        "visibility": repo.visibility.as_str(), "head": FIRST_HEAD});
    record(tx, Fact { repo: id, rseq, actor: None, kind: "repo.create" }, &facts).await?;
    tx.audit(|entry| entry.repo = Some(id));
    Ok(Some(repo))
}
