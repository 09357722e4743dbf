//! Bodies that no source gives: nothing newer is shown until they are found, and what must be hidden is.
//!
//! ```text
//! home ← withholder ← hub      sends every leaf, and says of some bodies that it does not have them
//! ```

use std::sync::Arc;

use polder_db::{FollowRule, Mirror, MirrorMode, MirrorState};
use polder_log::{EventsPage, Leaf};
use polder_types::{Sha256, Visibility};
use sha2::Digest as _;

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::HubPeer;
use super::rehearsal::{Pair, URL};
use super::sources::{Source, SourceSet};
use crate::tests::repo;

const OPEN: &str = "acme/open";

impl Pair {
    /// The home, which does not give out the bodies of some events; `instead` says what it says of them.
    fn withholding(&self, withheld: &[Leaf], instead: Said) -> Arc<SourceSet> {
        let withheld: Vec<Sha256> = withheld.iter().map(|leaf| leaf.body_sha256).collect();
        let says = move |question: &Question, answer: bytes::Bytes| match question {
            Question::Events(..) => {
                let mut page = EventsPage::decode(&answer).expect("a page");
                page.bodies
                    .retain(|body| !withheld.contains(&Sha256::new(sha2::Sha256::digest(body).into())));
                Said::This(page.encode().expect("small").into())
            }
            Question::Body(hash) if withheld.contains(hash) => instead.clone(),
            _ => Said::This(answer),
        };
        let peer = EvilPeer::saying(HubPeer::new(&self.home.hub), says);
        Arc::new(SourceSet::new(self.hub().db.clone(), self.log, vec![Source::home(Arc::new(peer))]))
    }

    /// The newest event that the home has signed of a repository.
    async fn newest(&self, rid: Sha256) -> Leaf {
        self.home.hub.sequence_once().await.expect("sequenced");
        let own = self.home.hub.db.own_log().await.expect("read").expect("begun");
        self.home.hub.db.log_head(own.id, rid).await.expect("read").expect("told of").leaf
    }

