//! The own log as a follower sees it.

mod card;
mod kit;
mod rollback;
mod snapshot;
mod takedown;
mod visibility;

use std::sync::atomic::Ordering;
use std::time::Duration;

use polder_log::{
    Advanced, Body, BodyProof, CloneProof, Content, Cursor, EventType, EventsPage, HubKeys, NamespaceChain,
    RefMap,
};
use polder_types::Sha256;

use crate::tests::{Fixture, fixture, repo, signature, write};
use crate::{CommitRequest, Grant, Hub, Kind, PageQuery, Select, Term, Write};

async fn begun() -> Fixture {
    let place = fixture().await;
    assert!(place.hub.begin_log().await.expect("begun").is_some(), "a recovery key");
    assert!(place.hub.begin_log().await.expect("begun").is_none(), "which is shown once");
    place
}

async fn commit(hub: &Hub, grant: &Grant<Write>, path: &str) {
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write(path, path)],
        author: signature(),
        message: path.to_owned(),
    };
    hub.commit(grant, request).await.expect("committed");
}

async fn page(hub: &Hub, from: u64, select: Select) -> EventsPage {
    let tip = hub.own_log_tip().expect("a log");
    let bytes = hub.log_page(&tip, PageQuery { from, limit: 5000, select }).await.expect("a page");
    EventsPage::decode(&bytes).expect("well formed")
}

/// Everything the log says, verified as a follower does.
async fn follow(hub: &Hub) -> Vec<Body> {
    hub.sequence_once().await.expect("sequenced");
    let key = hub.db.own_log().await.expect("read").expect("there").key;
    let tip = hub.own_log_tip().expect("a log");
    let page = page(hub, 0, Select::All).await;
    let Advanced { cursor, entries, .. } =
        Cursor::start(tip.name.clone()).advance(&page, &key).expect("what the origin signed");
    assert_eq!(cursor.tree.size(), tip.size);
    let body = |content| match content {
        Content::Body(body) => *body,
        other => panic!("{other:?}"),
    };
    entries.into_iter().map(|entry| body(entry.content)).collect()
}

