//! How much the hub does at once, as its operator sets it.

use std::time::Duration;

/// What the hub takes on at once, and when it says that it is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fetches that run at once.
    pub fetches_max: usize,
    /// Pushes and commits that run at once.
    pub pushes_max: usize,
    /// Uploads of large objects that run at once.
    pub uploads_max: usize,
    /// Most of each of these that one repository may have.
    pub per_repository_max: usize,
    /// Most of each of these that one client may have: an account, or an address without one.
    pub per_client_max: usize,
    /// Requests of each of these that may wait for their turn; one repository or client has at most a quarter.
    pub queue_max: usize,
    /// How long a request waits for its turn.
    pub queue_wait: Duration,
    /// Most memory for request bodies that are held whole, together, in bytes.
    pub held_bodies_bytes_max: u64,
    /// Wrong tokens that one address may try in a minute.
    pub failed_logins_max: usize,
    /// What one account may bring to a namespace by pull requests to repositories to which it may not write, in
    /// bytes, until one of them is merged; `None` is no limit.
    pub contributed_bytes_max: Option<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fetches_max: 64,
            pushes_max: 32,
            uploads_max: 64,
            per_repository_max: 32,
            per_client_max: 16,
            queue_max: 512,
            queue_wait: Duration::from_secs(30),
            held_bodies_bytes_max: 128 << 20,
            failed_logins_max: 20,
            contributed_bytes_max: Some(1 << 30),
        }
    }
}
