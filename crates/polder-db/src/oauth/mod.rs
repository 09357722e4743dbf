//! Tokens that clients get by themselves: once somebody agrees, anew before they end, or by what an issuer says.

mod device;
mod guesses;
pub(crate) mod publishers;
mod refresh;

pub use device::{
    DEVICE_LOGINS_MAX, DEVICE_LOGINS_PER_ADDRESS_MAX, DeviceApproval, DeviceChange, DeviceFound,
    DeviceIssued, DeviceLogin, DeviceState, NewDeviceLogin,
};
pub use guesses::{GUESS_WINDOW_SECONDS, GUESSES_MAX};
pub use publishers::{
    Given, NewPublisher, PUBLISHERS_PER_TARGET_MAX, Publisher, PublisherTarget, TOKENS_PER_PUBLISHER_MAX,
};
pub use refresh::{NewRefresh, Refreshed};

use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Result};

/// Every statement about them.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[device::ALL, guesses::ALL, publishers::ALL, refresh::ALL];

/// How long a login that nobody agreed to in time, or a token of a publisher, is known after its end, in seconds.
const FORGOTTEN_AFTER_SECONDS: i64 = 3600;

impl Db {
    /// Forgets what is over: logins and tokens of publishers an hour after their end, guesses, and what can renew
    /// nothing any more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn sweep_logins(&self) -> Result<()> {
        self.write(|tx| {
            Box::pin(async move {
                let now = tx.now();
                let long_ago = now.plus_seconds(-FORGOTTEN_AFTER_SECONDS);
                tx.execute(device::FORGET, args![long_ago]).await?;
                tx.execute(publishers::FORGET, args![long_ago]).await?;
                tx.execute(guesses::FORGET, args![now]).await?;
                tx.execute(refresh::FORGET, args![now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}