fn kinds(bodies: &[Body]) -> Vec<&'static str> {
    bodies.iter().map(|body| body.kind.name()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_a_signed_event_that_gives_the_whole_state() {
    let place = begun().await;
    let hub = &place.hub;
    let writer = place.writer("acme/open").await;
    commit(hub, &writer, "one").await;
    commit(hub, &writer, "two").await;
    let bodies = follow(hub).await;
    assert_eq!(kinds(&bodies), ["hub.key", "ns.create", "repo.create"], "two pushes, one event");
    HubKeys::start(&bodies[0]).expect("signed by the hub's key");
    let namespace = NamespaceChain::start(&bodies[1]).expect("signed by its key");
    let create = &bodies[2];
    assert_eq!((create.nsid, create.ns_head), (Some(namespace.nsid), Some(namespace.head)));
    assert_eq!(create.meta.as_ref().expect("meta").path, "acme/open");

    commit(hub, &writer, "three").await;
    let bodies = follow(hub).await;
    let event = bodies.last().expect("an event");
    assert_eq!((event.kind, event.rid, event.rseq), (EventType::RepoRefs, create.repo(), 2));
    assert_eq!(event.prev, Some(create.sha256()));
    let (rid, state) = (create.id(), event.state.expect("a state"));
    let tip = hub.own_log_tip().expect("a log");
    let map = hub.log_file(&tip, rid, state.refs_sha256, true).await.expect("its ref map");
    let map = RefMap::decode(&map).expect("well formed");
    let snapshot = hub.held(writer.repo_id()).await.expect("held").snapshot;
    assert_eq!(map.refs()[0].1, snapshot.find_ref("refs/heads/main").expect("there").oid);
    assert_eq!((map.sha256(), map.head()), (state.refs_sha256, "refs/heads/main"));
    let moved = event.refs.as_ref().expect("few refs moved");
    assert_eq!((moved.len(), moved[0].new), (1, Some(map.refs()[0].1)));

    let proof = BodyProof::decode(&hub.log_repo(&tip, rid).await.expect("proof")).expect("well formed");
    let key = hub.db.own_log().await.expect("read").expect("there").key;
    assert_eq!(proof.verify(&key).expect("in the signed tree").0.sha256(), event.sha256());
    assert_eq!(hub.read_logged(rid).await.expect("public").repo(), &repo("acme/open"));
    assert_eq!(hub.sequence_once().await.map_err(|error| error.chain()), Ok(()));
    assert_eq!(hub.own_log_tip().expect("a log"), tip, "nothing more to say");
}

/// Its name between hubs is given when the log first tells of it: by then somebody may have asked for it here.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_asked_for_before_it_was_told_of_has_its_proof_afterwards() {
    let place = begun().await;
    let hub = &place.hub;
    commit(hub, &place.writer("acme/open").await, "one").await;
    let early = hub.clone_proof(&repo("acme/open")).await.map_err(|error| error.kind());
    assert_eq!(early, Err(Kind::NotFound));
    let told = follow(hub).await.pop().expect("an event");
    let proof =
        CloneProof::decode(&hub.clone_proof(&repo("acme/open")).await.expect("told")).expect("well formed");
    assert_eq!(Body::decode(&proof.event.body).expect("well formed").sha256(), told.sha256());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_default_branches_and_the_end_are_told() {
    let place = begun().await;
    let hub = &place.hub;
    follow(hub).await;
    hub.rename_repo(&repo("acme/open"), &repo("acme/renamed")).await.expect("renamed");
    follow(hub).await;
    hub.set_default_branch(&repo("acme/renamed"), "trunk").await.expect("set");
    follow(hub).await;
    hub.delete_repo(&repo("acme/renamed")).await.expect("deleted");
    let bodies = follow(hub).await;
    assert_eq!(kinds(&bodies)[3..], ["repo.rename", "repo.meta", "repo.delete"]);
    assert_eq!(bodies[4].meta.as_ref().expect("meta").default_branch, "refs/heads/trunk");
    assert_eq!(bodies[5].meta.as_ref().expect("meta").path, "acme/renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_woken_by_growth_and_gets_the_bodies_asked_for() {
    let place = begun().await;
    let hub = place.hub.clone();
    let size = u64::try_from(follow(&hub).await.len()).expect("few");
    let tip = hub.own_log_tip().expect("a log");
    let waiter = hub.clone();
    let waits = tokio::spawn(async move { waiter.wait_for_log(tip, size, Duration::from_secs(30)).await });
    commit(&hub, &place.writer("acme/open").await, "one").await;
    hub.sequence_once().await.expect("sequenced");
    let tip = waits.await.expect("no panic").expect("woken");
    assert_eq!(tip.size, size + 1);

    let none = page(&hub, 0, Select::Any(vec![Term::Rid(Sha256::new([0; 32]))])).await;
    assert_eq!((none.leaves.len(), none.bodies.len()), (4, 2), "those of the hub and the namespace");
    let rid = none.leaves[3].rid;
    assert_eq!(page(&hub, 0, Select::Any(vec![Term::Rid(rid)])).await.bodies.len(), 4);
    let beyond = page(&hub, 99, Select::All).await;
    assert_eq!((beyond.leaves.len(), beyond.checkpoint.as_str()), (0, &*tip.note), "where it ends");
    let same = hub.wait_for_log(tip.clone(), tip.size, Duration::from_millis(1)).await.expect("in vain");
    assert_eq!(same, tip);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_log_beats() {
    let place = begun().await;
    let before = follow(&place.hub).await.len();
    place.millis.fetch_add(9 * 60_000 - 1000, Ordering::Relaxed);
    assert_eq!(follow(&place.hub).await.len(), before);
    place.millis.fetch_add(1000, Ordering::Relaxed);
    let bodies = follow(&place.hub).await;
    assert_eq!((bodies.len(), bodies[before].kind), (before + 1, EventType::Heartbeat));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_signs_once_the_present_or_the_recovery_key_agrees() {
    let place = fixture().await;
    let hub = &place.hub;
    let recovery = hub.begin_log().await.expect("begun").expect("a recovery key");
    let first = hub.log_key().await.expect("shown");
    let second = hub.rotate_log_key(None).await.expect("rotated");
    assert_eq!((first.generation, second.generation), (1, 2));
    assert_eq!(first.recovery_sha256, second.recovery_sha256);
    let bodies = follow(hub).await;
    assert_eq!(HubKeys::follow(&bodies[..2]).expect("a chain").key, second.verifier.key());
    let writer = place.writer("acme/open").await;
    commit(hub, &writer, "one").await;
    assert_eq!(kinds(&follow(hub).await), ["hub.key", "hub.key", "ns.create", "repo.create", "repo.refs"]);

    let stranger = polder_log::SecretKey::new(&[66; 32]);
    assert_eq!(hub.rotate_log_key(Some(stranger)).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(hub.log_key().await.expect("shown"), second);
    // The keys are lost, and the recovery key is found in a drawer.
    std::fs::remove_file(hub.keys.dir.join("log.keys")).expect("lost");
    assert!(hub.rotate_log_key(None).await.is_err());
    let recovery = polder_log::read_recovery_key(recovery.reveal()).expect("a key");
    let third = hub.rotate_log_key(Some(recovery)).await.expect("recovered");
    assert_eq!(third.generation, 3);
    commit(hub, &writer, "two").await;
    assert_eq!(kinds(&follow(hub).await).last(), Some(&"repo.refs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_bodies_come_in_lists_that_have_an_end() {
    let place = begun().await;
    let hub = &place.hub;
    super::beat(hub, 1_500).await;
    let log = hub.db.own_log().await.expect("read").expect("there");
    let leaves = hub.db.log_leaves(log.id, 0, log.tree.size(), 1_500).await.expect("read");
    let wanted = |count| leaves.iter().take(count).flat_map(|leaf| *leaf.body_sha256.as_bytes()).collect();
    let wanted: [Vec<u8>; 2] = [wanted(1_024), wanted(1_025)];
    let list = hub.log_body_list(&wanted[0]).await.expect("a list");
    let bodies = polder_log::bodies_by_hash(&list).expect("well formed");
    assert_eq!(bodies.len(), 1_024);
    assert!(leaves.iter().take(1_024).all(|leaf| bodies.contains_key(&leaf.body_sha256)));
    assert_eq!(hub.log_body_list(&wanted[1]).await.expect_err("too many").kind(), Kind::Invalid);
    assert_eq!(hub.log_body_list(&[0; 31]).await.expect_err("no hash").kind(), Kind::Invalid);
    assert!(hub.log_body_list(&[0; 32]).await.expect("not here").is_empty());
}
