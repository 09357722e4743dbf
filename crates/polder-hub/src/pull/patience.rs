//! A server that limits rates is waited for, within bounds.
//!
//! Source: RFC 9110, `Retry-After`; the IETF draft on `RateLimit`, as huggingface.co answers by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use polder_egress::{Response, Url};

use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::transfer::{ObjectSource, TransferOptions, Wanted};

/// Longest time that a server may ask for to be left alone, in seconds. Who asks for more is asked another day.
const WAIT_SECONDS_MAX: u64 = 600;
/// How often a server may ask for that in one request.
const WAITS_MAX: u32 = 10;
/// The wait of a server that does not say how long, in seconds.
const WAIT_SECONDS_DEFAULT: u64 = 30;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How often a server was waited for.
#[derive(Default)]
pub(super) struct Waits(u32);

impl Waits {
    /// Whether it is waited for once more.
    fn may(&mut self, seconds: u64) -> bool {
        self.0 += 1;
        self.0 <= WAITS_MAX && seconds <= WAIT_SECONDS_MAX
    }

    /// Waits as long as the server wants to be left alone.
    ///
    /// # Errors
    /// [`Kind::Throttled`] where it asks for that too long, or too often.
    pub(super) async fn wait(&mut self, server: &Url, seconds: u64) -> Result<()> {
        let origin = server.origin();
        if !self.may(seconds) {
            let message = format!("{origin} is asked too often; it wants to be left alone for {seconds} s");
            return Err(Error::throttled(message, u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        tracing::info!(server = %origin, seconds, "waits for a server that limits rates");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(())
    }
}

/// How long the server that answers so wants to be left alone, in seconds, if it does.
pub(super) fn wanted_rest(answer: &Response) -> Option<u64> {
    let is_limited = answer.status() == StatusCode::TOO_MANY_REQUESTS;
    is_limited.then(|| asked_to_wait(answer.headers()).unwrap_or(WAIT_SECONDS_DEFAULT))
}

/// The same of an answer whose headers are these.
fn asked_to_wait(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = text(&http::header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    // `"api";r=0;t=55`
    let resets =
        || text(&RATE_LIMIT)?.split(';').find_map(|part| part.trim().strip_prefix("t=")?.parse().ok());
    retry_after.or_else(resets)
}

/// How long a server wanted to be left alone while an object came from it, in seconds.
#[derive(Default)]
pub(super) struct Rest(AtomicU64);

impl Rest {
    pub(super) fn hear(&self, answer: &Response) {
        if let Some(seconds) = wanted_rest(answer) {
            self.0.fetch_max(seconds.max(1), Ordering::Relaxed);
        }
    }
}

impl Hub {
    /// Fetches an object from a source that notes in `rest` what its server asks for, and waits that long.
    pub(super) async fn fetch_patiently(
        &self,
        wanted: Wanted,
        source: Arc<dyn ObjectSource>,
        server: &Url,
        rest: &Rest,
        options: TransferOptions,
    ) -> Result<()> {
        let mut waits = Waits::default();
        loop {
            let sources = vec![Arc::clone(&source)];
            let Err(error) = self.fetch_object(wanted, sources, options.clone()).await else { return Ok(()) };
            let seconds = rest.0.swap(0, Ordering::Relaxed);
            if error.kind() != Kind::Unavailable || seconds == 0 {
                return Err(error);
            }
            waits.wait(server, seconds).await?;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::pull) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_wait_is_read_from_either_header() {
        assert_eq!(
            asked_to_wait(&headers(&[("retry-after", "7"), ("ratelimit", "\"api\";r=0;t=55")])),
            Some(7)
        );
        assert_eq!(asked_to_wait(&headers(&[("ratelimit", "\"api\";r=0;t=55")])), Some(55));
        assert_eq!(asked_to_wait(&headers(&[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")])), None);
        assert_eq!(asked_to_wait(&HeaderMap::new()), None);
    }

    #[test]
    fn a_server_is_waited_for_ten_times_and_never_for_long() {
        let mut waits = Waits::default();
        for _wait in 0..WAITS_MAX {
            assert!(waits.may(WAIT_SECONDS_MAX));
        }
        assert!(!waits.may(1));
        assert!(!Waits::default().may(WAIT_SECONDS_MAX + 1));
    }
}
