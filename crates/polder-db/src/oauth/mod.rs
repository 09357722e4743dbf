//! Tokens that clients get by themselves: once somebody agrees, and anew before they end.

mod device;
mod guesses;
mod refresh;

pub use device::{
    DEVICE_LOGINS_MAX, DEVICE_LOGINS_PER_ADDRESS_MAX, DeviceApproval, DeviceChange, DeviceFound,
    DeviceIssued, DeviceLogin, DeviceState, NewDeviceLogin,
};
pub use guesses::{GUESS_WINDOW_SECONDS, GUESSES_MAX};
pub use refresh::{NewRefresh, Refreshed};

use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

/// Every statement about them.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[device::ALL, guesses::ALL, refresh::ALL];

/// How long a login that nobody agreed to in time is known as such, in seconds.
const FORGOTTEN_AFTER_SECONDS: i64 = 3600;

impl Db {
    /// Forgets what is over: logins an hour after their end, guesses, and what can renew nothing any more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn sweep_logins(&self) -> Result<()> {
        self.write(|tx| {
            Box::pin(async move {
                let now = tx.now();
                tx.execute(device::FORGET, args![now.plus_seconds(-FORGOTTEN_AFTER_SECONDS)]).await?;
                tx.execute(guesses::FORGET, args![now]).await?;
                tx.execute(refresh::FORGET, args![now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}
