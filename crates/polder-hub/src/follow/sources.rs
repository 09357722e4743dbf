//! Where what one hub signed can be had: its home first, then hubs that mirror it.
//!
//! None is trusted and none is needed: each answer is checked against what the home signed, and who has no
//! good one is passed over, whatever is wrong with it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{Db, FollowSource};
use polder_log::VerifierKey;
use polder_types::Sha256;
use sha2::Digest as _;
use tokio::time::Instant;

use super::http::HttpPeer;
use super::peer::{Peer, PeerError, PeerFuture};
use super::poll::pause_after;
use super::via::Via;
use crate::error::{Error, Result};
use crate::{Hub, Liar, ObjectSource};

/// Where a hub's own log is.
const OWN: &str = "polder/v1";
/// How long a source is asked to wait for something new.
const WAIT: Duration = Duration::from_mins(1);
/// The same for a mirror, when another mirror may hear of it first.
const WAIT_AMONG_MIRRORS: Duration = Duration::from_secs(10);
/// For how long a source that is only behind is not asked for more of the log.
const BEHIND_PAUSE: Duration = Duration::from_secs(5);

/// A hub that has, or may have, what another signed.
pub(super) struct Source {
    pub(super) peer: Arc<dyn Peer>,
    /// Its URL, unless it is the home.
    pub(super) url: Option<String>,
    aside: Mutex<Aside>,
}

/// Until when, if so, a source is asked only when nobody else answers.
#[derive(Debug, Clone, Copy, Default)]
struct Aside {
    until: Option<Instant>,
    failures: u32,
}

impl Source {
    /// The home of what is followed.
    pub(super) fn home(peer: Arc<dyn Peer>) -> Arc<Self> {
        Arc::new(Self { peer, url: None, aside: Mutex::default() })
    }

    /// A hub that mirrors it.
    pub(super) fn mirror(peer: Arc<dyn Peer>, url: String) -> Arc<Self> {
        Arc::new(Self { peer, url: Some(url), aside: Mutex::default() })
    }

    pub(super) fn is_home(&self) -> bool {
        self.url.is_none()
    }

    fn aside(&self) -> Aside {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when it is put aside.
    pub(super) fn aside_until(&self) -> Option<Instant> {
        self.aside().until.filter(|until| *until > Instant::now())
    }

    /// Whether what it last said of the log was no use.
    pub(super) fn is_doubtful(&self) -> bool {
        self.aside().failures > 0
    }

    /// It gave a good answer.
    pub(super) fn trust_again(&self) {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) = Aside::default();
    }

    /// It gave none. One that is only behind is soon asked again, any other after longer and longer.
    pub(super) fn put_aside(&self, is_behind: bool) {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if is_behind { BEHIND_PAUSE } else { pause_after(aside.failures) };
        *aside = Aside { until: Some(Instant::now() + pause), failures: aside.failures.saturating_add(1) };
    }
}

/// The home of an upstream and its other sources.
pub(crate) struct SourceSet {
    log: i64,
    db: Db,
    sources: RwLock<Vec<Arc<Source>>>,
}

impl SourceSet {
    /// The sources of a log, the home first.
    pub(super) fn new(db: Db, log: i64, sources: Vec<Arc<Source>>) -> Self {
        Self { log, db, sources: RwLock::new(sources) }
    }

    /// The log that they have.
    pub(super) fn log(&self) -> i64 {
        self.log
    }

