//! Hints of other hubs that they have something new.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use polder_log::Origin;
use tokio::sync::Notify;

use crate::Hub;
use crate::error::{Error, Result};

/// Logs that there may be news of. Each is there once, however often it is hinted at, and only logs that
/// are here can be.
#[derive(Default)]
pub(crate) struct Pings {
    logs: Mutex<BTreeSet<i64>>,
    rang: Notify,
}

impl Hub {
    /// Takes a hint that the hub of this origin has something new.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when this hub follows no such hub.
    pub async fn pinged(&self, origin: &str) -> Result<()> {
        let unknown = || Error::not_found("this hub does not follow that one");
        let origin: Origin = origin.parse().map_err(|_why: polder_log::Error| unknown())?;
        let log = self.db.log_of_origin(origin.sha256()).await?.filter(|log| !log.is_own);
        let log = log.ok_or_else(unknown)?;
        self.own_log.pings.logs.lock().unwrap_or_else(PoisonError::into_inner).insert(log.id);
        self.own_log.pings.rang.notify_one();
        Ok(())
    }

    /// The logs that were hinted at since the last time, by their local ids; waits for one.
    pub async fn next_pings(&self) -> Vec<i64> {
        loop {
            let logs =
                std::mem::take(&mut *self.own_log.pings.logs.lock().unwrap_or_else(PoisonError::into_inner));
            if !logs.is_empty() {
                return logs.into_iter().collect();
            }
            self.own_log.pings.rang.notified().await;
        }
    }
}
