//! A server that limits rates is waited for, within bounds.
//!
//! Source: RFC 9110, `Retry-After`; the IETF draft on `RateLimit`, as huggingface.co answers by it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, StatusCode};
use polder_egress::{Response, Url};
use tokio::sync::watch;

use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::transfer::{ObjectSource, TransferOptions, Wanted};

/// Longest time that a server may ask for to be left alone, in seconds. Who asks for more is asked another day.
const WAIT_SECONDS_MAX: u64 = 600;
/// How often a server may ask for that in one request.
const WAITS_MAX: u32 = 10;
/// The wait of a server that does not say how long, in seconds.
const WAIT_SECONDS_DEFAULT: u64 = 30;
/// How long an import by hand waits in all.
const BY_HAND_MAX: Duration = Duration::from_hours(24);
/// How long a pull by the clock waits for a server that gives nothing: others wait for its place meanwhile, and it
/// comes back.
const BY_CLOCK_MAX: Duration = Duration::from_secs(30);
/// How much longer for each answer that the server gave. What is small is not kept when a pull ends, so one that
/// gets on must be able to wait for the next hundreds of answers; servers give more than one a second.
const ANSWER_WORTH: Duration = Duration::from_secs(1);

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How long one attempt at a pull waits for servers that limit rates, whatever it asks for, until nobody wants it any
/// more.
#[derive(Debug, Clone)]
pub(crate) struct Patience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    budget: Mutex<Budget>,
    has_ended: watch::Sender<bool>,
}

impl Patience {
    /// That of somebody who watches.
    pub(super) fn by_hand() -> Self {
        Self::of(BY_HAND_MAX)
    }

    /// That of the hub by itself.
    pub(crate) fn by_clock() -> Self {
        Self::of(BY_CLOCK_MAX)
    }

    fn of(left: Duration) -> Self {
        let budget = Mutex::new(Budget { left, until: None });
        Self(Arc::new(Shared { budget, has_ended: watch::Sender::new(false) }))
    }

    /// Ends all waiting, and every request that is not made yet.
    pub(super) fn end(&self) {
        self.0.has_ended.send_replace(true);
    }

    /// Begins a request.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when nobody wants it any more.
    pub(super) fn request(&self) -> Result<Waits> {
        if *self.0.has_ended.borrow() { Err(lost()) } else { Ok(Waits { patience: self.clone(), count: 0 }) }
    }

    /// How long the server that answers so wants to be left alone, in seconds, if it does.
    pub(super) fn wanted_rest(&self, answer: &Response) -> Option<u64> {
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            self.budget().earn(ANSWER_WORTH);
            return None;
        }
        Some(asked_to_wait(answer.headers()).unwrap_or(WAIT_SECONDS_DEFAULT))
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.0.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may still be waited.
#[derive(Debug)]
struct Budget {
    left: Duration,
    /// The end of the waits so far: what is waited at the same time counts once.
    until: Option<Instant>,
}

impl Budget {
    fn earn(&mut self, more: Duration) {
        self.left = self.left.saturating_add(more);
    }

    /// Takes a wait from now on, if there is enough for it.
    fn take(&mut self, now: Instant, wait: Duration) -> bool {
        let from = self.until.map_or(now, |until| until.max(now));
        let more = (now + wait).saturating_duration_since(from);
        let Some(left) = self.left.checked_sub(more) else { return false };
        (self.left, self.until) = (left, Some(from + more));
        true
    }
}

/// How often a server was waited for in one request.
pub(super) struct Waits {
    patience: Patience,
    count: u32,
}

impl Waits {
    /// Whether it is waited for once more.
    fn may(&mut self, seconds: u64) -> bool {
        self.count += 1;
        self.count <= WAITS_MAX
            && seconds <= WAIT_SECONDS_MAX
            && self.patience.budget().take(Instant::now(), Duration::from_secs(seconds))
    }

