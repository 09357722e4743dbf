//! Mirrored logs that grow old: what goes, what stays, and who begins with what is left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use polder_db::{LogBody, Mirror};
use polder_log::BodyProof;
use polder_types::{Sha256, Visibility};

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::{HubPeer, Pair, read_all};
use super::keys::HUB;
use super::peer::Peer;
use super::sources::{Source, SourceSet};
use crate::tests::{fixture, repo};
use crate::{Hub, Kind, PageQuery, Select};

/// A log with two snapshots, all of which the follower has read, and of what the older one is.
async fn read_whole() -> (Pair, u64) {
    let pair = Pair::new("*").await;
    let home = &pair.home.hub;
    home.add_repo(&repo("acme/stays"), Visibility::Public).await.expect("added");
    home.sequence_once().await.expect("sequenced");
    home.rename_repo(&repo("acme/stays"), &repo("acme/stayed")).await.expect("renamed");
    home.sequence_once().await.expect("sequenced");
    pair.beat(600).await;
    let size = home.own_log_tip().expect("a log").size;
    home.snapshot_log().await.expect("made");
    home.delete_repo(&repo("acme/open")).await.expect("deleted");
    home.add_repo(&repo("acme/late"), Visibility::Public).await.expect("added");
    pair.beat(600).await;
    home.snapshot_log().await.expect("made");
    pair.read().await.expect("read");
    (pair, size)
}

impl Pair {
    async fn prune_from(&self, peer: impl Peer + 'static) -> crate::error::Result<u64> {
        let db = self.follower.hub.db.clone();
        let sources = SourceSet::new(db, self.log, vec![Source::home(Arc::new(peer))]);
        self.follower.hub.prune_mirrored_log(&sources).await
    }

    /// Three months pass at the follower.
    fn grow_old(&self) {
        self.follower.millis.fetch_add(91 * 24 * 3_600_000, Ordering::Relaxed);
    }
}

async fn mirrors(hub: &Hub, log: i64) -> Vec<(String, u64, Sha256)> {
    let rows = hub.db.list_mirrors(log, None, 1_000).await.expect("listed");
    rows.into_iter().map(|row: Mirror| (row.path, row.rseq, row.body)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_go_where_two_snapshots_stand_for_them_and_what_is_given_out_stays() {
    let (pair, size) = read_whole().await;
    let hub = &pair.follower.hub;
    let first = hub.db.log_leaves(pair.log, 0, 10, 10).await.expect("read");
    assert_eq!(pair.prune_from(pair.peer.clone()).await.expect("looked"), 0, "nothing is old");
    assert!(hub.db.log_snapshots(pair.log, u64::MAX >> 1, 9).await.expect("read").is_empty(), "nor fetched");

    pair.grow_old();
    let before = mirrors(hub, pair.log).await;
    let kept_from = size - size % 256;
    assert_eq!(pair.prune_from(pair.peer.clone()).await.expect("pruned"), kept_from);
    assert_eq!(pair.prune_from(pair.peer.clone()).await.expect("looked"), 0);
    let log = pair.followed().await;
    assert_eq!(log.min_index, kept_from, "the last bundle that ends before what the older one is of");
    assert_eq!(mirrors(hub, pair.log).await, before);
    let renamed = before.iter().find(|row| row.0 == "acme/stayed").expect("followed");
    let of_repos = || first.iter().filter(|leaf| leaf.kind.is_repo());
    assert_eq!(of_repos().count(), 3, "two were made, and one of them got another name");
    for leaf in of_repos() {
        let is_newest = before.iter().any(|row| row.2 == leaf.body_sha256);
        let held = hub.db.log_body(leaf.body_sha256).await.expect("read");
        assert_eq!(matches!(held, LogBody::Held(_)), is_newest, "{leaf:?}");
    }

    let tip = hub.mirrored_log_tip(log.name.origin.sha256()).await.expect("given out");
    let query = |from| PageQuery { from, limit: 10, select: Select::All };
    assert_eq!(hub.log_page(&tip, query(kept_from - 1)).await.expect_err("dropped").kind(), Kind::Gone);
    hub.log_page(&tip, query(kept_from)).await.expect("kept");
    hub.log_namespace(&tip, HUB).await.expect("the keys of the hub");
    let heads = hub.db.list_log_heads(pair.log, None, 100).await.expect("read");
    let old = heads.iter().find(|head| head.leaf.body_sha256 == renamed.2).expect("there");
    assert!(old.index < kept_from);
    let proof = BodyProof::decode(&hub.log_repo(&tip, old.rid).await.expect("proven")).expect("well formed");
    assert_eq!(proof.verify(&log.key).expect("in the signed tree").0.sha256(), renamed.2);

    pair.home.hub.add_repo(&repo("acme/new"), Visibility::Public).await.expect("added");
    pair.read().await.expect("read on");
    assert_eq!(mirrors(hub, pair.log).await.len(), before.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_through_a_pruned_mirror_begins_with_a_snapshot_and_knows_the_same() {
    let (pair, size) = read_whole().await;
    let (hub, origin) = (&pair.follower.hub, pair.followed().await.name.origin);
    let through = HubPeer { of: Some(origin), ..HubPeer::new(hub) };
    // One has read the beginning of it before that went.
    let (early, late) = (fixture().await, fixture().await);
    let (early_log, late_log) = (pair.follow(&early, "*").await, pair.follow(&late, "*").await);
    let beginning = HubPeer { page: 100, answers: Arc::new(1.into()), ..through.clone() };
    read_all(&early.hub, early_log, &beginning).await.expect_err("it is cut off");
    pair.grow_old();
    pair.prune_from(pair.peer.clone()).await.expect("pruned");

    for (who, log) in [(&early.hub, early_log), (&late.hub, late_log)] {
        read_all(who, log, &through).await.expect("begun with the snapshot");
        let held = who.db.log(log).await.expect("read").expect("there");
        assert_eq!(held.tree, pair.followed().await.tree);
        assert!(held.min_index > size, "with the newest: {}", held.min_index);
        let shown = |rows: Vec<(String, u64, Sha256)>| {
            rows.into_iter().filter(|row| row.0 != "acme/open").collect::<Vec<_>>()
        };
        assert_eq!(shown(mirrors(who, log).await), shown(mirrors(hub, pair.log).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_before_the_snapshots_that_stand_for_it_are_here_and_true() {
    let (pair, _) = read_whole().await;
    pair.grow_old();
    let lie = |instead: fn(Bytes) -> Said| {
        EvilPeer::saying(HubPeer::new(&pair.home.hub), move |asked, answer| match asked {
            Question::Part(..) => instead(answer),
            _ => Said::This(answer),
        })
    };
    let altered = |answer: Bytes| {
        let mut answer = answer.to_vec();
        answer[0] ^= 1;
        Said::This(answer.into())
    };
    for peer in [lie(|_| Said::Nothing), lie(|_| Said::Missing), lie(altered)] {
        pair.prune_from(peer).await.expect_err("no parts");
        assert_eq!(pair.followed().await.min_index, 0);
    }
    assert!(pair.prune_from(pair.peer.clone()).await.expect("pruned") > 0);
}
