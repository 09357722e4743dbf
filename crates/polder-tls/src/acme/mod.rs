//! Certificates from an ACME authority (RFC 8555), proved by TLS-ALPN-01 (RFC 8737) on the hub's own
//! port: no other port, no DNS record, no other program.

mod account;
mod client;
mod order;
mod shelf;

use std::path::{Path, PathBuf};
use std::time::Duration;

use polder_types::Clock;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::{Certificate, Error, Served};
use client::Https;
use shelf::Shelf;

/// A certificate is renewed when this part of its life is over: two thirds.
const RENEWAL_PART: (i64, i64) = (2, 3);
/// Longest wait between two looks at the clock, which may be set or stand still meanwhile.
const LOOK_PERIOD: Duration = Duration::from_hours(1);
/// Longest try at one certificate.
const ORDER_MAX: Duration = Duration::from_mins(5);
/// Pause after the first failure; doubled after each. Authorities allow few failures an hour.
const PAUSE_MIN: Duration = Duration::from_mins(2);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_hours(6);

/// What to ask of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeOptions {
    /// The names that the certificate is for: at least one, without wildcards, in lower case.
    pub domains: Vec<String>,
    /// Where the authority may write to, such as `mailto:admin@example.org`.
    pub contact: Option<String>,
    /// The authority's directory, an `https://` URL.
    pub directory: String,
    /// Whom to trust when connecting to it, in PEM; without it, whom this machine trusts.
    pub directory_ca: Option<PathBuf>,
}

/// Gets a certificate and keeps it fresh.
pub struct Acme {
    options: AcmeOptions,
    https: Https,
    shelf: Shelf,
    clock: Clock,
}

impl Acme {
    /// Keeps its account and certificate in `dir`, which is made if it is missing, readable by this user only.
    ///
    /// # Errors
    /// When the directory cannot be used, or there is nobody to trust.
    pub fn open(options: AcmeOptions, dir: &Path, clock: Clock) -> Result<Self, Error> {
        let https = Https::new(options.directory_ca.as_deref())?;
        let shelf = Shelf::open(dir, &options.directory)?;
        Ok(Self { options, https, shelf, clock })
    }

    /// What to serve: the certificate of before, if there is one that has not expired.
    pub fn served(&self) -> Served {
        let kept = match self.shelf.certificate() {
            Ok(kept) => kept.filter(|kept| kept.problem_at(self.clock.now()).is_none()),
            Err(error) => {
                tracing::warn!(error = error.chain(), "asking for a new certificate");
                None
            }
        };
        Served::with_challenges(kept)
    }

    /// Keeps `served` valid: orders when there is no certificate for exactly the domains, or two thirds of
    /// its life are over. A failure is logged and tried again, ever more seldom, or when `asked`; the
    /// certificate of before goes on being served. Never ends.
    pub async fn keep(&self, served: &Served, asked: &Notify) {
        let mut failures = 0;
        loop {
            served.record_expiry();
            let wait = self.wait_before_order(served.certificate().as_ref());
            if !wait.is_zero() {
                if timeout(wait, asked.notified()).await.is_ok() {
                    tracing::info!("the TLS certificate need not be renewed yet");
                }
                continue;
            }
            let ordered = timeout(ORDER_MAX, self.order(served)).await;
            served.end_challenges();
            match ordered.unwrap_or_else(|_| Err(self.error("did not issue a certificate in time"))) {
                Ok(certificate) => {
                    failures = 0;
                    served.replace(certificate);
                }
                Err(error) => {
                    let pause = pause_after(failures);
                    failures += 1;
                    served.warn_of_expiry(self.clock.now());
                    let retry_seconds = pause.as_secs();
                    tracing::error!(error = error.chain(), retry_seconds, "no new TLS certificate");
                    // Whether asked or at the end of the pause, what follows is the next try.
                    let _asked = timeout(pause, asked.notified()).await;
                }
            }
        }
    }

    fn wait_before_order(&self, certificate: Option<&Certificate>) -> Duration {
        let Some(certificate) = certificate else { return Duration::ZERO };
        let (mut has, mut wants) = (certificate.names().to_vec(), self.options.domains.clone());
        has.sort();
        wants.sort();
        if has != wants {
            return Duration::ZERO;
        }
        let seconds = renewal_seconds(certificate) - self.clock.now().seconds();
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LOOK_PERIOD)
    }

    fn error(&self, problem: &str) -> Error {
        Error::new(&self.options.directory, problem)
    }
}

fn renewal_seconds(certificate: &Certificate) -> i64 {
    let (from, until) = (certificate.not_before_seconds(), certificate.not_after_seconds());
    let (part, whole) = RENEWAL_PART;
    from.saturating_add(until.saturating_sub(from) / whole * part)
}

fn pause_after(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_growing() {
        let minutes = |failures| pause_after(failures).as_secs() / 60;
        assert_eq!([0, 1, 2, 3, 7, 8, 100].map(minutes), [2, 4, 8, 16, 256, 360, 360]);
    }
}
