//! What limits a follower: mirrors wait for room and for their hours, and what must be hidden never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use polder_db::{FollowLimits, LimitChange, LimitChanges, MirrorMode, MirrorState};
use polder_types::Sha256;
use sha2::Digest as _;

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::HubPeer;
use super::limits::{Declared, Pause};
use super::rehearsal::{Pair, follow};
use super::sources::{Source, SourceSet};
use crate::FederationOptions;
use crate::tests::large_objects::put;
use crate::tests::{START, fixture, fixture_with, repo};

const SHUT: &str = "the clock stands within these";

impl Pair {
    async fn limit(&self, changes: LimitChanges) {
        self.hub().db.change_limits(self.log, changes).await.expect("changed");
    }

    async fn budget(&self, bytes: u64) {
        self.limit(LimitChanges { budget: Some(LimitChange::Set(bytes)), ..LimitChanges::default() }).await;
    }

    /// Things may come within an hour from so many seconds after the beginning on.
    async fn window(&self, begins: i64) {
        let minute = |seconds: i64| {
            let minute = (START / 1000 + seconds).rem_euclid(86_400) / 60;
            format!("{:02}:{:02}", minute / 60, minute % 60)
        };
        let hours = format!("{}-{}", minute(begins), minute(begins + 3_600)).parse().expect(SHUT);
        self.limit(LimitChanges { hours: Some(LimitChange::Set(hours)), ..LimitChanges::default() }).await;
    }

    /// What the home's `acme/open` points to from now on.
    pub(super) async fn commit_object(&self, path: &str, content: &[u8]) {
        let object = put(&self.home, "acme/open", content).await;
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
            object.oid, object.size_bytes
        );
        self.commit("acme/open", path, &pointer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_its_hours_a_mirror_waits_for_them_but_is_renamed_and_hidden_at_once() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "README.md", "first").await;
    pair.sync().await;
    let first = pair.shown("open").await.expect("shown");
    pair.window(7_200).await;
    pair.commit("acme/open", "README.md", "second").await;
    pair.sync().await;
    let paused = pair.mirror("acme/open").await;
    assert_eq!((paused.state, paused.failures), (MirrorState::PausedWindow, 0));
    assert!(paused.last_error.expect("said").contains("UTC only"));
    assert_eq!(pair.shown("open").await.as_ref(), Some(&first), "the old state is served");
    assert_eq!(pair.claim().await, None, "nothing is tried before");

    // Where nothing new is reached there is nothing to wait for.
    pair.add("acme/empty").await;
    pair.sync().await;
    assert_eq!(pair.state("acme/empty").await, MirrorState::Ready);
    pair.home.hub.rename_repo(&repo("acme/empty"), &repo("acme/hollow")).await.expect("renamed");
    pair.sync().await;
    assert!(pair.shown("hollow").await.is_some());

    pair.pass_seconds(7_200);
    pair.sync().await;
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
    assert_ne!(pair.shown("open").await.expect("shown"), first);

