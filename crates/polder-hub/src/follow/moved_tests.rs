//! What becomes of the mirrors of a namespace after it has moved.

use std::sync::atomic::Ordering;

use polder_db::{FollowRule, MirrorMode, MirrorState};
use polder_types::Visibility;

use super::hub_peer::HubPeer;
use super::moving_tests::{
    HOME, MIRRORED, commit, follow, home, hub, sync, synced, take, tip, upstream_of, work,
};
use crate::tests::{Fixture, repo};

const GONE: &str = "zeta.home.example/gone";
/// Longer than a new home may take to tell of what it took over.
const SETTLED_MILLIS: i64 = 16 * 60 * 1000;
const MONTH_MILLIS: i64 = 31 * 24 * 3600 * 1000;

async fn add(place: &Fixture, id: &str) {
    place.hub.add_repo(&repo(id), Visibility::Public).await.expect("added");
    commit(place, id, "one").await;
}

/// The state and the mode of a mirror by its id at home.
async fn mirror(place: &Fixture, log: i64, path: &str) -> (MirrorState, MirrorMode) {
    let mirrors = place.hub.db.list_mirrors(log, None, 10).await.expect("read");
    let found = mirrors.iter().find(|mirror| mirror.path == path).expect("mirrored");
    (found.state, found.mode)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_home_deleted_unheard_is_hidden_once_the_new_one_has_told_of_all() {
    let (a, kit) = home().await;
    let (b, c) = (hub("b.example").await, hub("c.example").await);
    add(&a, "zeta/gone").await;
    synced(&b, &a).await;
    synced(&c, &a).await;
    a.hub.delete_repo(&repo("zeta/gone")).await.expect("deleted");
    synced(&b, &a).await;
    take(&b, HOME, &kit).await.expect("moved");
    // Voided by the move, and the only copy there is.
    add(&a, "zeta/late").await;

    let (log_c, log_a) = (synced(&c, &b).await, synced(&a, &b).await);
    assert_eq!(a.hub.release_purge("http://b.example").await.expect("agreed"), 1);
    work(&a.hub, log_a, &HubPeer::new(&b.hub)).await;
    for place in [&a, &c] {
        place.hub.purge_mirrors().await.expect("looked through");
    }
    assert!(tip(&c, GONE).await.is_some(), "the new home may still tell of it");
    assert_eq!(mirror(&a, log_a, "zeta/late").await, (MirrorState::Ready, MirrorMode::Full));

    b.millis.fetch_add(SETTLED_MILLIS, Ordering::Relaxed);
    for (place, log) in [(&a, log_a), (&c, log_c)] {
        sync(place, log, &b).await;
        place.hub.purge_mirrors().await.expect("hidden");
    }
    assert_eq!(tip(&c, GONE).await, None);
    assert_eq!(mirror(&c, log_c, "zeta/gone").await, (MirrorState::Hidden, MirrorMode::Full));
    assert_eq!(tip(&a, "zeta/late").await, None);
    assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);

    for place in [&a, &c] {
        place.millis.fetch_add(MONTH_MILLIS, Ordering::Relaxed);
        place.hub.purge_mirrors().await.expect("purged");
    }
    let gone = c.hub.db.list_mirrors(log_c, None, 10).await.expect("read");
    let gone = gone.iter().find(|mirror| mirror.path == "zeta/gone").expect("known");
    assert_eq!(gone.repo, None, "purged after the grace");
    assert_eq!(
        mirror(&a, log_a, "zeta/late").await.0,
        MirrorState::Kept,
        "what was at home here is never purged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_selected_where_a_namespace_was_goes_on_where_it_is() {
    let (a, kit) = home().await;
    let (b, c) = (hub("b.example").await, hub("c.example").await);
    synced(&b, &a).await;
    synced(&c, &a).await;
    take(&b, HOME, &kit).await.expect("moved");
    commit(&b, MIRRORED, "two").await;
    let log = follow(&c, &b, MirrorMode::Metadata).await;
    let other = FollowRule { pattern: "other/*".to_owned(), mode: MirrorMode::Full };
    c.hub.db.set_upstream(log, "http://b.example".to_owned(), vec![other.clone()]).await.expect("followed");
    sync(&c, log, &b).await;
    assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);
    add(&b, "zeta.home.example/new").await;
    b.hub.add_org(&crate::tests::name("omega"), &crate::tests::name("alice")).await.expect("added");
    add(&b, "omega/m").await;
    sync(&c, log, &b).await;
    assert_eq!(upstream_of(&c, "zeta.home.example/new").await, Some(log));
    c.hub.live_repo(&repo("omega.b.example/m")).await.expect_err("no rule fits it");
    c.hub.reselect(log).await.expect("selected");
    assert_eq!(mirror(&c, log, "zeta/m").await, (MirrorState::Ready, MirrorMode::Full));

    let listed = c.hub.list_followed().await.expect("read");
    let [told] = listed[1].moves.as_slice() else { panic!("{listed:?}") };
    assert_eq!((told.namespace.as_str(), told.from.as_deref()), ("zeta.home.example", Some(HOME)));
    let zeta = FollowRule { pattern: "zeta/*".to_owned(), mode: MirrorMode::Full };
    assert_eq!(told.carried, [zeta]);

    // The operator's newest word is about all of it.
    let rules = vec![FollowRule { pattern: "none/*".to_owned(), mode: MirrorMode::Full }];
    c.hub.db.set_upstream(log, "http://b.example".to_owned(), rules).await.expect("followed");
    c.hub.reselect(log).await.expect("selected");
    assert_eq!(mirror(&c, log, "zeta/m").await, (MirrorState::Known, MirrorMode::Metadata));
}
