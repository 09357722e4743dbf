//! The schema, one text for both engines, and bringing a database up to it.

use std::borrow::Cow;

use polder_types::failpoint;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use crate::{Error, Result};

/// Version, name and text of each step. Landed ones never change.
pub(crate) type Steps = &'static [(i64, &'static str, &'static str)];

/// The database that is lost never.
pub(crate) const MAIN: Steps = &[
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "protection", include_str!("../migrations/0002_protection.sql")),
    (3, "lfs", include_str!("../migrations/0003_lfs.sql")),
    (4, "audit and quotas", include_str!("../migrations/0004_audit_and_quotas.sql")),
    (5, "chunks", include_str!("../migrations/0005_chunks.sql")),
    (6, "log", include_str!("../migrations/0006_log.sql")),
    (7, "follow", include_str!("../migrations/0007_follow.sql")),
    (8, "pull mirror", include_str!("../migrations/0008_pull_mirror.sql")),
    (9, "upstream", include_str!("../migrations/0009_upstream.sql")),
    (10, "hf", include_str!("../migrations/0010_hf.sql")),
    (11, "follow more", include_str!("../migrations/0011_follow_more.sql")),
    (12, "takedown", include_str!("../migrations/0012_takedown.sql")),
    (13, "lazy", include_str!("../migrations/0013_lazy.sql")),
    (14, "block", include_str!("../migrations/0014_block.sql")),
    (15, "attest", include_str!("../migrations/0015_attest.sql")),
    (16, "downloads", include_str!("../migrations/0016_downloads.sql")),
    (17, "missing body", include_str!("../migrations/0017_missing_body.sql")),
    (18, "behind", include_str!("../migrations/0018_behind.sql")),
    (19, "moving", include_str!("../migrations/0019_moving.sql")),
    (20, "carried", include_str!("../migrations/0020_carried.sql")),
    (21, "xorb run", include_str!("../migrations/0021_xorb_run.sql")),
    (22, "lazy by hash", include_str!("../migrations/0022_lazy_by_hash.sql")),
    (23, "elsewhere", include_str!("../migrations/0023_elsewhere.sql")),
    (24, "staged xorb", include_str!("../migrations/0024_staged_xorb.sql")),
    (25, "webhook", include_str!("../migrations/0025_webhook.sql")),
    (26, "discussion", include_str!("../migrations/0026_discussion.sql")),
    (27, "gate", include_str!("../migrations/0027_gate.sql")),
    (28, "collection", include_str!("../migrations/0028_collection.sql")),
    (29, "device login", include_str!("../migrations/0029_device_login.sql")),
    (30, "catalog", include_str!("../migrations/0030_catalog.sql")),
    (31, "attachment", include_str!("../migrations/0031_attachment.sql")),
    (32, "contributed", include_str!("../migrations/0032_contributed.sql")),
    (33, "talk", include_str!("../migrations/0033_talk.sql")),
    (34, "piece cut", include_str!("../migrations/0034_piece_cut.sql")),
    (35, "publisher", include_str!("../migrations/0035_publisher.sql")),
    (36, "chunks since", include_str!("../migrations/0036_chunks_since.sql")),
    (37, "pull closed", include_str!("../migrations/0037_pull_closed.sql")),
];
/// `cache.db`.
pub(crate) const CACHE: Steps = &[(1, "first", include_str!("../migrations/cache_0001_first.sql"))];

/// Applies what is missing, each step in a transaction of its own. Several processes may do so at the
/// same time: where they can, the engine's own lock lets one after another.
///
/// # Errors
/// [`Error::Newer`] before anything is touched.
pub(crate) async fn migrate<C: Migrate>(connection: &mut C, steps: Steps) -> Result<()> {
    connection.lock().await.map_err(failed)?;
    let migrated = migrate_alone(connection, steps).await;
    connection.unlock().await.map_err(failed)?;
    migrated
}

async fn migrate_alone<C: Migrate>(connection: &mut C, steps: Steps) -> Result<()> {
    let known = steps.iter().map(|(version, ..)| *version).max().unwrap_or_default();
    let migrator = migrator_of(steps);
    let table = migrator.table_name.clone();
    connection.ensure_migrations_table(&table).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(&table).await.map_err(failed)?;
    if let Some(found) = applied.iter().map(|one| one.version).max().filter(|found| *found > known) {
        return Err(Error::Newer { found, known });
    }
    for (place, (version, ..)) in steps.iter().enumerate() {
        if applied.iter().all(|one| one.version != *version) {
            // This step and those before it, which are there already.
            let mut some = migrator_of(steps.get(..=place).unwrap_or_default());
            some.set_ignore_missing(true);
            some.run_direct(None, connection, false).await.map_err(failed)?;
            failpoint::hit("db.migrated");
        }
    }
    // All are there now; this compares their texts with what was applied.
    migrator.run_direct(None, connection, false).await.map_err(failed)
}

fn migrator_of(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = steps.iter().map(|(version, name, text)| {
        Migration::new(*version, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_locking(false);
    migrator
}

fn failed(source: MigrateError) -> Error {
    Error::Other { doing: "migrating", subject: "the database".to_owned(), source: Some(source.into()) }
}
