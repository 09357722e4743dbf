//! Pulls by the clock whose mirror is stopped or changed while they wait for its server.

use std::sync::atomic::{AtomicBool, Ordering};

use polder_types::Visibility;
use tokio::runtime::Handle;

use super::evil::{Said, small};
use super::import_tests::{B, MAIN, Place};
use crate::pull::PullOptions;
use crate::tests::{repo, signature, write, writer};
use crate::{CommitRequest, Hub};

const HERE: &str = "acme/open";
/// What every pull asks first.
const INFO: &str = "/api/models/acme/m";
/// What it asks when it knows how it will go on.
const REFS: &str = "/api/models/acme/m/refs";

impl Place {
    /// A mirror of what was imported, due at once.
    async fn mirrored() -> Self {
        let place = Self::new(&[("a", small("one\n"))]).await;
        place.pull().await.expect("imported");
        mirror(&place.fixture.hub, &place.evil.url, false).await;
        place.fixture.pass_seconds(10);
        place.evil.set(MAIN, B, &[("a", small("two\n"))]);
        place
    }

    /// Pulls what is due; the server, which is private now, takes so long with the first answer to `slow` that
    /// `meanwhile` happens.
    async fn pull_due<M: Future<Output = ()>>(
        &self,
        slow: &'static str,
        meanwhile: impl Fn(Hub) -> M + Send + Sync + 'static,
    ) {
        let (hub, runtime, happened) = (self.fixture.hub.clone(), Handle::current(), AtomicBool::default());
        self.evil.lie(move |asked, said| {
            if asked.path == slow && !happened.swap(true, Ordering::SeqCst) {
                runtime.block_on(meanwhile(hub.clone()));
            }
            if asked.path == INFO { said.changed(|info| info["private"] = true.into()) } else { said }
        });
        assert_eq!(self.fixture.hub.pull_due().await.expect("pulled"), 1);
    }

    async fn visibility(&self) -> Visibility {
        self.fixture.hub.live_repo(&repo(HERE)).await.expect("there").visibility
    }
}

async fn mirror(hub: &Hub, url: &str, stays_open: bool) {
    let source = hub.pull_source("hf:acme/m", Some(url), None, None).expect("a source");
    let options = PullOptions { keep: false, stays_open };
    hub.mirror_by_clock(&source, &repo(HERE), 10, options, Visibility::Public).await.expect("set");
}

async fn show(hub: Hub, visibility: Visibility) {
    hub.set_visibility(&repo(HERE), visibility).await.expect("set");
}

async fn stop_and_commit(hub: Hub) {
    hub.stop_mirroring(&repo(HERE)).await.expect("stopped");
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write("own", "own\n")],
        author: signature(),
        message: "Own".to_owned(),
    };
    hub.commit(&writer(&hub, HERE).await, request).await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_makes_here_what_is_there_and_closes_what_is_closed_there() {
    let place = Place::mirrored().await;
    place.pull_due(INFO, |_| async {}).await;
    assert!(place.tip(MAIN).await.title().ends_with(B));
    assert_eq!(place.visibility().await, Visibility::Private);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_opened_while_its_source_is_asked_is_closed_as_that_is() {
    let place = Place::mirrored().await;
    show(place.fixture.hub.clone(), Visibility::Private).await;
    place.pull_due(INFO, |hub| show(hub, Visibility::Public)).await;
    assert!(place.tip(MAIN).await.title().ends_with(B));
    assert_eq!(place.visibility().await, Visibility::Private);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_was_stopped_closes_nothing_and_undoes_no_push_made_since() {
    for (slow, left) in [(INFO, Visibility::Public), (REFS, Visibility::Private)] {
        let place = Place::mirrored().await;
        place.pull_due(slow, stop_and_commit).await;
        assert_eq!(place.tip(MAIN).await.title(), "Own", "{slow}");
        assert_eq!(place.visibility().await, left, "{slow}");
        assert!(place.fixture.hub.list_pull_mirrors().await.expect("listed").is_empty(), "{slow}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_gives_its_place_back_where_its_server_wants_to_be_left_alone_and_comes_back_in_time() {
    let place = Place::mirrored().await;
    let hub = &place.fixture.hub;
    for (asked, due_seconds) in [(600, 600), (u64::MAX, 86_400)] {
        place.evil.seen();
        place.evil.lie(move |_, _| Said::status(429).header("Retry-After", asked));
        assert_eq!(hub.pull_due().await.expect("pulled"), 1);
        assert_eq!(place.evil.seen(), [format!("GET {INFO}")]);
        let listed = hub.list_pull_mirrors().await.expect("listed").remove(0);
        let told = listed.last_result.expect("told");
        assert!(told.contains(&format!("wants to be left alone for {asked} s")), "{told}");
        assert_eq!(listed.due, Some(hub.clock.now().plus_seconds(due_seconds)));
        place.fixture.pass_seconds(due_seconds);
    }
    place.evil.be_honest();
    assert_eq!(hub.pull_due().await.expect("pulled"), 1);
    assert!(place.tip(MAIN).await.title().ends_with(B));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_from_before_a_mirror_was_set_anew_closes_nothing() {
    let place = Place::mirrored().await;
    let url = place.evil.url.clone();
    place
        .pull_due(INFO, move |hub| {
            let url = url.clone();
            async move {
                hub.stop_mirroring(&repo(HERE)).await.expect("stopped");
                mirror(&hub, &url, true).await;
            }
        })
        .await;
    assert_eq!(place.visibility().await, Visibility::Public);
    // The next one is held to what was said last.
    place.fixture.pass_seconds(10);
    place.pull_due(INFO, |_| async {}).await;
    assert!(place.tip(MAIN).await.title().ends_with(B));
    assert_eq!(place.visibility().await, Visibility::Public);
    let listed = place.fixture.hub.list_pull_mirrors().await.expect("listed");
    assert_eq!(listed[0].closed_there, Some(Visibility::Private));
}