    pair.pass_seconds(3_600);
    pair.commit("acme/open", "README.md", "third").await;
    pair.sync().await;
    assert_eq!(pair.state("acme/open").await, MirrorState::PausedWindow);
    pair.home.hub.take_down(&repo("acme/open"), "unlawful", false).await.expect("taken down");
    pair.sync().await;
    assert_eq!((pair.state("acme/open").await, pair.shown("open").await), (MirrorState::Hidden, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_over_the_budget_waits_before_any_of_it_comes() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "README.md", "first").await;
    pair.sync().await;
    let (hub, held) = (pair.hub(), pair.hub().db.upstream_bytes(pair.log).await.expect("counted"));
    assert!(held > 0, "a pack is here");
    pair.budget(held + 999_999).await;
    pair.commit_object("model.bin", &vec![7; 1_000_000]).await;
    pair.sync().await;
    let paused = pair.mirror("acme/open").await;
    assert_eq!((paused.state, paused.ready_rseq + 1), (MirrorState::PausedQuota, paused.rseq));
    let why = paused.last_error.expect("said");
    assert!(why.contains(&format!("hold {held} bytes; 1000000 more")), "{why}");
    assert_eq!(hub.db.upstream_bytes(pair.log).await.expect("counted"), held, "no pack came either");
    assert_eq!(hub.store.transfers().expect("listed"), []);
    // A lazy mirror needs only git.
    hub.db.set_mirror_modes(pair.log, vec![(paused.rid, MirrorMode::Lazy)]).await.expect("set");
    pair.sync().await;
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_come_at_once_is_within_the_budget_and_the_disk_together() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.budget(10).await;
    let admit = async |counted, written| {
        let admitted = pair.hub().admit(pair.log, Declared { counted, written }).await;
        admitted.map_err(|error| Pause::of(&error).expect("a pause").state())
    };
    let first = admit(6, 6).await.expect("there is room");
    assert_eq!(admit(5, 5).await.expect_err("6 are coming"), MirrorState::PausedQuota);
    first.arrived(2);
    let second = admit(6, 6).await.expect("4 are still coming");
    drop(first);
    assert_eq!(admit(5, 5).await.expect_err("6 are coming"), MirrorState::PausedQuota);
    drop(second);
    drop(admit(10, 10).await.expect("nothing is coming"));
    assert_eq!(admit(0, u64::MAX).await.expect_err("no disk has that"), MirrorState::PausedDisk);
    pair.window(7_200).await;
    assert_eq!(admit(1, 1).await.expect_err("not now"), MirrorState::PausedWindow);
    let none = FollowLimits::default();
    let lift = LimitChanges { budget: Some(LimitChange::Lift), hours: Some(LimitChange::Lift), rate: None };
    pair.limit(lift).await;
    assert_eq!(pair.upstream().await.limits, none);
    assert!(admit(u64::MAX, 1).await.expect("no limits").until().is_none());
}

/// Letters that no compression makes much shorter.
fn noise(len: usize) -> String {
    let letter = |byte: u8| char::from(b'0' + byte % 64);
    crate::tests::transfer::sources::noise(40, len).into_iter().map(letter).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_would_be_over_the_budget_is_cut_and_comes_whole_when_that_is_raised() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.budget(10_000).await;
    pair.commit("acme/open", "noise.txt", &noise(100_000)).await;
    pair.sync().await;
    let paused = pair.mirror("acme/open").await;
    assert_eq!((paused.state, paused.ready_rseq), (MirrorState::PausedQuota, 0));
    let why = paused.last_error.expect("said");
    assert!(why.contains("would be over their budget of 10000"), "{why}");
    let held = async || pair.hub().db.upstream_bytes(pair.log).await.expect("counted");
    assert!(held().await <= 10_000);
    pair.budget(1_000_000).await;
    pair.sync().await;
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
    assert!(held().await > 40_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_comes_no_faster_than_it_may() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "noise.txt", &noise(100_000)).await;
    let rate = std::num::NonZeroU64::new(25_000).map(LimitChange::Set);
    pair.limit(LimitChanges { rate, ..LimitChanges::default() }).await;
    let began = std::time::Instant::now();
    pair.sync().await;
    let (passed, bytes) = (began.elapsed(), pair.hub().db.upstream_bytes(pair.log).await.expect("counted"));
    assert!(bytes > 50_000, "{bytes}");
    assert!(passed.as_millis() >= u128::from(bytes / 25), "{bytes} bytes came in {passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_stops_with_its_hours_and_goes_on_from_there_in_the_next() {
    let pair = Pair::open(MirrorMode::Full).await;
    let content = crate::tests::transfer::sources::noise(41, 24_000_000);
    pair.commit_object("model.bin", &content).await;
    // START is 14:13:20.
    pair.pass_seconds(30);
    pair.limit(LimitChanges {
        hours: Some(LimitChange::Set("13:00-14:14".parse().expect("hours"))),
        rate: std::num::NonZeroU64::new(1_600_000).map(LimitChange::Set),
        budget: None,
    })
    .await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&sent);
    let peer = EvilPeer::saying(HubPeer::new(&pair.home.hub), move |question, answer| {
        if matches!(question, Question::Range(..) | Question::Extents(..)) {
            counting.fetch_add(answer.len(), Ordering::Relaxed);
        }
        Said::This(answer)
    });
    let sources = vec![Source::home(Arc::new(peer))];
    let sources = Arc::new(SourceSet::new(pair.hub().db.clone(), pair.log, sources));
    pair.sync_from(&sources).await;
    let paused = pair.mirror("acme/open").await;
    assert_eq!((paused.state, paused.ready_rseq), (MirrorState::PausedWindow, 0));
    assert_eq!(pair.hub().store.transfers().expect("listed").len(), 1, "what came is kept");
    assert!(sent.swap(0, Ordering::Relaxed) > 0);
    assert_eq!(pair.claim().await, None, "it waits for tomorrow");

    pair.pass_seconds(20);
    let lifted = LimitChanges { rate: Some(LimitChange::Lift), ..LimitChanges::default() };
    pair.limit(lifted).await;
    pair.sync_from(&sources).await;
    assert_eq!(pair.state("acme/open").await, MirrorState::PausedWindow, "whatever else changes");
    pair.pass_seconds(22 * 3_600 + 47 * 60);
    pair.sync_from(&sources).await;
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
    let second = sent.load(Ordering::Relaxed);
    assert!(second < content.len(), "{second} bytes of {} came again", content.len());
}

/// A frame of what git is sent.
fn frame(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}\x01", bytes.len() + 5).as_bytes(), bytes].concat()
}

