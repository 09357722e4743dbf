//! Sources that are dead, behind or lying are passed over for those that are not.
//!
//! ```text
//! home ←──┐
//! one  ←──┼── hub       each may be dead, behind, or a liar at any time
//! two  ←──┘
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, FollowSource, MirrorMode, Upstream, UpstreamState};
use polder_types::Sha256;
use sha2::Digest as _;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::attacks::{BEFORE, Origin, other_past};
use super::peer::{Peer, PeerError, PeerFuture};
use super::sources::{Source, SourceSet};
use crate::Hub;
use crate::error::{Error, Kind};
use crate::tests::{Fixture, fixture};

const URLS: [&str; 2] = ["http://one.example.org", "http://two.example.org"];

/// What a peer does when it is asked.
#[derive(Clone)]
enum Does {
    /// It has this much of the log.
    Have(Origin),
    /// It changes what it has of the log.
    Lie(Origin),
    /// It does not answer.
    Nothing,
}

/// A peer that a test sees through.
struct Puppet {
    name: &'static str,
    does: Mutex<Does>,
    asked: AtomicUsize,
    body: Mutex<Option<&'static [u8]>>,
}

impl Puppet {
    fn new(name: &'static str, does: Does) -> Arc<Self> {
        Arc::new(Self { name, does: Mutex::new(does), asked: AtomicUsize::new(0), body: Mutex::new(None) })
    }

    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Peer for Puppet {
    fn name(&self) -> &str {
        self.name
    }

    fn events(&self, from: u64, limit: u64, wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let began = Instant::now();
            loop {
                let does = self.does.lock().unwrap().clone();
                let page = match does {
                    Does::Nothing => return Err(PeerError::Failed(Error::unavailable("connection refused"))),
                    Does::Have(log) if log.tree.size() == from && began.elapsed() < wait => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                    Does::Have(log) if log.tree.size() == from && !wait.is_zero() => return Ok(None),
                    Does::Have(log) => log.page(from, limit),
                    Does::Lie(log) => {
                        let mut page = log.page(from, limit);
                        page.leaves.iter_mut().for_each(|leaf| leaf.time_ms += 1);
                        page
                    }
                };
                return Ok(Some(page.encode().unwrap().into()));
            }
        })
    }

    fn body(&self, _sha256: Sha256) -> PeerFuture<'_, Bytes> {
        let body = *self.body.lock().unwrap();
        Box::pin(async move { body.map(Bytes::from_static).ok_or(PeerError::Missing) })
    }
}

/// A hub that follows one log through three puppets, the home first.
struct Stage {
    place: Fixture,
    origin: Origin,
    log: i64,
    puppets: [Arc<Puppet>; 3],
    sources: Arc<SourceSet>,
}

