//! A throw-away PostgreSQL for tests: one cluster per run, one database per test. No part of the server.
//!
//! The first test process that asks makes a cluster under the temporary directory and starts it on a
//! Unix socket; all others use it. Each holds a shared lock on a file for as long as it lives; a keeper
//! waits for the exclusive lock, which it gets when the last of them has ended, however it ended. Then it
//! stops the server and removes the cluster.
//!
//! Nothing here outlives a power cut, so `fsync` and `full_page_writes` are off; `synchronous_commit`
//! stays on, as the hub demands it. PostgreSQL refuses to run as root, so root drops to `postgres`.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test kit fails loudly, at the step that went wrong"
)]

mod cluster;
mod database;

pub use cluster::{bin_dir, problem};
pub use database::Database;
