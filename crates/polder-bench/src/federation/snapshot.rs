//! The newest event of very many repositories, as a new follower reads it.

use std::sync::Arc;
use std::time::Instant;

use polder_db::{Db, LogHeadRow, SnapshotRows};
use polder_log::{
    Cursor, EventType, Hint, Leaf, PART_ROWS_MAX, SnapshotRow, VERSION, decode_part, encode_part,
};
use polder_types::{Clock, IdSource, RepoKind, Sha256};

use super::backlog::real;
use super::origin::{Origin, hash};
use crate::table::Table;
use crate::tools::Result;

/// Repositories for which the goals below are set.
const REPOSITORIES: f64 = 1_000_000.0;
/// Rows that are stored in one write, as the hub does.
const PAGE: usize = 1_000;

pub(super) fn measure(repositories: u64, table: &mut Table) -> Result<()> {
    let mut rows: Vec<SnapshotRow> = (0..repositories).map(row).collect();
    rows.sort_by_key(|row| row.rid);
    let parts: Vec<_> = rows.chunks(PART_ROWS_MAX).map(encode_part).collect::<std::result::Result<_, _>>()?;
    drop(rows);
    let bytes: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();

    let mut origin = Origin::new()?;
    for _ in 0..1000 {
        origin.next(10)?;
    }
    let (log, key) = Origin::identity()?;
    let (tree, note) = (origin.tree().clone(), origin.note());
    let start = Instant::now();
    let cursor = Cursor::at(log, tree, &note, &origin.proof(origin.size())?, &key)?;
    let mut read = Vec::new();
    for (part, bytes) in &parts {
        read.push(decode_part(part, bytes)?);
    }
    let seconds = start.elapsed().as_secs_f64();
    if u64::try_from(read.iter().map(Vec::len).sum::<usize>())? != repositories
        || cursor.tree.size() != origin.size()
    {
        return Err("the snapshot is another".into());
    }
    let start = Instant::now();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(store(&read))?;
    let stored = start.elapsed().as_secs_f64();
    let share = real(repositories)? / REPOSITORIES;
    table.at_most(
        &format!("snapshot of {repositories} repositories: bytes on the wire"),
        real(bytes.try_into()?)? / 1e6,
        100.0 * share,
        "MB",
    );
    table.figure("  read and checked, before anything is stored", seconds, "s");
    table.at_most("  read, checked and stored, none of them followed", seconds + stored, 60.0 * share, "s");
    Ok(())
}

/// Stores rows as the hub does where no rule selects them: one look for mirrors and one write a page.
async fn store(parts: &[Vec<SnapshotRow>]) -> Result<()> {
    let data = tempfile::tempdir()?;
    let (name, key) = Origin::identity()?;
    let db = Db::open(data.path(), Clock::System, Arc::new(IdSource::new(Clock::System, 0))).await?;
    let log = db.open_log(name, key, false).await?.id;
    for rows in parts.iter().flat_map(|part| part.chunks(PAGE)) {
        let rids: Vec<Sha256> = rows.iter().map(|row| row.rid).collect();
        if !db.mirrors_among(log, &rids).await?.is_empty() {
            return Err("there are mirrors already".into());
        }
        let head = |row: &SnapshotRow| LogHeadRow { rid: row.rid, index: row.index, leaf: row.leaf() };
        let heads = rows.iter().map(head).collect();
        db.load_snapshot_rows(SnapshotRows { log, heads, ..SnapshotRows::default() }).await?;
    }
    db.close().await;
    Ok(())
}

fn row(number: u64) -> SnapshotRow {
    let leaf = Leaf {
        version: VERSION,
        kind: EventType::RepoRefs,
        flags: 0,
        body_len: 500,
        rid: hash(number),
        rseq: 2,
        time_ms: 1_790_000_000_000,
        body_sha256: hash(u64::MAX - number),
        hint: Hint::new(Some(RepoKind::Model), Some("apache-2.0"), Some(&hash(0))),
    };
    SnapshotRow::new(leaf.rid, number, &leaf)
}