/// The beginning of a pack of very many objects, and one of them, as git is sent them.
fn endless_pack() -> (Bytes, Bytes) {
    const SIZE: u16 = 60_000;
    let count = 50_000_000_u32.to_be_bytes();
    let start = [b"000dpackfile\n", &frame(&[b"PACK\0\0\0\x02", &count[..]].concat())[..]].concat();
    let content: Vec<u8> = crate::tests::transfer::sources::noise(43, SIZE.into());
    // A blob of that many bytes, in one block that is not compressed.
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in &content {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let size = u64::from(SIZE).to_le_bytes();
    let head =
        [0xb0 | size[0] & 15, 0x80 | (SIZE >> 4).to_le_bytes()[0] & 127, (SIZE >> 11).to_le_bytes()[0]];
    let deflated = [&[0x78, 1, 1][..], &SIZE.to_le_bytes(), &(!SIZE).to_le_bytes()].concat();
    let sum = (high << 16 | low).to_be_bytes();
    let object = [&head[..], &deflated, &content, &sum].concat();
    (start.into(), frame(&object).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_without_end_is_cut_where_the_operator_says_and_another_source_is_asked() {
    const MOST: u64 = 10_000_000;
    let home = fixture().await;
    home.hub.begin_log().await.expect("begun");
    let options = FederationOptions { mirror_pack_bytes_max: MOST, ..FederationOptions::default() };
    let place = fixture_with(options).await;
    let log = follow(&home.hub, &place.hub, "*", MirrorMode::Full).await;
    let pair = Pair { home, place, log };
    pair.commit("acme/open", "README.md", "first").await;
    let sent = Arc::new(AtomicUsize::new(0));
    let evil = || {
        let sent = Arc::clone(&sent);
        EvilPeer::saying(HubPeer::new(&pair.home.hub), move |question, answer| match question {
            Question::Git(_) => {
                sent.fetch_add(1, Ordering::Relaxed);
                let (start, again) = endless_pack();
                Said::Repeated(start, again)
            }
            _ => Said::This(answer),
        })
    };
    let sources = |all| Arc::new(SourceSet::new(pair.hub().db.clone(), pair.log, all));
    let alone = sources(vec![Source::home(Arc::new(evil()))]);
    pair.sync_from(&alone).await;
    let paused = pair.mirror("acme/open").await;
    assert_eq!((paused.state, paused.ready_rseq), (MirrorState::PausedQuota, 0), "{:?}", paused.last_error);
    assert!(paused.last_error.expect("said").contains("10000000 bytes of the largest pack"));
    assert_eq!(pair.hub().db.upstream_bytes(pair.log).await.expect("counted"), 0);
    pair.pass_seconds(23 * 3_600);
    pair.sync_from(&alone).await;
    assert_eq!(sent.load(Ordering::Relaxed), 1, "not so soon again");

    pair.pass_seconds(2 * 3_600);
    let honest = Source::mirror(Arc::new(HubPeer::new(&pair.home.hub)), "https://b.example".to_owned());
    pair.sync_from(&sources(vec![Source::home(Arc::new(evil())), honest])).await;
    assert_eq!(sent.load(Ordering::Relaxed), 2);
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_comes_no_faster_than_it_may_and_is_not_kept_out_by_the_budget() {
    let pair = Pair::open(MirrorMode::Full).await;
    let content = crate::tests::transfer::sources::noise(44, 300_000);
    pair.commit_object("model.bin", &content).await;
    pair.sync().await;
    let hub = pair.hub();
    let home = HubPeer::new(&pair.home.hub);
    let oid = Sha256::new(sha2::Sha256::digest(&content).into());
    let blob = hub.db.find_blob(&oid).await.expect("read").expect("there");
    std::fs::remove_file(hub.store.blob_path(blob.id)).expect("removed");
    hub.scrub_once(None).await.expect("scrubbed");
    // Told after everything came.
    let rate = std::num::NonZeroU64::new(100_000).map(LimitChange::Set);
    pair.limit(LimitChanges { rate, budget: Some(LimitChange::Set(1)), hours: None }).await;
    let repo = pair.mirror("acme/open").await.repo.expect("mirrored");
    let began = std::time::Instant::now();
    let damaged = hub.db.damaged_blobs(1).await.expect("read").pop().expect("found");
    hub.repair(&damaged, repo, vec![super::peer::Peer::objects(&home)]).await.expect("repaired");
    assert!(began.elapsed().as_millis() >= 2_000, "{:?}", began.elapsed());
    assert!(hub.db.damaged_blobs(1).await.expect("read").is_empty());
}