    /// A mirror that serves one commit, and how that looks.
    async fn begun() -> (Self, Mirror, Vec<String>) {
        let pair = Self::open(MirrorMode::Full).await;
        pair.commit(OPEN, "README.md", "first").await;
        pair.sync().await;
        let (mirror, shown) = (pair.mirror(OPEN).await, pair.shown("open").await.expect("shown"));
        (pair, mirror, shown)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_newer_than_a_missing_body_is_shown_until_it_is_found() {
    let (pair, mirror, first) = Pair::begun().await;
    pair.commit(OPEN, "README.md", "second").await;
    let withheld = pair.newest(mirror.rid).await;
    let sources = pair.withholding(&[withheld], Said::Missing);
    pair.sync_from(&sources).await;
    let incomplete = pair.mirror(OPEN).await;
    assert_eq!((incomplete.state, incomplete.failures), (MirrorState::Incomplete, 1));
    assert_eq!(incomplete.last_error.as_deref(), Some("no source has the body of an event yet"));
    assert_eq!(pair.shown("open").await.as_ref(), Some(&first), "the old state is served");

    // A newer event, whose body is here, is reason to look again, and is not shown either.
    pair.commit(OPEN, "README.md", "third").await;
    let third = pair.newest(mirror.rid).await;
    pair.sync_from(&sources).await;
    let incomplete = pair.mirror(OPEN).await;
    assert_eq!((incomplete.state, incomplete.rseq), (MirrorState::Incomplete, third.rseq));
    assert_eq!((incomplete.ready_rseq, incomplete.failures), (mirror.ready_rseq, 1));
    assert_eq!(pair.shown("open").await.as_ref(), Some(&first));
    assert_eq!(pair.claim().await, None, "it is not tried again at once");
    pair.pass_seconds(10);
    pair.sync_from(&sources).await;
    assert_eq!(pair.mirror(OPEN).await.failures, 2, "but before long");

    pair.hub().db.wake_mirrors(pair.log).await.expect("woken");
    pair.sync().await;
    let ready = pair.mirror(OPEN).await;
    assert_eq!((ready.state, ready.ready_rseq), (MirrorState::Ready, third.rseq));
    assert_ne!(pair.shown("open").await.expect("shown"), first);
    let bodies = pair.hub().db.missing_bodies(pair.log, mirror.rid, 10).await.expect("read");
    assert_eq!(bodies, []);
    let held = pair.hub().db.log_body(withheld.body_sha256).await.expect("read");
    assert!(matches!(held, polder_db::LogBody::Held(_)), "for those who follow through this hub");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_takedown_or_deletion_hides_at_once_and_its_undoing_waits_for_the_body() {
    let (pair, mirror, first) = Pair::begun().await;
    pair.home.hub.take_down(&repo(OPEN), "unlawful", false).await.expect("taken down");
    let withheld = pair.newest(mirror.rid).await;
    let sources = pair.withholding(&[withheld], Said::Missing);
    pair.sync_from(&sources).await;
    assert_eq!((pair.state(OPEN).await, pair.shown("open").await), (MirrorState::Hidden, None));
    pair.home.hub.undo_takedown(&repo(OPEN)).await.expect("taken back");
    pair.sync_from(&sources).await;
    assert_eq!((pair.state(OPEN).await, pair.shown("open").await), (MirrorState::Incomplete, None));
    pair.hub().db.wake_mirrors(pair.log).await.expect("woken");
    pair.sync().await;
    assert_eq!((pair.state(OPEN).await, pair.shown("open").await), (MirrorState::Ready, Some(first)));

    pair.home.hub.delete_repo(&repo(OPEN)).await.expect("deleted");
    let withheld = pair.newest(mirror.rid).await;
    pair.sync_from(&pair.withholding(&[withheld], Said::Missing)).await;
    assert_eq!((pair.state(OPEN).await, pair.shown("open").await), (MirrorState::Hidden, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_hides_does_so_when_it_is_found() {
    let (pair, mirror, first) = Pair::begun().await;
    pair.home.hub.set_visibility(&repo(OPEN), Visibility::Private).await.expect("set");
    let withheld = pair.newest(mirror.rid).await;
    pair.sync_from(&pair.withholding(&[withheld], Said::Missing)).await;
    assert_eq!((pair.state(OPEN).await, pair.shown("open").await), (MirrorState::Incomplete, Some(first)));
    pair.hub().db.wake_mirrors(pair.log).await.expect("woken");
    pair.sync().await;
    assert_eq!((pair.state(OPEN).await, pair.shown("open").await), (MirrorState::Hidden, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_in_place_of_a_body_are_quarantined_and_named() {
    let (pair, mirror, first) = Pair::begun().await;
    pair.commit(OPEN, "README.md", "second").await;
    let withheld = pair.newest(mirror.rid).await;
    pair.sync_from(&pair.withholding(&[withheld], Said::This("evil".into()))).await;
    let quarantined = pair.mirror(OPEN).await;
    assert_eq!(quarantined.state, MirrorState::Quarantined);
    let why = quarantined.last_error.expect("said");
    assert_eq!(why, "the body of an event of `home` is not the one that was signed");
    assert_eq!(pair.shown("open").await, Some(first));
    pair.hub().db.wake_mirrors(pair.log).await.expect("woken");
    pair.sync().await;
    assert_eq!(pair.state(OPEN).await, MirrorState::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_heard_of_is_listed_by_its_id_until_its_body_says_what_it_is() {
    for (pattern, is_followed) in [("acme/*", true), ("other/*", false)] {
        let (pair, _, _) = Pair::begun().await;
        let rules = vec![FollowRule { pattern: pattern.to_owned(), mode: MirrorMode::Full }];
        pair.hub().db.set_upstream(pair.log, URL.to_owned(), rules).await.expect("set");
        pair.add("acme/new").await;
        let open = pair.mirror(OPEN).await.rid;
        pair.newest(open).await;
        let own = pair.home.hub.db.own_log().await.expect("read").expect("begun");
        let heads = pair.home.hub.db.list_log_heads(own.id, None, 100).await.expect("read");
        let genesis = heads.iter().map(|head| head.leaf).find(|leaf| leaf.kind.is_repo() && leaf.rid != open);
        let genesis = genesis.expect("told of");
        let rid = genesis.rid;
        pair.sync_from(&pair.withholding(&[genesis], Said::Missing)).await;
        let listed = pair.mirror(&rid.to_string()).await;
        assert_eq!((listed.state, listed.repo), (MirrorState::Incomplete, None));
        pair.hub().db.wake_mirrors(pair.log).await.expect("woken");
        pair.sync().await;
        let mirrors = pair.hub().db.list_mirrors(pair.log, None, 100).await.expect("read");
        let found: Vec<_> =
            mirrors.into_iter().filter(|one| one.rid == rid).map(|m| (m.path, m.state)).collect();
        let expected = is_followed.then(|| ("acme/new".to_owned(), MirrorState::Ready));
        assert_eq!(found, Vec::from_iter(expected), "{pattern}");
    }
}
