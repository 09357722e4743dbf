//! Large objects from sources of every kind.

mod beginning;
mod crash;
mod lazy;
mod reading;
pub(crate) mod sources;

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use polder_types::RepoId;

use self::sources::{Kind::*, Object, Source, noise};
use super::large_objects::put;
use super::*;

const MIB: usize = 1 << 20;

/// Long enough for a busy machine.
fn patient() -> TransferOptions {
    TransferOptions { patience: Duration::from_secs(10), ..TransferOptions::default() }
}

/// Where a source is to be given up for its silence.
fn impatient() -> TransferOptions {
    TransferOptions { patience: Duration::from_secs(1), ..TransferOptions::default() }
}

/// Impatient if one of them is silent.
fn patience_for(sources: &[&Arc<Source>]) -> TransferOptions {
    if sources.iter().any(|source| source.is_silent()) { impatient() } else { patient() }
}

fn all(sources: &[&Arc<Source>]) -> Vec<Arc<dyn ObjectSource>> {
    let unsized_one = |source: &&Arc<Source>| -> Arc<dyn ObjectSource> { Arc::<Source>::clone(source) };
    sources.iter().map(unsized_one).collect()
}

fn names(fetched: &Fetched) -> Vec<&str> {
    fetched.liars.iter().map(|liar| liar.source.as_str()).collect()
}

impl Fixture {
    async fn open_repo(&self) -> RepoId {
        self.hub.live_repo(&repo("acme/open")).await.expect("there").id
    }

    /// Fetches into `acme/open` and sees to it that what was published is the object, list and all.
    async fn fetch(&self, object: &Object, sources: &[&Arc<Source>]) -> Result<Fetched> {
        self.fetch_with(object, sources, patient()).await
    }

    async fn fetch_with(
        &self,
        object: &Object,
        sources: &[&Arc<Source>],
        options: TransferOptions,
    ) -> Result<Fetched> {
        let wanted = object.wanted(self.open_repo().await);
        let fetched = self.hub.fetch_object(wanted, all(sources), options).await?;
        self.require(object).await;
        Ok(fetched)
    }

    async fn require(&self, object: &Object) {
        let blob = self.hub.db.find_blob(&object.oid).await.expect("read").expect("there");
        assert!(fs::read(self.hub.store.blob_path(blob.id)).expect("read") == object.content);
        assert_eq!(fs::read(self.hub.store.list_path(blob.id)).expect("a list"), object.list.encode());
        assert_eq!(blob.xet, Some(object.list.header.file_hash));
        assert_eq!(self.hub.store.transfers().expect("listed"), []);
        self.hub.open_linked(self.open_repo().await, object.oid).await.expect("linked");
    }
}

