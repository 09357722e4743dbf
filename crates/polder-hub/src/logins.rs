//! Counting wrong tokens by the address they come from.
//!
//! The user name that goes with a token means nothing here, so it cannot take part: whoever guesses
//! would write another one each time.

use std::net::IpAddr;

use polder_types::UnixMillis;

use crate::admission::Client;
use crate::error::{Error, Result};

/// Addresses remembered at once; the least used go first.
const ADDRESSES_MAX: u64 = 100_000;
/// Length of the time in which failures are counted, in seconds.
const WINDOW_SECONDS: i64 = 60;

/// Failures since the first one of a window.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: usize,
    window_end: UnixMillis,
}

/// Failed logins, by address.
pub(crate) struct Logins {
    failures_max: usize,
    by_client: moka::sync::Cache<Client, Failures>,
}

impl Logins {
    pub(crate) fn new(failures_max: usize) -> Self {
        Self { failures_max, by_client: moka::sync::Cache::new(ADDRESSES_MAX) }
    }

    /// Whether this address may try once more.
    ///
    /// # Errors
    /// [`crate::Kind::Throttled`] until the window ends.
    pub(crate) fn check(&self, address: Option<IpAddr>, now: UnixMillis) -> Result<()> {
        let Some(client) = address.map(Client::at) else { return Ok(()) };
        match self.by_client.get(&client) {
            Some(failures) if failures.window_end > now && failures.count >= self.failures_max => {
                metrics::counter!("polder_logins_refused_total").increment(1);
                let left = failures.window_end.0.saturating_sub(now.0).div_euclid(1000).saturating_add(1);
                let message = "too many tokens that are not valid here came from your address; check yours";
                Err(Error::throttled(message, u32::try_from(left).unwrap_or(u32::MAX)))
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong token.
    pub(crate) fn failed(&self, address: Option<IpAddr>, now: UnixMillis) {
        let Some(client) = address.map(Client::at) else { return };
        self.by_client.entry(client).and_upsert_with(|entry| match entry.map(|entry| *entry.value()) {
            Some(failures) if failures.window_end > now => {
                Failures { count: failures.count.saturating_add(1), ..failures }
            }
            _ => Failures { count: 1, window_end: now.plus_seconds(WINDOW_SECONDS) },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn from(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_refused_for_the_rest_of_the_minute_and_no_other_with_it() {
        let logins = Logins::new(3);
        let (bad, good) = (Some(from("192.0.2.1")), Some(from("192.0.2.2")));
        for second in 0..3 {
            let now = NOW.plus_seconds(second);
            logins.check(bad, now).expect("may try");
            logins.failed(bad, now);
        }
        let error = logins.check(bad, NOW.plus_seconds(20)).expect_err("too many");
        assert_eq!((error.kind(), error.retry_after_seconds()), (Kind::Throttled, Some(41)));
        logins.check(good, NOW.plus_seconds(20)).expect("another address");
        logins.check(None, NOW.plus_seconds(20)).expect("nobody in particular");
        logins.check(bad, NOW.plus_seconds(61)).expect("a new minute");
        logins.failed(bad, NOW.plus_seconds(61));
        logins.check(bad, NOW.plus_seconds(62)).expect("one failure in it");
    }
}