    /// Uses others from now on.
    pub(super) fn replace(&self, sources: Vec<Arc<Source>>) {
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// All of them, the home first.
    pub(super) fn all(&self) -> Vec<Arc<Source>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of them in the order in which they are asked: those put aside come last.
    pub(super) fn in_order(&self) -> Vec<Arc<Source>> {
        let mut sources = self.all();
        sources.sort_by_cached_key(|source| source.aside_until());
        sources
    }

    /// Those that are asked for more of the log now, the home first, and how long each may wait for it. Another
    /// than the home only waits until one before it is to be asked again, and not long if there are others that
    /// may know more.
    pub(super) fn to_poll(&self) -> Vec<(Arc<Source>, Duration)> {
        let (now, mut longest) = (Instant::now(), WAIT);
        let mut ready = Vec::new();
        for source in self.all() {
            match source.aside_until() {
                Some(until) => {
                    longest = longest.min(until.saturating_duration_since(now)).max(Duration::from_secs(1));
                }
                None => ready.push((source, longest)),
            }
        }
        let mirrors = ready.iter().filter(|(source, _)| !source.is_home()).count();
        if mirrors > 1 {
            for (_, wait) in ready.iter_mut().filter(|(source, _)| !source.is_home()) {
                *wait = (*wait).min(WAIT_AMONG_MIRRORS);
            }
        }
        ready
    }

    /// When the first of those put aside is to be asked again.
    pub(super) fn next_chance(&self) -> Option<Instant> {
        self.all().iter().filter_map(|source| source.aside_until()).min()
    }

    /// Where large objects come from, in that order.
    pub(super) fn objects(&self) -> Vec<Arc<dyn ObjectSource>> {
        self.in_order().iter().map(|source| source.peer.objects()).collect()
    }

    /// Writes down what came of asking a source.
    pub(super) async fn note(&self, source: &Source, problem: Option<String>) {
        let noted = match &source.url {
            None => self.db.heard_upstream(self.log, problem).await,
            Some(url) => self.db.heard_source(self.log, url.clone(), problem).await,
        };
        if let Err(error) = noted {
            tracing::error!(%error, "what came of asking a hub is not written down");
        }
    }

    /// Writes down who lied about an object.
    pub(super) async fn note_liars(&self, oid: Sha256, liars: &[Liar]) {
        for Liar { source: name, lie } in liars {
            for source in self.all().iter().filter(|source| source.peer.name() == name) {
                self.note(source, Some(format!("`{name}` lied about object `{oid}`: {lie}"))).await;
            }
        }
    }

    /// The bytes with a hash, from the first source that gives them. One that gives others is noted down.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] when somebody gave others and nobody these, [`crate::Kind::NotFound`] when everybody answered
    /// that it does not have `what`; otherwise what was wrong with the first that did not answer.
    pub(super) async fn find<F>(&self, what: &str, sha256: Sha256, ask: F) -> Result<Bytes>
    where
        F: for<'a> Fn(&'a dyn Peer) -> PeerFuture<'a, Bytes>,
    {
        let (mut lied, mut failed) = (None, None);
        for source in self.in_order() {
            let name = source.peer.name();
            match ask(&*source.peer).await {
                Ok(bytes) if Sha256::new(sha2::Sha256::digest(&bytes).into()) == sha256 => return Ok(bytes),
                Ok(_) => {
                    let message = format!("{what} of `{name}` is not the one that was signed");
                    tracing::warn!(%message, "another source is asked");
                    self.note(&source, Some(message.clone())).await;
                    lied.get_or_insert_with(|| Error::invalid(message));
                }
                Err(PeerError::Missing | PeerError::Gone) => {}
                Err(error) => {
                    failed.get_or_insert(error.of(name));
                }
            }
        }
        Err(lied.or(failed).unwrap_or_else(|| Error::not_found(format!("no source has {what} yet"))))
    }
}

impl Hub {
    /// The hub at `url` itself.
    pub(super) fn peer(&self, url: &str) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(HttpPeer::new(&self.egress, url, OWN.to_owned())?))
    }

    /// What another hub gives out of the log of `origin`.
    pub(crate) fn mirror_peer(&self, url: &str, origin: &polder_log::Origin) -> Result<Arc<dyn Peer>> {
        let prefix = format!("polder/v1/mirror/{}", origin.sha256());
        Ok(Arc::new(HttpPeer::new(&self.egress, url, prefix)?))
    }

    /// What the hub at `url` mirrors of the hub that has this key. Only one that the operator `named` may be
    /// at a private address.
    pub(super) fn mirror_at(&self, url: &str, key: &VerifierKey, named: bool) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(HttpPeer::mirror(&self.egress, url, key, named)?))
    }

    /// The sources of what has the log with this local id, as they are written down.
    pub(super) async fn read_sources(&self, log: i64) -> Result<Vec<Arc<Source>>> {
        self.read_sources_for(log, &Via::default()).await
    }

    /// The same, for others who ask this hub; there are none for who may not have it ask on.
    pub(super) async fn read_sources_for(&self, log: i64, via: &Via) -> Result<Vec<Arc<Source>>> {
        let gone = || Error::not_found("this hub is not followed");
        let upstream = self.db.upstream(log).await?.ok_or_else(gone)?;
        let log = self.db.log(upstream.log).await?.ok_or_else(gone)?;
        let Some(via) = via.and(&self.mark) else { return Ok(Vec::new()) };
        let home = HttpPeer::new(&self.egress, &upstream.url, OWN.to_owned())?.asked_via(via.clone());
        let mut sources = vec![Source::home(Arc::new(home))];
        for FollowSource { url, named, .. } in self.db.list_sources(upstream.log).await? {
            let mirror = HttpPeer::mirror(&self.egress, &url, &log.key, named)?.asked_via(via.clone());
            sources.push(Source::mirror(Arc::new(mirror), url));
        }
        Ok(sources)
    }
}
