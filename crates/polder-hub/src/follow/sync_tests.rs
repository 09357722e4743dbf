//! Who waits for mirrors sees how far they are and why some are behind, and may go away.

use std::sync::{Arc, Mutex, mpsc};

use polder_db::{LimitChange, LimitChanges, MirrorMode, MirrorState};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::HubPeer;
use super::rehearsal::{Pair, URL};
use super::sources::{Source, SourceSet};
use super::sync::{SyncReport, SyncStatus};
use crate::Hub;
use crate::blocking::in_place;
use crate::error::{Kind, Result};

/// A home of `acme/open`, one large object of which nothing comes until `gate` is dropped.
struct Held {
    pair: Pair,
    sources: Arc<SourceSet>,
    gate: mpsc::Sender<()>,
}

const OBJECT_BYTES: usize = 1_000_000;

impl Held {
    async fn new() -> Self {
        let pair = Pair::open(MirrorMode::Full).await;
        pair.commit_object("model.bin", &vec![7; OBJECT_BYTES]).await;
        pair.home.hub.sequence_once().await.expect("sequenced");
        let (gate, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let home = EvilPeer::saying(HubPeer::new(&pair.home.hub), move |asked, answer| {
            if matches!(asked, Question::Range(..) | Question::Extents(..)) {
                in_place(|| held.lock().expect("whole").recv().expect_err("nothing is sent"));
            }
            Said::This(answer)
        });
        let home = Source::home(Arc::new(home));
        let sources = Arc::new(SourceSet::new(pair.hub().db.clone(), pair.log, vec![home]));
        Self { pair, sources, gate }
    }

    /// Works on the mirrors as a server does, until it is aborted.
    async fn serve(&self) -> JoinHandle<()> {
        let (hub, upstream) = (self.pair.hub().clone(), self.pair.upstream().await);
        let (sources, serving) = (Arc::clone(&self.sources), Arc::new(Notify::new()));
        let begun = Arc::clone(&serving);
        let task = tokio::spawn(async move {
            let _works = hub.under_way.work();
            begun.notify_one();
            hub.keep_mirroring(&upstream, &sources, &Notify::new()).await;
        });
        serving.notified().await;
        task
    }

    /// Waits for the mirrors; what is told meanwhile comes out of the other end.
    async fn watch(&self) -> (JoinHandle<Result<SyncReport>>, UnboundedReceiver<SyncStatus>) {
        let (tell, told) = unbounded_channel();
        let (hub, upstream) = (self.pair.hub().clone(), self.pair.upstream().await);
        let sources = Arc::clone(&self.sources);
        (tokio::spawn(async move { sync(&hub, &[(upstream, sources)], tell).await }), told)
    }
}

async fn sync(
    hub: &Hub,
    all: &[(polder_db::Upstream, Arc<SourceSet>)],
    tell: UnboundedSender<SyncStatus>,
) -> Result<SyncReport> {
    let nobody: crate::Progress = Arc::new(|_line| {});
    hub.sync_from(all, &nobody, &|status| drop(tell.send(status))).await
}

/// The first status that tells of an object on its way.
async fn coming(told: &mut UnboundedReceiver<SyncStatus>) -> SyncStatus {
    loop {
        let status = told.recv().await.expect("it goes on");
        if status.fetches.iter().any(|(_, fetch)| fetch.objects.is_some()) {
            return status;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_a_fetch_and_goes_away_leaves_it_and_its_claim_alone() {
    let held = Held::new().await;
    let (hub, served) = (held.pair.hub(), held.serve().await);
    let (watcher, mut told) = held.watch().await;
    let status = coming(&mut told).await;
    let (name, fetch) = &status.fetches[0];
    assert_eq!((status.to_go, name.to_string()), (1, "acme.hub.example/open".to_owned()));
    assert_eq!((fetch.objects, fetch.done_bytes), (Some((0, 1)), 0));
    assert_eq!(fetch.of_bytes, u64::try_from(OBJECT_BYTES).ok());
    let claimed = held.pair.mirror("acme/open").await;
    watcher.abort();
    assert!(watcher.await.expect_err("it is gone").is_cancelled());

    let listed = hub.list_followed().await.expect("listed");
    assert_eq!(listed[0].mirrors[0].state, MirrorState::Waiting);
    let still = listed[0].mirrors[0].fetching.expect("it goes on");
    assert_eq!((still.objects, still.done_bytes), (Some((0, 1)), 0));
    let renewed = hub.db.still_mirroring(&claimed, 300).await.expect("written");
    assert!(renewed, "its worker has the claim");

    let (other, _told) = held.watch().await;
    drop(held.gate);
    assert_eq!(other.await.expect("ended").expect("read"), SyncReport::default());
    let ready = held.pair.mirror("acme/open").await;
    assert_eq!((ready.state, ready.attempt), (MirrorState::Ready, claimed.attempt), "the same attempt");
    assert!(held.pair.shown("open").await.is_some());
    assert_eq!(hub.fetches_under_way().await.expect("read"), []);
    served.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_that_the_hub_stops() {
    let held = Held::new().await;
    let served = held.serve().await;
    let (watcher, mut told) = held.watch().await;
    coming(&mut told).await;
    served.abort();
    let stopped = watcher.await.expect("ended").expect_err("it was not brought up to date");
    assert_eq!(stopped.kind(), Kind::Unavailable);
    drop(held.gate);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_after_a_sync_is_named_with_its_reason() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit_object("model.bin", &vec![7; OBJECT_BYTES]).await;
    pair.add("acme/empty").await;
    let budget = |bytes| LimitChanges { budget: Some(LimitChange::Set(bytes)), ..LimitChanges::default() };
    pair.hub().db.change_limits(pair.log, budget(1_000)).await.expect("changed");
    pair.home.hub.sequence_once().await.expect("sequenced");
    let all = [(pair.upstream().await, pair.sources())];
    let report = sync(pair.hub(), &all, unbounded_channel().0).await.expect("read");
    assert_eq!((report.behind, report.reasons.len()), (1, 1));
    assert!(report.reasons[0].starts_with("acme/open is paused-quota: "), "{report:?}");
    assert_eq!(pair.state("acme/empty").await, MirrorState::Ready);

    pair.hub().db.change_limits(pair.log, budget(10_000_000)).await.expect("changed");
    let report = sync(pair.hub(), &all, unbounded_channel().0).await.expect("read");
    assert_eq!(report, SyncReport::default(), "it is tried at once");

    let gone = HubPeer { answers: Arc::new(0.into()), ..HubPeer::new(&pair.home.hub) };
    let gone = SourceSet::new(pair.hub().db.clone(), pair.log, vec![Source::home(Arc::new(gone))]);
    let all = [(pair.upstream().await, Arc::new(gone))];
    let report = sync(pair.hub(), &all, unbounded_channel().0).await.expect("read");
    assert_eq!(report.behind, 1);
    assert!(report.reasons[0].starts_with(&format!("{URL}: ")), "{report:?}");
}