fn overhead_is_small(fetched: &Fetched, missing: usize) {
    let missing = u64::try_from(missing).expect("small");
    assert!(fetched.fetched_bytes <= missing + missing / 50, "{} of {missing}", fetched.fetched_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_sources_share_the_work_and_no_byte_comes_twice() {
    let (fixture, object) = (fixture().await, Object::new(noise(1, 60 * MIB)));
    let sources: Vec<_> = ["a", "b", "c"].iter().map(|name| object.source(name, Slow(1))).collect();
    let fetched = fixture.fetch(&object, &sources.iter().collect::<Vec<_>>()).await.expect("fetched");
    overhead_is_small(&fetched, object.content.len());
    assert!(sources.iter().all(|source| source.sent() > 0));
    assert_eq!(fetched.liars, []);
    // Again: nothing moves.
    let again = fixture.fetch(&object, &sources.iter().collect::<Vec<_>>()).await.expect("here");
    assert_eq!((again.fetched_bytes, again.blob), (0, fetched.blob));
}

/// X18: one of three lies in one byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lies_in_one_byte_is_named_and_the_object_is_right() {
    let (fixture, object) = (fixture().await, Object::new(noise(2, 60 * MIB)));
    // Wherever the first unit of each is, it meets the lie.
    let liar = object.source("liar", Lying(3 * 1_000_000));
    let (b, c) = (object.source("b", Honest), object.source("c", Honest));
    let fetched = fixture.fetch(&object, &[&liar, &b, &c]).await.expect("fetched");
    assert_eq!(names(&fetched), ["liar"]);
    overhead_is_small(&fetched, object.content.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_liars_deliver_nothing_and_are_all_named() {
    let (fixture, object) = (fixture().await, Object::new(noise(3, 3 * MIB)));
    let (a, b) = (object.source("a", Lying(2_700_000)), object.source("b", Lying(2_700_001)));
    let error = fixture.fetch(&object, &[&a, &b]).await.expect_err("nothing right");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error.message().contains("`a` lied") && error.message().contains("`b` lied"),
        "{}",
        error.message()
    );
    assert!(fixture.hub.db.find_blob(&object.oid).await.expect("read").is_none());
    // What was good is kept: an honest one brings only the rest.
    let honest = object.source("honest", Honest);
    let fetched = fixture.fetch(&object, &[&honest]).await.expect("fetched");
    assert!(fetched.fetched_bytes < u64::try_from(MIB).expect("small"), "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_fail_in_any_way_only_cost_time() {
    let options = TransferOptions { patience: Duration::from_secs(2), ..patient() };
    for kind in [Dead, Broken, Truncated, Endless, Plain, Slow(40), Stops(300_000)] {
        let (fixture, object) = (fixture().await, Object::new(noise(4, 20 * MIB)));
        let (bad, good) = (object.source("bad", kind), object.source("good", Slow(1)));
        let fetched = fixture
            .fetch_with(&object, &[&bad, &good], options.clone())
            .await
            .unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        assert_eq!(fetched.liars, [], "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_source_can_deliver_it_is_said_why() {
    for (kind, why) in [(Dead, "in time"), (Broken, "500"), (Truncated, "cut short")] {
        let (fixture, object) = (fixture().await, Object::new(noise(5, 2 * MIB)));
        let sources = [&object.source("x", kind)];
        let error =
            fixture.fetch_with(&object, &sources, patience_for(&sources)).await.expect_err("undeliverable");
        assert!(
            error.kind() == Kind::Unavailable && error.message().contains(why),
            "{kind:?}: {}",
            error.message()
        );
    }
    let (fixture, object) = (fixture().await, Object::new(noise(5, MIB)));
    let error = fixture.fetch(&object, &[]).await.expect_err("nobody");
    assert!(error.message().contains("there is none"), "{}", error.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_until_its_time_was_over_need_not_come_again() {
    let (fixture, object) = (fixture().await, Object::new(noise(33, 3 * MIB)));
    let until = Some(tokio::time::Instant::now() + Duration::from_secs(2));
    let options = TransferOptions { until, patience: Duration::from_mins(1), ..patient() };
    let stops = object.source("stops", Stops(2_000_000));
    let error = fixture.fetch_with(&object, &[&stops], options.clone()).await.expect_err("it never ends");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.message().contains("time"), "{}", error.message());
    let over = fixture.fetch_with(&object, &[&object.source("honest", Honest)], options).await;
    over.expect_err("its time is over before it begins");
    let fetched = fixture.fetch(&object, &[&object.source("honest", Honest)]).await.expect("fetched");
    assert!(fetched.fetched_bytes < 2_000_000, "{fetched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_list_is_seen_before_a_byte_is_fetched_by_it() {
    let (fixture, object) = (fixture().await, Object::new(noise(6, 20 * MIB)));
    let (liar, honest) = (object.source("liar", LyingList), object.source("honest", Honest));
    let fetched = fixture.fetch(&object, &[&liar, &honest]).await.expect("fetched");
    assert_eq!((names(&fetched), liar.sent()), (vec!["liar"], 0));
}

/// Nodes of the tree pass for chunks: the list has the signed hash, and no bytes in the world fit it.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_list_with_the_right_hash_is_blamed_on_who_sent_it_and_on_nobody_else() {
    let (fixture, object) = (fixture().await, Object::cut_evenly(noise(7, 5 * MIB)));
    let (forger, b, c) =
        (object.source("forger", ForgedList), object.source("b", Honest), object.source("c", Honest));
    let fetched = fixture.fetch(&object, &[&forger, &b, &c]).await.expect("fetched");
    assert_eq!(names(&fetched), ["forger"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_an_append_and_a_copy_move_only_what_is_new() {
    let fixture = fixture().await;
    let first = Object::new(noise(8, 64 * MIB));
    put(&fixture, "acme/open", &first.content).await;
    // A changed megabyte in the middle, then two more at the end.
    let mut edited = first.content.to_vec();
    edited[30 * MIB..31 * MIB].copy_from_slice(&noise(9, MIB));
    let edited = Object::new(edited);
    let source = edited.source("a", Honest);
    let fetched = fixture.fetch(&edited, &[&source]).await.expect("fetched");
    let few =
        |bytes: u64| bytes < u64::try_from(MIB + 6 * 128 * 1024 + edited.list.encode().len()).expect("small");
    assert!(few(fetched.fetched_bytes), "{fetched:?}");

    let appended = Object::new([&edited.content[..], &noise(10, 2 * MIB)].concat());
    let fetched = fixture.fetch(&appended, &[&appended.source("a", Honest)]).await.expect("fetched");
    assert!(fetched.fetched_bytes < u64::try_from(2 * MIB + 500_000).expect("small"), "{fetched:?}");

    // Small edits all over it, of which one request asks for many.
    let mut scattered = appended.content.to_vec();
    for at in (0..scattered.len()).step_by(2 * MIB) {
        scattered[at] ^= 1;
    }
    let scattered = Object::new(scattered);
    let source = scattered.source("a", Honest);
    let fetched = fixture.fetch(&scattered, &[&source]).await.expect("fetched");
    assert!(fetched.fetched_bytes < 34 * 140_000, "{fetched:?}");
    // A server of plain files sends what lies between, too.
    let plain = Object::new([&scattered.content[..], b"."].concat());
    let fetched = fixture.fetch(&plain, &[&plain.source("list", Honest), &plain.source("b", Plain)]).await;
    assert!(fetched.expect("fetched").fetched_bytes < 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_what_only_some_may_read_are_not_used_for_others() {
    let secret = Object::new(noise(11, 4 * MIB));
    // The very same object, and one that shares nearly all of it.
    for object in [secret.clone(), Object::new([&secret.content[..], b"more"].concat())] {
        let fixture = fixture().await;
        put(&fixture, "acme/closed", &secret.content).await;
        let fetched = fixture.fetch(&object, &[&object.source("a", Honest)]).await.expect("fetched");
        assert_eq!(fetched.reused_bytes, 0);
        assert!(fetched.fetched_bytes > u64::try_from(object.content.len()).expect("small"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_signed_hash_the_whole_decides() {
    let (fixture, object) = (fixture().await, Object::new(noise(12, 10 * MIB)));
    let wanted = Wanted { xet: None, ..object.wanted(fixture.open_repo().await) };
    let (liar, honest) = (object.source("liar", Lying(7)), object.source("honest", Plain));
    let fetched = fixture.hub.fetch_object(wanted, all(&[&liar, &honest]), patient()).await.expect("fetched");
    assert_eq!(names(&fetched), ["liar"]);
    fixture.require(&object).await;

    let (half, object) = (Stops(3_000_000), Object::new(noise(13, 10 * MIB)));
    let wanted = Wanted { xet: None, ..object.wanted(fixture.open_repo().await) };
    let (half, honest) = (object.source("half", half), object.source("honest", Honest));
    let fetched =
        fixture.hub.fetch_object(wanted, all(&[&half, &honest]), impatient()).await.expect("fetched");
    assert_eq!(fetched.liars, []);
    fixture.require(&object).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_pair_that_contradicts_itself_is_blamed_on_no_source() {
    let (fixture, mut object) = (fixture().await, Object::new(noise(14, 3 * MIB)));
    object.oid = polder_types::Sha256::new([1; 32]);
    let mut list = polder_xet::ChunkList::clone(&object.list);
    list.header.sha256 = [1; 32];
    object.list = Arc::new(list);
    let error = fixture.fetch(&object, &[&object.source("a", Honest)]).await.expect_err("wrong");
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message().contains("whoever signed"), "{}", error.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_object_needs_no_source() {
    let (fixture, object) = (fixture().await, Object::new(Vec::new()));
    fixture.fetch(&object, &[]).await.expect("nothing to fetch");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_for_is_refused_before_a_byte_is_fetched() {
    let (fixture, object) = (fixture().await, Object::new(noise(15, MIB)));
    let source = object.source("a", Honest);
    let wanted = Wanted { size_bytes: 1 << 39, ..object.wanted(fixture.open_repo().await) };
    let error = fixture.hub.fetch_object(wanted, all(&[&source]), patient()).await.expect_err("too large");
    assert_eq!(error.kind(), Kind::Full);
    fixture.hub.set_quota(&name("acme"), QuotaLimit::Bytes(1000)).await.expect("set");
    let error = fixture.fetch(&object, &[&source]).await.expect_err("over quota");
    assert_eq!((error.kind(), source.sent()), (Kind::OverQuota, 0));
    assert_eq!(fixture.hub.store.transfers().expect("listed"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_transfer_goes_on_and_an_abandoned_one_is_removed_after_a_week() {
    let (fixture, object) = (fixture().await, Object::new(noise(16, 30 * MIB)));
    let stops = object.source("stops", Stops(12_000_000));
    let error = fixture.fetch_with(&object, &[&stops], impatient()).await.expect_err("half of it");
    assert_eq!(error.kind(), Kind::Unavailable);
    let fetched = fixture.fetch(&object, &[&object.source("rest", Honest)]).await.expect("fetched");
    assert!(fetched.fetched_bytes < 20_000_000, "{fetched:?}");

    let other = Object::new(noise(17, 2 * MIB));
    let stops = other.source("stops", Stops(0));
    fixture.fetch_with(&other, &[&stops], impatient()).await.expect_err("none of it");
    assert_eq!(fixture.hub.store.transfers().expect("listed").len(), 1);
    let week = 7 * 24 * 3600 * 1000;
    let now = Clock::System.now().0;
    for (at, left) in [(now + week - 60_000, 1), (now + week + 60_000, 0)] {
        fixture.millis.store(at, Ordering::Relaxed);
        fixture.hub.sweep_transfers().await.expect("swept");
        assert_eq!(fixture.hub.store.transfers().expect("listed").len(), left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_was_not_written_down_is_found_and_only_what_is_wrong_of_it_comes_again() {
    const CAME: u64 = 10_000_000;
    let (fixture, object) = (fixture().await, Object::new(noise(18, 30 * MIB)));
    let wanted = object.wanted(fixture.open_repo().await);
    let came = Arc::new(tokio::sync::Notify::new());
    let (hub, sources, told) =
        (fixture.hub.clone(), all(&[&object.source("stops", Stops(CAME + 2_000_000))]), Arc::clone(&came));
    let progress = move |now: TransferProgress| {
        if now.good_bytes >= CAME {
            told.notify_one();
        }
    };
    let options = TransferOptions { progress: Some(Arc::new(progress)), ..patient() };
    let fetching = tokio::spawn(async move { hub.fetch_object(wanted, sources, options).await });
    came.notified().await;
    // As a process that dies: nothing is saved on the way out.
    fetching.abort();
    fetching.await.expect_err("aborted");
    let a_blob = fixture.hub.store.blob_path(polder_types::BlobId(1));
    let root = a_blob.ancestors().find(|at| at.join("transfers").exists()).expect("there");
    let data = root.join("transfers").join(wanted.key()).join("data");
    let data = fs::File::options().write(true).open(data).expect("there");
    std::os::unix::fs::FileExt::write_all_at(&data, b"wrong", 5_000_000).expect("written");
    let fetched = fixture.fetch(&object, &[&object.source("rest", Honest)]).await.expect("fetched");
    overhead_is_small(
        &fetched,
        30 * MIB - usize::try_from(CAME).expect("small") + polder_xet::CHUNK_BYTES_MAX,
    );
}
