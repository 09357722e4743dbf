//! How many requests are under way at once, to one host and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::url::{Host, Origin};

/// Hosts remembered before those without a request are forgotten.
const HOSTS_MAX: usize = 1_024;

/// Places for requests; a place is held until the answer's body is read or dropped.
pub(crate) struct Places {
    in_all: Arc<Semaphore>,
    per_host_max: usize,
    hosts: Mutex<HashMap<(Host, u16), Weak<Semaphore>>>,
}

/// A place of one request.
pub(crate) struct Place {
    _host: OwnedSemaphorePermit,
    _in_all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(in_all_max: usize, per_host_max: usize) -> Self {
        let in_all = Arc::new(Semaphore::new(in_all_max));
        Self { in_all, per_host_max, hosts: Mutex::default() }
    }

    /// Waits for a place; the host's first, so that a slow host takes none of the others'.
    ///
    /// `None` would mean that the semaphore was closed, which nothing does.
    pub(crate) async fn take(&self, origin: &Origin) -> Option<Place> {
        let host = self.of_host(origin).acquire_owned().await.ok()?;
        let in_all = Arc::clone(&self.in_all).acquire_owned().await.ok()?;
        Some(Place { _host: host, _in_all: in_all })
    }

    fn of_host(&self, origin: &Origin) -> Arc<Semaphore> {
        let key = (origin.host().clone(), origin.port());
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        if hosts.len() >= HOSTS_MAX {
            hosts.retain(|_, places| places.strong_count() > 0);
        }
        let new = Arc::new(Semaphore::new(self.per_host_max));
        hosts.insert(key, Arc::downgrade(&new));
        new
    }
}
