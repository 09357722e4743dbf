//! What a push needs to know of the refs that are there.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::{ObjectId, RepoId};

use super::Push;
use super::conflicts::{children, parents};
use super::decide::{creates, deletes};
use crate::Result;
use crate::row::Row;
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Tx;
use crate::value::{Value, args};

statements! {
    TAKE_TURN = "UPDATE repo SET gen = gen + 1, rseq = rseq + 1, \
        rewind_gen = CASE WHEN $2 THEN gen + 1 ELSE rewind_gen END, \
        cache_epoch = CASE WHEN $2 THEN cache_epoch + 1 ELSE cache_epoch END \
        WHERE id = $1 AND state = 'live' RETURNING gen, gc_epoch, rseq, head, visibility, ref_count, lock_gen";
    ALL_REFS = "SELECT name, oid FROM ref WHERE repo = $1";
    REFS_BELOW = "SELECT name, oid FROM ref WHERE repo = $1 AND name > $2 AND name < $3 LIMIT $4";
}

templates! {
    REFS_NAMED(1) = "SELECT name, oid FROM ref WHERE repo = $1 AND name IN (", "?", ")";
}

/// Up to this many creations look below their own names; more read all names at once.
const CREATIONS_LOOKED_BELOW_MAX: usize = 16;

/// Reads every ref that decides about `push`, HEAD's present and proposed target among them.
pub(super) async fn relevant_refs(
    tx: &mut Tx,
    push: &Push,
    head: &str,
    ref_count: i64,
) -> Result<BTreeMap<String, ObjectId>> {
    let mut found = BTreeMap::new();
    if ref_count == 0 {
        return Ok(found);
    }
    let created: Vec<&str> = push.updates.iter().filter(|u| creates(u)).map(|u| u.name.as_str()).collect();
    if created.len() > CREATIONS_LOOKED_BELOW_MAX {
        gather(&mut found, &tx.rows(ALL_REFS, args![push.repo]).await?)?;
        return Ok(found);
    }
    let mut names: BTreeSet<&str> = push.updates.iter().map(|update| update.name.as_str()).collect();
    names.extend(created.iter().flat_map(|name| parents(name)));
    if let Some(new_head) = &push.new_head {
        names.extend([head, new_head.as_str()]);
    }
    named(tx, push.repo, &names, &mut found).await?;

    // One more than this push deletes: if all of these go, none can be left.
    let deleted = push.updates.iter().filter(|update| deletes(update)).count();
    let enough = i64::try_from(deleted).unwrap_or(i64::MAX).saturating_add(1);
    for name in created {
        let (from, to) = children(name);
        gather(&mut found, &tx.rows(REFS_BELOW, args![push.repo, from, to, enough]).await?)?;
    }
    Ok(found)
}

async fn named(
    tx: &mut Tx,
    repo: RepoId,
    names: &BTreeSet<&str>,
    found: &mut BTreeMap<String, ObjectId>,
) -> Result<()> {
    let names: Vec<&str> = names.iter().copied().collect();
    for some in names.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![repo];
        args.extend(some.iter().copied().map(Value::from));
        gather(found, &tx.rows(REFS_NAMED.statement(some.len()), args).await?)?;
    }
    Ok(())
}

fn gather(found: &mut BTreeMap<String, ObjectId>, rows: &[Row]) -> Result<()> {
    for row in rows {
        found.insert(row.read(0)?, row.oid(1)?);
    }
    Ok(())
}
