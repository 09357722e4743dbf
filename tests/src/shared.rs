//! What several hubs share, and running a suite once more on PostgreSQL.

use std::path::PathBuf;

use polder_cluster::Database;
use tempfile::TempDir;

use crate::{Hub, HubBuilder, client, program, run};

/// Tells the tests of a binary to keep every hub's rows in PostgreSQL.
const ON_POSTGRES: &str = "POLDER_TEST_ON_POSTGRES";

/// Whether this run is the second one, on PostgreSQL.
#[expect(clippy::disallowed_methods, reason = "a test run tells its own second run apart")]
pub(crate) fn on_postgres() -> bool {
    std::env::var_os(ON_POSTGRES).is_some()
}

/// Runs every test of this binary once more, all hubs on PostgreSQL, and demands that at least
/// `tests_min` of them pass and none fails.
#[track_caller]
pub fn once_more_on_postgres(tests_min: usize) {
    if on_postgres() || !client::have(&[client::Client::Postgres]) {
        return;
    }
    let me = std::env::current_exe().expect("this executable's path");
    let mut again = program(me);
    again.env(ON_POSTGRES, "1");
    if client::in_ci() {
        again.env("CI", "true");
    }
    let done = run(&mut again);
    let said = done.ok();
    let passed = said.split_once("test result: ok. ").and_then(|(_, rest)| rest.split_once(" passed"));
    let passed: usize = passed.and_then(|(number, _)| number.parse().ok()).expect("a summary");
    assert!(passed >= tests_min, "only {passed} tests ran on PostgreSQL\n{said}");
}

/// A PostgreSQL database and a store that any number of hubs can share.
#[derive(Debug)]
pub struct Shared {
    database: Database,
    store: TempDir,
}

impl Shared {
    /// Makes both. `None` where there is no PostgreSQL: a failure in CI, a named skip elsewhere.
    #[track_caller]
    pub fn create() -> Option<Self> {
        let database = Database::create()?;
        Some(Self { database, store: TempDir::with_prefix("polder-store-").expect("a temporary directory") })
    }

    /// A hub on them, with a data directory of its own.
    pub fn node(&self) -> HubBuilder {
        Hub::builder().config(&format!(
            "[database]\nurl = \"{}\"\n[store]\ndir = \"{}\"",
            self.database.url(),
            self.store().display()
        ))
    }

    /// The directory of packs, large objects and keys.
    pub fn store(&self) -> PathBuf {
        self.store.path().join("store")
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
