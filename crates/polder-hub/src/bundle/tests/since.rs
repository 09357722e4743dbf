//! Bundles after bundles.

use polder_types::Visibility;

use super::super::layout::{CURSOR, write_whole};
use super::{Gap, MIRROR, is_same, shown};
use crate::tests::{fixture, repo, write};
use crate::{Kind, MirrorState};

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_since_a_cursor_has_only_what_is_new() {
    let gap = Gap::new().await;
    let first = gap.export("one", |_| {}).await.expect("exported");
    let cursor = gap.at("one").join(CURSOR);
    gap.commit("acme/m", write("README.md", "two\n")).await;
    let second = gap.export("two", |request| request.since = Some(cursor.clone())).await.expect("exported");
    assert_eq!((second.events, second.repositories), (1, 1));
    assert!(second.bytes < 10_000 && first.bytes > 300_000, "{second:?}");
    let place = fixture().await;
    let early = gap.import(&place, "two").await.expect_err("the first is missing");
    assert!(early.message().contains("a bundle before it is missing"), "{early}");
    gap.import(&place, "one").await.expect("imported");
    assert!(!is_same(&gap, &place).await);
    let imported = gap.import(&place, "two").await.expect("imported");
    assert_eq!((imported.events, imported.ready, imported.troubled.len()), (1, 1, 0));
    assert!(is_same(&gap, &place).await);
    // The older one is no step back.
    let older = gap.import(&place, "one").await.expect("imported");
    assert_eq!(older.events, 0);
    assert!(is_same(&gap, &place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wider_selection_adds_comes_whole() {
    let gap = Gap::new().await;
    gap.home.hub.add_repo(&repo("acme/n"), Visibility::Public).await.expect("added");
    gap.commit("acme/n", write("README.md", "n\n")).await;
    let narrow =
        gap.export("one", |request| request.select = vec!["acme/n".to_owned()]).await.expect("exported");
    assert_eq!(narrow.repositories, 1);
    let cursor = gap.at("one").join(CURSOR);
    let wide = gap.export("two", |request| request.since = Some(cursor)).await.expect("exported");
    // Not acme/n, which did not change.
    assert_eq!((wide.events, wide.repositories), (0, 2));
    let place = fixture().await;
    gap.import(&place, "one").await.expect("imported");
    assert!(shown(&place.hub, "acme.hub.example/n").await.is_some() && !is_same(&gap, &place).await);
    let log = place.hub.db.list_upstreams().await.expect("read")[0].log;
    place
        .hub
        .db
        .set_upstream(log, "https://hub.example".to_owned(), super::super::cursor::rules(&["*".to_owned()]))
        .await
        .expect("set");
    place.hub.reselect(log).await.expect("selected");
    let imported = gap.import(&place, "two").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (2, 0));
    assert!(is_same(&gap, &place).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_log_is_refused() {
    let (gap, other) = (Gap::new().await, Gap::new().await);
    gap.export("one", |_| {}).await.expect("exported");
    let cursor = gap.at("one").join(CURSOR);
    let error =
        other.export("two", |request| request.since = Some(cursor.clone())).await.expect_err("refused");
    assert!(error.kind() == Kind::Conflict && error.message().contains(CURSOR), "{error}");
    write_whole(&gap.at("one"), CURSOR, b"{}").expect("written");
    let error = gap.export("two", |request| request.since = Some(cursor)).await.expect_err("refused");
    assert!(error.kind() == Kind::Invalid && error.message().contains(CURSOR), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_gone_at_home_is_hidden_by_the_next_bundle() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let place = fixture().await;
    gap.import(&place, "one").await.expect("imported");
    gap.home.hub.delete_repo(&repo("acme/m")).await.expect("deleted");
    let cursor = gap.at("one").join(CURSOR);
    let report = gap.export("two", |request| request.since = Some(cursor)).await.expect("exported");
    assert_eq!(report.repositories, 0);
    gap.import(&place, "two").await.expect("imported");
    assert_eq!(shown(&place.hub, MIRROR).await, None);
    let listed = place.hub.list_followed().await.expect("read");
    let mirror = listed[0].mirrors.iter().find(|mirror| mirror.path == "acme/m").expect("listed");
    assert_eq!(mirror.state, MirrorState::Hidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_past_is_not_kept_is_begun_or_gone_on_with_at_its_snapshot() {
    let gap = Gap::new().await;
    gap.export("one", |_| {}).await.expect("exported");
    let (early, late) = (fixture().await, fixture().await);
    gap.import(&early, "one").await.expect("imported");
    // What comes now is before the snapshot, too, and no events tell of it any more.
    gap.home.hub.add_repo(&repo("acme/n"), Visibility::Public).await.expect("added");
    gap.commit("acme/n", write("README.md", "n\n")).await;
    let (hub, cursor) = (&gap.home.hub, gap.at("one").join(CURSOR));
    crate::log::beat(hub, 700).await;
    let index = hub.snapshot_log().await.expect("made");
    let log = hub.db.own_log().await.expect("read").expect("there");
    while hub.db.prune_log(log.id, index).await.expect("pruned") + 256 <= index {}
    gap.commit("acme/m", write("README.md", "two\n")).await;
    assert!(hub.own_log_tip().expect("a log").min_index >= 512);

    gap.export("whole", |_| {}).await.expect("exported");
    let imported = gap.import(&late, "whole").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (3, 0), "{imported:?}");
    let since = gap.export("two", |request| request.since = Some(cursor)).await.expect("exported");
    assert_eq!(since.repositories, 2, "acme/open did not change: {since:?}");
    let imported = gap.import(&early, "two").await.expect("imported");
    assert_eq!((imported.ready, imported.troubled.len()), (2, 0), "{imported:?}");
    for place in [&early, &late] {
        assert!(is_same(&gap, place).await);
        assert!(shown(&place.hub, "acme.hub.example/n").await.is_some());
        let log = place.hub.db.list_upstreams().await.expect("read")[0].log;
        let log = place.hub.db.log(log).await.expect("read").expect("there");
        assert_eq!(log.tree.size(), hub.own_log_tip().expect("a log").size);
    }
}
