//! Download counts go home: once a day a hub tells the home of its mirrors how often each was downloaded here,
//! without addresses, people or times.
//!
//! A home counts a statement once and only under the key that the teller shows at its own address, which TLS
//! vouches for: whoever forges one would have to be at that address. It asks for the key each time, so that
//! nothing of strangers is kept. A hub that lies about itself is bounded, and shown apart from what was counted here.

use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use polder_db::{Heard, Hearing, Log, Telling, Upstream, UpstreamState};
use polder_egress::{Allowance, Host, Request, Url};
use polder_log::{
    COUNT_MIN, COUNT_ROWS_MAX, COUNTED_MAX, DownloadCounts, Origin, PublicKey, SignedCounts, sign_counts,
};
use polder_types::Sha256;
use sha2::Digest as _;

use super::begin::check_trust;
use super::http::HttpPeer;
use super::peer::Peer as _;
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// How old a statement may be, and how long one is kept that its home does not take.
const BACK_DAYS: i64 = 30;
/// How long counts are kept.
const KEPT_DAYS: i64 = 400;
/// Time between two looks for what is to be told.
const PERIOD: Duration = Duration::from_mins(1);
/// Most statements that are sent to one home at a time.
const SENT_MAX: i64 = BACK_DAYS + 1;
/// How long a home may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Most hubs that are asked for their keys in an hour.
pub(super) const ASKED_MAX: u32 = 600;
const HOUR_MILLIS: i64 = 3_600_000;

/// How many hubs were asked for their keys, in which hour.
#[derive(Default)]
pub(crate) struct Asked(Mutex<(i64, u32)>);

impl Asked {
    pub(super) fn may_ask(&self, hour: i64) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.0 != hour {
            *asked = (hour, 0);
        }
        asked.1 = asked.1.saturating_add(1);
        asked.1 <= ASKED_MAX
    }
}

