//! One test's database.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster::{Cluster, OWNER, problem};

/// An empty database with collation C, removed when dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// Makes one. `None` where this machine has no PostgreSQL, with the reason printed.
    ///
    /// # Panics
    /// When there is none and `CI=true`; when the server fails.
    #[track_caller]
    pub fn create() -> Option<Self> {
        Self::with("ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    }

    /// Makes one with other options of `CREATE DATABASE`.
    ///
    /// # Panics
    /// As [`Database::create`].
    #[track_caller]
    pub fn with(options: &str) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if let Some(problem) = problem() {
            assert!(!in_ci(), "this run must have it (CI=true): {problem}");
            print_skip(&problem);
            return None;
        }
        let cluster = Cluster::shared();
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 {options}");
        if let Err(error) = cluster.sql("postgres", &create) {
            panic!("{create}: {error}");
        }
        let url = format!("postgres://{OWNER}@localhost/{name}?host={}", cluster.socket_dir.display());
        Some(Self { name, url })
    }

    /// What a hub connects to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory of the server's socket, for a test that stands between.
    pub fn socket_dir(&self) -> &std::path::Path {
        &Cluster::shared().socket_dir
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL as the owner; one row a line, columns separated by `|`.
    ///
    /// # Panics
    /// With the server's words, when it refuses.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        Cluster::shared().sql(&self.name, sql).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        if let Err(error) = Cluster::shared().sql("postgres", &drop) {
            print_skip(&error.to_string());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable that the test run itself reads")]
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

fn print_skip(why: &str) {
    println!("SKIPPED ({why})");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_empty_sorts_by_bytes_and_goes() {
        let Some(database) = Database::create() else { return };
        assert_eq!(database.sql("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
        assert_eq!(database.sql("SELECT 'B' < 'a', current_setting('synchronous_commit')"), "t|on");
        let other = Database::create().unwrap();
        let listed = format!("SELECT COUNT(*) FROM pg_database WHERE datname = '{}'", database.name);
        assert_eq!(other.sql(&listed), "1");
        drop(database);
        assert_eq!(other.sql(&listed), "0");
    }
}
