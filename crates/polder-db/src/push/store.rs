//! Writing what was decided.

use polder_types::{AccountId, RepoId};

use super::{NewPack, RefUpdate};
use crate::Result;
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Tx;
use crate::value::{Value, args};

statements! {
    INSERT_PACK = "INSERT INTO pack (id, repo, hash, bytes, objects, class, state, data, index_data) \
        VALUES ($1, $2, $3, $4, $5, $6, 'live', $7, $8)";
    ADJUST_REPO = "UPDATE repo SET ref_count = ref_count + $2, head = $3 WHERE id = $1";
}

templates! {
    UPSERT_REFS(2) = "INSERT INTO ref (repo, gen, name, oid, peeled, class) VALUES ", "($1, $2, ?, ?, ?, ?)",
        " ON CONFLICT (repo, name) DO UPDATE SET oid = excluded.oid, peeled = excluded.peeled, gen = excluded.gen";
    DELETE_REFS(1) = "DELETE FROM ref WHERE repo = $1 AND name IN (", "?", ")";
    LOG_REFS(4) = "INSERT INTO ref_log (repo, gen, actor, time, name, old_oid, new_oid) VALUES ",
        "($1, $2, $3, $4, ?, ?, ?)", "";
}

/// Where the rows go.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) repo: RepoId,
    pub(super) generation: i64,
    pub(super) actor: Option<AccountId>,
}

/// Writes the pack's row, with its bytes if they come along.
pub(crate) async fn pack(tx: &mut Tx, repo: RepoId, pack: NewPack) -> Result<()> {
    let (data, index) = pack.data.unzip();
    let class = pack.class.as_str();
    let args = args![pack.id, repo, pack.hash, pack.bytes, pack.objects, class, data, index];
    tx.execute(INSERT_PACK, args).await.map(drop)
}

/// Writes the refs that changed, and their history.
pub(super) async fn refs(tx: &mut Tx, target: Target, changes: &[&RefUpdate]) -> Result<()> {
    let Target { repo, generation, actor } = target;
    let written: Vec<_> = changes.iter().filter_map(|update| update.new.map(|new| (*update, new))).collect();
    for some in written.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![repo, generation];
        for (update, new) in some {
            args.extend(args![update.name.as_str(), *new, update.peeled, class(&update.name)]);
        }
        tx.execute(UPSERT_REFS.statement(some.len()), args).await?;
    }
    let deleted: Vec<_> = changes.iter().filter(|update| update.new.is_none()).collect();
    for some in deleted.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![repo];
        args.extend(some.iter().map(|update| Value::from(update.name.as_str())));
        tx.execute(DELETE_REFS.statement(some.len()), args).await?;
    }
    let now = tx.now();
    for some in changes.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![repo, generation, actor, now];
        for update in some {
            args.extend(args![update.name.as_str(), update.old, update.new]);
        }
        tx.execute(LOG_REFS.statement(some.len()), args).await?;
    }
    Ok(())
}

/// Adjusts what the repository's row says about its refs.
pub(super) async fn repo(tx: &mut Tx, repo: RepoId, more_refs: i64, head: &str) -> Result<()> {
    tx.execute(ADJUST_REPO, args![repo, more_refs, head]).await.map(drop)
}

fn class(name: &str) -> &'static str {
    if name.starts_with("refs/heads/") {
        "branch"
    } else if name.starts_with("refs/tags/") {
        "tag"
    } else if name.starts_with("refs/polder/") {
        "hidden"
    } else {
        "other"
    }
}