impl Hub {
    /// Tells homes what there is to tell. Ends never; what a home does not take is told again later.
    pub(crate) async fn keep_telling_downloads(&self) {
        loop {
            if let Err(error) = self.tell_downloads_once().await {
                tracing::error!(error = %error.chain(), "cannot look for downloads to tell of");
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Makes yesterday's statements and sends what was not taken, to each home by itself.
    pub(crate) async fn tell_downloads_once(&self) -> Result<()> {
        self.write_downloads().await?;
        if !self.federation.is_enabled || !self.federation.tells_downloads {
            return Ok(());
        }
        let Some(own) = self.db.own_log().await? else { return Ok(()) };
        for upstream in self.db.list_upstreams().await? {
            if upstream.state != UpstreamState::Following {
                continue;
            }
            if let Err(error) = self.tell_home(&own, &upstream).await {
                tracing::debug!(home = upstream.url, error = %error.chain(), "the home is told of downloads later");
            }
        }
        Ok(())
    }

    /// Forgets counts and statements that are too old.
    pub(crate) async fn drop_old_downloads(&self) -> Result<()> {
        Ok(self.db.drop_old_downloads(self.today() - KEPT_DAYS, self.today() - BACK_DAYS).await?)
    }

    async fn tell_home(&self, own: &Log, upstream: &Upstream) -> Result<()> {
        let base: Url = upstream.url.parse()?;
        let (to, allowance) = (base.under("polder/v1/downloads")?, Allowance::naming(&base));
        for (day, bytes) in self.counts_for(own, upstream.log).await? {
            let request = Request::post(&to, &allowance, bytes).wait_max(ANSWER_MAX);
            let status = self.egress.send(request).await?.status();
            if status != StatusCode::NO_CONTENT {
                return Err(Error::unavailable(format!("it answers {}", status.as_u16())));
            }
            self.db.statement_taken(upstream.log, day).await?;
        }
        Ok(())
    }

    /// What a home is to be told, signed, with the days; that of yesterday is made now, if it is not yet.
    pub(crate) async fn counts_for(&self, own: &Log, log: i64) -> Result<Vec<(i64, Vec<u8>)>> {
        let Some(home) = self.db.log(log).await? else { return Ok(Vec::new()) };
        let day = self.today() - 1;
        let telling = Telling {
            log,
            day,
            times_min: COUNT_MIN.cast_signed(),
            rows_max: i64::try_from(COUNT_ROWS_MAX).unwrap_or(i64::MAX),
            times_max: COUNTED_MAX.cast_signed(),
        };
        let (from, home) = (own.name.origin.clone(), home.name.origin);
        let write = move |rows: Vec<(Sha256, i64)>| {
            let mut rows: Vec<_> = rows.into_iter().map(|(rid, times)| (rid, times.unsigned_abs())).collect();
            rows.sort_unstable();
            DownloadCounts { from, home, day: day.unsigned_abs(), rows }.encode()
        };
        self.db.make_download_statement(telling, write).await?;
        let key = self.keys.log_key(&own.key.key())?;
        let made = self.db.untaken_statements(log, SENT_MAX).await?;
        Ok(made.into_iter().map(|(day, counts)| (day, sign_counts(counts.to_vec(), &key))).collect())
    }

    /// Takes what another hub says of the downloads of its mirrors of repositories from here.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when this hub takes none; [`Kind::Invalid`] for what is not in order, not for this
    /// hub, of a day too long ago or to come, or not signed by who says it; [`Kind::Conflict`] when that hub
    /// said something else of that day; [`Kind::Throttled`]; [`Kind::Unavailable`] when its key is not to be had.
    pub async fn hear_downloads(&self, bytes: &[u8]) -> Result<()> {
        if !self.federation.tells_downloads {
            return Err(Error::not_found("this hub takes no counts of downloads"));
        }
        let said = SignedCounts::decode(bytes).map_err(|error| Error::invalid(error.to_string()))?;
        let (counts, today) = (said.unverified(), self.today());
        let own = self.db.own_log().await?.ok_or_else(|| Error::not_found("this hub gives out no log"))?;
        if counts.home != own.name.origin || counts.from == own.name.origin {
            return Err(Error::invalid("these are not counts of another hub for this one"));
        }
        if !i64::try_from(counts.day).is_ok_and(|day| (today - BACK_DAYS..=today).contains(&day)) {
            return Err(Error::invalid("these are counts of a day too long ago, or to come"));
        }
        let from = counts.from.clone();
        if let Some(heard) = self.db.heard_statement(from.as_str(), counts.day.cast_signed()).await? {
            return if heard == hash(counts) { Ok(()) } else { Err(said_otherwise()) };
        }
        let key = self.key_shown_by(&from).await?;
        self.count_heard(said, &key).await
    }

    /// Counts what the holder of `key` has signed, once.
    pub(crate) async fn count_heard(&self, said: SignedCounts, key: &PublicKey) -> Result<()> {
        let counts = said.verify(key);
        let counts =
            counts.ok_or_else(|| Error::invalid("the hub that says so has not signed these counts"))?;
        let rows = counts.rows.iter().map(|(rid, count)| (*rid, count.cast_signed()));
        let heard = Heard {
            origin: counts.from.to_string(),
            day: counts.day.cast_signed(),
            sha256: hash(&counts),
            rows: rows.collect(),
        };
        match self.db.hear_downloads(heard).await? {
            Hearing::New(repos) => {
                let all = counts.rows.iter().map(|(_, count)| count).sum();
                metrics::counter!("polder_relayed_downloads_total").increment(all);
                tracing::info!(from = %counts.from, day = counts.day, repos, "heard of downloads elsewhere");
                Ok(())
            }
            Hearing::Again => Ok(()),
            Hearing::Other => Err(said_otherwise()),
        }
    }

    /// The key that the hub of an origin shows at its own address. Only a hub that is itself at a loopback
    /// address asks others there.
    async fn key_shown_by(&self, origin: &Origin) -> Result<PublicKey> {
        if !self.counts_asked.may_ask(self.clock.now().0.div_euclid(HOUR_MILLIS)) {
            return Err(Error::new(Kind::Throttled, "too many hubs tell of downloads; come back in an hour"));
        }
        let own: Url = self.public_url.parse()?;
        let is_loopback = matches!(own.origin().host(), Host::Address(address) if address.is_loopback());
        let url = address_of(origin, is_loopback);
        let peer = HttpPeer::stranger(&self.egress, &url, is_loopback)?;
        let about = peer.about().await.map_err(|error| error.of(&url))?;
        check_trust(&url.parse()?, &about, None)?;
        Ok(about.key.key())
    }
}

fn hash(counts: &DownloadCounts) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(counts.encode()).into())
}

fn said_otherwise() -> Error {
    Error::new(Kind::Conflict, "this hub said something else of that day before")
}

/// Where the hub of an origin is: behind TLS, but for one on this machine.
fn address_of(origin: &Origin, is_loopback: bool) -> String {
    let (host, port) =
        origin.as_str().split_once('_').map_or((origin.as_str(), None), |(host, port)| (host, Some(port)));
    let is_here = host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    let scheme = if is_loopback && is_here { "http" } else { "https" };
    match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}
