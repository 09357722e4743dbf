//! Snapshots, and the log while they are made.

use polder_log::{Data, decode_part};
use polder_types::Sha256;

use super::{begun, commit, follow, kinds};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_tells_every_newest_event_and_where_to_go_on() {
    let place = begun().await;
    let hub = &place.hub;
    let bodies = follow(hub).await;
    let index = hub.snapshot_log().await.expect("made");
    let event = follow(hub).await.pop().expect("an event");
    let Data::Snapshot(head) = &event.data else { panic!("{:?}", event.data) };
    assert_eq!((head.size, index), (3, 3));
    let tip = hub.own_log_tip().expect("a log");
    assert_eq!(hub.newest_log_snapshot(&tip).await.expect("read"), Some(index));
    let part = hub.log_snapshot_part(&tip, head.parts[0].sha256).await.expect("a part");
    let rows = decode_part(&head.parts[0], &part).expect("well formed");
    let newest: Vec<Sha256> = rows.iter().map(|row| row.body_sha256).collect();
    assert_eq!(rows.len(), 2);
    assert!(newest.contains(&bodies[1].sha256()) && newest.contains(&bodies[2].sha256()));
    assert_eq!(hub.db.log_peaks(tip.id, 3).await.expect("peaks"), head.peaks);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_while_a_snapshot_is_made() {
    let place = begun().await;
    let hub = &place.hub;
    let before: Vec<Sha256> = follow(hub).await.iter().skip(1).map(polder_log::Body::sha256).collect();
    let writer = place.writer("acme/open").await;
    let mut making = hub.begin_snapshot().await.expect("begun");
    commit(hub, &writer, "one").await;
    assert_eq!(kinds(&follow(hub).await).last(), Some(&"repo.refs"), "before a row is written");
    while hub.make_part(&mut making).await.expect("made") {}
    commit(hub, &writer, "two").await;
    assert_eq!(follow(hub).await.len(), 5, "and before it is told of");
    let tip = hub.own_log_tip().expect("a log");
    assert_eq!(hub.newest_log_snapshot(&tip).await.expect("read"), None, "which nobody is told of yet");

    assert_eq!(hub.tell_snapshot(making).await.expect("told"), 5);
    let event = follow(hub).await.pop().expect("an event");
    let Data::Snapshot(head) = &event.data else { panic!("{:?}", event.data) };
    let tip = hub.own_log_tip().expect("a log");
    assert_eq!((head.size, hub.newest_log_snapshot(&tip).await.expect("read")), (3, Some(5)));
    assert_eq!(hub.db.log_peaks(tip.id, 3).await.expect("peaks"), head.peaks);
    let part = hub.log_snapshot_part(&tip, head.parts[0].sha256).await.expect("a part");
    let rows = decode_part(&head.parts[0], &part).expect("well formed");
    let mut rows: Vec<_> = rows.iter().map(|row| (row.index, row.body_sha256)).collect();
    rows.sort_unstable();
    assert_eq!(rows, [(1, before[0]), (2, before[1])], "nothing that came later");
}