    /// Waits as long as the server wants to be left alone.
    ///
    /// # Errors
    /// [`Kind::Throttled`] where it asks for that too long, or too often; [`Kind::Conflict`] when nobody wants it
    /// any more.
    pub(super) async fn wait(&mut self, server: &Url, seconds: u64) -> Result<()> {
        let origin = server.origin();
        if !self.may(seconds) {
            let message = format!("{origin} is asked too often; it wants to be left alone for {seconds} s");
            return Err(Error::throttled(message, u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        tracing::info!(server = %origin, seconds, "waits for a server that limits rates");
        let mut has_ended = self.patience.0.has_ended.subscribe();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => Ok(()),
            _ = has_ended.wait_for(|has_ended| *has_ended) => Err(lost()),
        }
    }
}

/// Why a pull ends that nobody wants any more.
pub(super) fn lost() -> Error {
    Error::new(Kind::Conflict, "the mirror was stopped or changed meanwhile")
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

/// How long a server wanted to be left alone while an object came from it.
pub(super) struct Rest {
    patience: Patience,
    seconds: AtomicU64,
}

impl Rest {
    pub(super) fn of(patience: &Patience) -> Self {
        Self { patience: patience.clone(), seconds: AtomicU64::new(0) }
    }

    pub(super) fn hear(&self, answer: &Response) {
        if let Some(seconds) = self.patience.wanted_rest(answer) {
            self.seconds.fetch_max(seconds.max(1), Ordering::Relaxed);
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
        let mut waits = rest.patience.request()?;
        loop {
            let sources = vec![Arc::clone(&source)];
            let Err(error) = self.fetch_object(wanted, sources, options.clone()).await else { return Ok(()) };
            let seconds = rest.seconds.swap(0, Ordering::Relaxed);
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

    fn waits(patience: &Patience) -> Waits {
        patience.request().expect("wanted")
    }

    #[test]
    fn a_server_is_waited_for_ten_times_in_a_request_and_never_for_long() {
        let patience = Patience::by_hand();
        let mut first = waits(&patience);
        for _wait in 0..WAITS_MAX {
            assert!(first.may(WAIT_SECONDS_MAX));
        }
        assert!(!first.may(1));
        assert!(!waits(&patience).may(WAIT_SECONDS_MAX + 1));
        assert!(waits(&patience).may(WAIT_SECONDS_MAX));
    }

    #[test]
    fn a_pull_by_the_clock_has_one_budget_that_grows_with_what_it_is_given() {
        let begin = Instant::now();
        let (at, seconds) = (|second| begin + Duration::from_secs(second), Duration::from_secs);
        let mut budget = Budget { left: BY_CLOCK_MAX, until: None };
        assert!(!budget.take(at(0), seconds(31)));
        // At once, and overlapping: until 10 and until 25.
        assert!(budget.take(at(0), seconds(10)) && budget.take(at(0), seconds(10)));
        assert!(budget.take(at(5), seconds(20)));
        assert!(budget.take(at(30), seconds(5)));
        assert!(!budget.take(at(40), seconds(1)));
        for _answer in 0..300 {
            budget.earn(ANSWER_WORTH);
        }
        assert!(budget.take(at(50), seconds(300)));
        assert!(!budget.take(at(400), seconds(1)));
    }

    #[tokio::test]
    async fn who_waits_for_a_server_stops_when_nobody_wants_it_any_more() {
        let patience = Patience::by_hand();
        let (mut waits, server) = (waits(&patience), "https://hub.example".parse().expect("a URL"));
        let (waited, ()) = tokio::join!(waits.wait(&server, WAIT_SECONDS_MAX), async { patience.end() });
        assert_eq!(waited.expect_err("ended").kind(), Kind::Conflict);
        let again = waits.wait(&server, WAIT_SECONDS_MAX).await.expect_err("ended");
        assert_eq!(again.kind(), Kind::Conflict);
        assert!(patience.request().is_err());
    }
}
