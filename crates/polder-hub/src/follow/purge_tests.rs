//! What is taken away at home goes here too, in time, unless it is too much.

use polder_db::{AuditFilter, MirrorMode, MirrorState};
use polder_types::Visibility;

use super::PurgeBrake;
use super::rehearsal::{Pair, URL};
use crate::tests::repo;

const DAY: i64 = 24 * 3600;

impl Pair {
    async fn hide(&self, name: &str) {
        self.home.hub.set_visibility(&repo(name), Visibility::Private).await.expect("hidden");
    }

    async fn upkeep(&self) {
        self.hub().upkeep_once().await.expect("kept up");
    }

    async fn brake(&self) -> Option<PurgeBrake> {
        self.hub().list_followed().await.expect("listed").pop().expect("followed").brake
    }

    /// Bytes of packs that are here and not condemned.
    async fn live_packs(&self) -> i64 {
        let packs = self.hub().db.list_packs(None, 1_000).await.expect("read");
        let live = packs.iter().filter(|pack| pack.state == polder_db::RowState::Live);
        i64::try_from(live.count()).expect("few")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_at_home_is_purged_after_the_grace_and_may_come_back() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "a", "one").await;
    pair.sync().await;
    let before = pair.shown("open").await.expect("shown");
    assert_eq!(before.len(), 1);

    pair.hide("acme/open").await;
    pair.sync().await;
    assert_eq!((pair.state("acme/open").await, pair.shown("open").await), (MirrorState::Hidden, None));
    pair.pass_seconds(7 * DAY - 1);
    pair.upkeep().await;
    assert!(pair.mirror("acme/open").await.repo.is_some(), "the grace is not over");
    assert_eq!(pair.live_packs().await, 1);
    pair.pass_seconds(1);
    pair.upkeep().await;
    let purged = pair.mirror("acme/open").await;
    assert_eq!((purged.repo, purged.state, purged.ready_rseq), (None, MirrorState::Hidden, 0));
    assert_eq!(pair.live_packs().await, 0);

    pair.home.hub.set_visibility(&repo("acme/open"), Visibility::Public).await.expect("shown");
    pair.sync().await;
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
    assert_eq!(pair.shown("open").await, Some(before), "under its old name");
    pair.pass_seconds(30 * DAY);
    pair.upkeep().await;
    assert!(pair.shown("open").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_deleted_here_does_not_come_back_by_itself() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "a", "one").await;
    pair.sync().await;
    pair.hub().delete_repo(&repo("acme.hub.example/open")).await.expect("deleted");
    pair.commit("acme/open", "b", "two").await;
    pair.sync().await;
    assert_eq!((pair.state("acme/open").await, pair.shown("open").await), (MirrorState::Blocked, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_tenth_within_a_day_is_purged_by_the_operators_word_alone() {
    let pair = Pair::open(MirrorMode::Metadata).await;
    let log = pair.log;
    let names: Vec<String> = (0..59).map(|number| format!("acme/r{number}")).collect();
    for name in &names {
        pair.add(name).await;
    }
    let rules = vec![polder_db::FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }];
    pair.hub().db.set_upstream(log, URL.to_owned(), rules).await.expect("set");
    pair.sync().await;
    assert_eq!(pair.hub().db.count_held_mirrors(log).await.expect("read"), 60);
    for name in &names[..6] {
        pair.hide(name).await;
    }
    pair.sync().await;
    assert_eq!(pair.brake().await, None, "a tenth");
    pair.pass_seconds(DAY / 2);
    pair.hide(&names[6]).await;
    pair.sync().await;
    assert_eq!(pair.brake().await, Some(PurgeBrake { taken_away: 7, of: 60 }));
    pair.pass_seconds(30 * DAY);
    pair.upkeep().await;
    assert_eq!(pair.hub().db.count_held_mirrors(log).await.expect("read"), 60, "nothing is purged");
    for name in &names[..7] {
        assert_eq!(pair.state(name).await, MirrorState::Hidden);
    }

    pair.hub().release_purge("https://elsewhere.example").await.expect_err("not followed");
    pair.hub().release_purge(URL).await.expect("released");
    assert_eq!(pair.brake().await, None);
    pair.upkeep().await;
    assert_eq!(pair.hub().db.count_held_mirrors(log).await.expect("read"), 53);
    let said = pair.hub().db.latest_audit(&AuditFilter::default(), None, 1_000).await.expect("read");
    assert!(said.iter().any(|line| line.action == "hub.release"));
    assert_eq!(said.iter().filter(|line| line.action == "repo.purge").count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_keeps_all_but_a_takedown() {
    let pair = Pair::open(MirrorMode::Archive).await;
    pair.commit("acme/open", "a", "one").await;
    pair.add("acme/bad").await;
    pair.sync().await;
    pair.hide("acme/open").await;
    pair.hide("acme/bad").await;
    pair.sync().await;
    let bad = pair.mirror("acme/bad").await.repo.expect("here");
    pair.hub().db.withhold_repo(bad, Some("takedown".to_owned())).await.expect("taken down");
    pair.pass_seconds(8 * DAY);
    pair.upkeep().await;
    assert_eq!((pair.state("acme/open").await, pair.live_packs().await), (MirrorState::Kept, 1));
    assert_eq!(pair.mirror("acme/bad").await.repo, None);
    assert_eq!(pair.shown("open").await, None, "kept is not shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_that_are_all_gone_at_home_are_not_shown_and_purged_as_if_it_were_hidden() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "a", "one").await;
    pair.sync().await;
    pair.empty("acme/open").await;
    pair.sync().await;
    assert_eq!((pair.state("acme/open").await, pair.shown("open").await), (MirrorState::Ready, Some(vec![])));
    let id = pair.mirror("acme/open").await.repo.expect("here");
    let kept = || async {
        let held = pair.hub().held(id).await.expect("held").snapshot;
        held.refs().iter().map(|r| r.name.clone()).collect::<Vec<_>>()
    };
    let rseq = pair.mirror("acme/open").await.rseq;
    assert_eq!(kept().await, [format!("refs/polder/kept/{rseq}/heads/main")]);
    pair.pass_seconds(7 * DAY - 1);
    pair.upkeep().await;
    assert_eq!((kept().await.len(), pair.live_packs().await), (1, 1));
    pair.pass_seconds(1);
    pair.upkeep().await;
    assert_eq!((kept().await.len(), pair.live_packs().await), (0, 0));
    assert_eq!(pair.shown("open").await, Some(vec![]), "it is there, and empty");
    pair.commit("acme/open", "b", "again").await;
    pair.sync().await;
    assert_eq!(pair.shown("open").await.expect("shown").len(), 1);
}