impl Stage {
    async fn new() -> Self {
        let place = fixture().await;
        let origin = Origin::new("hub.example.org");
        let hub = &place.hub;
        let key = origin.key.verifier().clone();
        let log = hub.db.open_log(origin.log.clone(), key, false).await.expect("begun").id;
        let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Metadata }];
        hub.db.set_upstream(log, "http://hub.example.org".to_owned(), rules).await.expect("set");
        hub.db.name_sources(log, URLS.map(str::to_owned).to_vec()).await.expect("named");
        let has = || Does::Have(origin.clone());
        let puppets = ["home", "one", "two"].map(|name| Puppet::new(name, has()));
        let [home, one, two] = puppets.clone();
        let sources = vec![
            Source::home(home),
            Source::mirror(one, URLS[0].to_owned()),
            Source::mirror(two, URLS[1].to_owned()),
        ];
        let sources = Arc::new(SourceSet::new(hub.db.clone(), log, sources));
        Self { place, origin, log, puppets, sources }
    }

    fn hub(&self) -> &Hub {
        &self.place.hub
    }

    async fn size(&self) -> u64 {
        self.hub().db.log(self.log).await.expect("read").expect("there").tree.size()
    }

    async fn upstream(&self) -> Upstream {
        self.hub().db.upstream(self.log).await.expect("read").expect("there")
    }

    async fn source(&self, number: usize) -> FollowSource {
        self.hub().db.list_sources(self.log).await.expect("read").swap_remove(number)
    }

    /// What the log is after `count` more events.
    fn grown(&mut self, count: u64) -> Does {
        self.origin.beat(1, count);
        Does::Have(self.origin.clone())
    }

    /// Follows in the background, as a hub does.
    fn keep_reading(&self, upstream: Upstream) -> tokio::task::JoinHandle<()> {
        let (hub, sources) = (self.hub().clone(), Arc::clone(&self.sources));
        tokio::spawn(async move {
            let (_changes, change) = watch::channel(());
            hub.keep_reading(&upstream, &sources, change, &Notify::new()).await;
        })
    }

    async fn until_size(&self, size: u64) {
        let reached = async {
            while self.size().await < size {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), reached).await.expect("it is read in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_alone_is_asked_as_long_as_it_answers() {
    let stage = Stage::new().await;
    assert_eq!(stage.hub().read_to_the_end(&stage.sources).await.expect("read"), BEFORE);
    assert!(stage.puppets[0].asked() > 0);
    assert_eq!([stage.puppets[1].asked(), stage.puppets[2].asked()], [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_home_cannot_tell_comes_from_the_source_that_knows_most() {
    let mut stage = Stage::new().await;
    stage.hub().read_to_the_end(&stage.sources).await.expect("read");
    let more = stage.grown(5);
    stage.puppets[0].now(Does::Nothing);
    stage.puppets[2].now(more);
    assert_eq!(stage.hub().read_to_the_end(&stage.sources).await.expect("read"), 5);
    let upstream = stage.upstream().await;
    assert_eq!(upstream.last_error.as_deref(), Some("connection refused"), "the home is dead all the same");
    assert_eq!(upstream.signed, BEFORE + 5);
    assert_eq!(stage.source(1).await.last_error, None);
    assert!(stage.source(1).await.heard_at.is_some());

    // Now the first is behind, which is no lie, and the home was put back to before.
    let before = Does::Have(Origin::new("hub.example.org"));
    let more = stage.grown(2);
    stage.puppets[0].now(before.clone());
    stage.puppets[1].now(before);
    stage.puppets[2].now(more);
    assert_eq!(stage.hub().read_to_the_end(&stage.sources).await.expect("read"), 2);
    assert_eq!(stage.upstream().await.state, UpstreamState::Following);
    let error = stage.source(0).await.last_error.expect("noted");
    assert!(error.contains("the source is behind"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_named_and_passed_over_and_nobody_else_is_blamed() {
    let mut stage = Stage::new().await;
    stage.hub().read_to_the_end(&stage.sources).await.expect("read");
    let more = stage.grown(3);
    stage.puppets[0].now(Does::Nothing);
    stage.puppets[1].now(Does::Lie(stage.origin.clone()));
    stage.puppets[2].now(more);
    assert_eq!(stage.hub().read_to_the_end(&stage.sources).await.expect("read"), 3);
    let error = stage.source(0).await.last_error.expect("noted");
    assert!(error.contains("`one`: the source lies"), "{error}");
    assert_eq!(stage.source(1).await.last_error, None, "the honest one is not blamed");
    assert_eq!(stage.upstream().await.state, UpstreamState::Following, "a liar freezes nothing");

    // When nobody has a good answer, the home's trouble is told.
    stage.grown(1);
    stage.puppets[1..].iter().for_each(|puppet| puppet.now(Does::Lie(stage.origin.clone())));
    let told = stage.hub().read_to_the_end(&stage.sources).await.expect_err("all lie or are dead");
    assert_eq!(told.message(), "connection refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pasts_shown_by_any_source_stop_the_following() {
    let mut stage = Stage::new().await;
    stage.hub().read_to_the_end(&stage.sources).await.expect("read");
    stage.grown(1);
    stage.puppets[0].now(Does::Nothing);
    stage.puppets[1].now(Does::Have(other_past(&stage.origin, 1, BEFORE + 5)));
    stage.hub().read_to_the_end(&stage.sources).await.expect_err("the origin signed two logs");
    assert_eq!(stage.upstream().await.state, UpstreamState::Frozen);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_is_preferred_again_as_soon_as_it_is_back() {
    let mut stage = Stage::new().await;
    let [home, one, two] = stage.puppets.clone();
    home.now(Does::Nothing);
    let reading = stage.keep_reading(stage.upstream().await);
    stage.until_size(BEFORE).await;
    let more = stage.grown(1);
    two.now(more);
    stage.until_size(BEFORE + 1).await;
    let more = stage.grown(1);
    one.now(more.clone());
    stage.until_size(BEFORE + 2).await;

    // Only the home knows of this, and the mirrors need not be asked any more.
    let mut more = stage.grown(1);
    home.now(more);
    stage.until_size(BEFORE + 3).await;
    let asked = one.asked() + two.asked();
    for size in BEFORE + 4..BEFORE + 8 {
        more = stage.grown(1);
        home.now(more);
        stage.until_size(size).await;
    }
    assert_eq!(one.asked() + two.asked(), asked, "mirrors are not asked while the home answers");
    assert_eq!(stage.upstream().await.last_error, None);
    reading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_taken_from_whoever_has_those_with_the_right_hash() {
    let stage = Stage::new().await;
    let [home, one, two] = &stage.puppets;
    let good = Sha256::new(sha2::Sha256::digest(b"good").into());
    let find = || stage.sources.find("a body", good, |peer| peer.body(good));
    assert_eq!(find().await.unwrap_err().kind(), Kind::NotFound, "nobody has it");
    *one.body.lock().unwrap() = Some(b"evil");
    let told = find().await.unwrap_err();
    assert_eq!(
        (told.kind(), told.message()),
        (Kind::Invalid, "a body of `one` is not the one that was signed")
    );
    *two.body.lock().unwrap() = Some(b"good");
    assert_eq!(find().await.unwrap(), "good");
    assert_eq!(stage.source(0).await.last_error.as_deref(), Some(told.message()));
    assert_eq!(stage.source(1).await.last_error, None);
    *home.body.lock().unwrap() = Some(b"good");
    assert_eq!(find().await.unwrap(), "good");
}
