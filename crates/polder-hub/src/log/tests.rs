//! The own log as a follower sees it.

mod kit;
mod takedown;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use polder_log::{
    Advanced, Body, BodyProof, CloneProof, Content, Cursor, Data, EventType, EventsPage, HubKeys,
    NamespaceChain, RefMap, decode_part,
};
use polder_types::{Clock, Gate, Sha256, Visibility};

use crate::tests::moves::{move_refs, moved};
use crate::tests::{Fixture, fixture, name, options_in, repo, signature, write};
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
async fn nothing_is_told_of_a_private_repository_while_it_is_one() {
    let place = begun().await;
    let hub = &place.hub;
    commit(hub, &place.writer("acme/closed").await, "secret").await;
    let bodies = follow(hub).await;
    assert_eq!(kinds(&bodies), ["hub.key", "ns.create", "repo.create"], "of acme/open alone");

    hub.set_visibility(&repo("acme/closed"), Visibility::Public).await.expect("shown");
    let shown = follow(hub).await.pop().expect("an event");
    assert_eq!((shown.kind, shown.state.expect("full state").count), (EventType::RepoCreate, 1));
    let rid = shown.id();
    hub.set_visibility(&repo("acme/closed"), Visibility::Private).await.expect("hidden");
    hub.rename_repo(&repo("acme/closed"), &repo("acme/secret-name")).await.expect("renamed");
    commit(hub, &place.writer("acme/secret-name").await, "more").await;
    let hidden = follow(hub).await.pop().expect("an event");
    let meta = hidden.meta.clone().expect("meta");
    assert_eq!((hidden.kind, hidden.rid, hidden.state), (EventType::RepoVisibility, Some(rid), None));
    assert_eq!((meta.visibility, meta.path.as_str()), (Visibility::Private, "acme/closed"));
    assert_eq!(hub.read_logged(rid).await.expect_err("private").kind(), Kind::NotFound);
    let tip = hub.own_log_tip().expect("a log");
    let refs = shown.state.expect("state").refs_sha256;
    assert_eq!(hub.log_file(&tip, rid, refs, true).await.expect_err("private").kind(), Kind::NotFound);

    hub.set_visibility(&repo("acme/secret-name"), Visibility::Public).await.expect("shown");
    let again = follow(hub).await.pop().expect("an event");
    assert_eq!((again.kind, again.rseq, again.prev), (EventType::RepoVisibility, 3, Some(hidden.sha256())));
    assert!(again.state.is_some() && again.meta.as_ref().expect("meta").path == "acme/secret-name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_a_gate_is_withdrawn_until_the_gate_goes() {
    let place = begun().await;
    let hub = &place.hub;
    commit(hub, &place.writer("acme/open").await, "one").await;
    let open = follow(hub).await.pop().expect("an event");
    let (rid, refs) = (open.id(), open.state.expect("state").refs_sha256);
    hub.set_gate(&repo("acme/open"), Some(Gate::Manual)).await.expect("gated");
    commit(hub, &place.writer("acme/open").await, "two").await;
    let gated = follow(hub).await.pop().expect("an event");
    assert_eq!((gated.kind, gated.rid, gated.state), (EventType::RepoVisibility, Some(rid), None));
    assert_eq!(gated.meta.clone().expect("meta").visibility, Visibility::Private);
    assert_eq!(hub.read_logged(rid).await.expect_err("gated").kind(), Kind::NotFound);
    let tip = hub.own_log_tip().expect("a log");
    assert_eq!(hub.log_file(&tip, rid, refs, true).await.expect_err("gated").kind(), Kind::NotFound);
    // Another kind of gate, and one on what is private, are nobody's business.
    hub.set_gate(&repo("acme/open"), Some(Gate::Auto)).await.expect("gated otherwise");
    hub.set_gate(&repo("acme/closed"), Some(Gate::Auto)).await.expect("gated");
    assert_eq!(follow(hub).await.pop().expect("an event"), gated);
    hub.set_gate(&repo("acme/open"), None).await.expect("open");
    let again = follow(hub).await.pop().expect("an event");
    assert_eq!((again.kind, again.prev), (EventType::RepoVisibility, Some(gated.sha256())));
    assert!(again.state.is_some());
    hub.read_logged(rid).await.expect("public");
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
async fn a_database_that_was_rolled_back_signs_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let millis = Arc::new(std::sync::atomic::AtomicI64::new(crate::tests::START));
    let options = || options_in(dir.path(), Clock::Manual(Arc::clone(&millis)));
    let data = dir.path().join("data");
    let hub = Hub::open(options()).await.expect("opens");
    hub.begin_log().await.expect("begun");
    hub.add_user(&name("alice"), false).await.expect("added");
    hub.sequence_once().await.expect("sequenced");
    hub.close().await;
    drop(hub);
    std::fs::copy(data.join("polder.db"), dir.path().join("older.db")).expect("copied");

    let hub = Hub::open(options()).await.expect("opens");
    hub.add_repo(&repo("alice/m"), Visibility::Public).await.expect("added");
    assert_eq!(kinds(&follow(&hub).await), ["hub.key", "ns.create", "repo.create"]);
    hub.close().await;
    drop(hub);
    std::fs::copy(dir.path().join("older.db"), data.join("polder.db")).expect("restored");

    let hub = Hub::open(options()).await.expect("opens");
    hub.begin_log().await.expect("there");
    hub.add_repo(&repo("alice/other"), Visibility::Public).await.expect("added");
    let refused = hub.sequence_once().await.expect_err("it is behind");
    assert_eq!(refused.kind(), Kind::Conflict, "{}", refused.chain());
    let log = hub.db.own_log().await.expect("read").expect("there");
    assert_eq!((log.tree.size(), log.checkpoint_size), (1, 1), "nothing was appended");
    assert_eq!(hub.own_log_tip().expect("what was signed before").size, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_out_of_a_backup_signs_nothing_until_it_knows_what_it_signed_last() {
    let place = begun().await;
    follow(&place.hub).await;
    let file = place.hub.keys.dir.join("log.checkpoint");
    let kept = std::fs::read(&file).expect("signed");
    std::fs::remove_file(&file).expect("no backup has it");
    *place.hub.own_log.lead.lock().await = None;
    let refused = place.hub.sequence_once().await.expect_err("it may be behind");
    assert!(
        refused.kind() == Kind::Conflict && refused.chain().contains("log.checkpoint"),
        "{}",
        refused.chain()
    );
    std::fs::write(&file, kept).expect("put back");
    place.hub.sequence_once().await.expect("it is what was signed last");
}

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

async fn write_card(hub: &Hub, grant: &Grant<Write>, card: &str) {
    write_card_on(hub, grant, "main", card).await;
}

async fn write_card_on(hub: &Hub, grant: &Grant<Write>, branch: &str, card: &str) {
    let request = CommitRequest {
        branch: branch.to_owned(),
        parent: None,
        changes: vec![write("README.md", &format!("---\n{card}---\n# It\n"))],
        author: signature(),
        message: "card".to_owned(),
    };
    hub.commit(grant, request).await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_say_what_the_card_does_at_the_tip_that_they_tell_of() {
    let place = begun().await;
    let (hub, writer) = (&place.hub, place.writer("acme/open").await);
    let newest = async || follow(hub).await.pop().expect("an event");
    write_card(hub, &writer, "license: MIT\ntags: [bert]\nlanguage: en\n").await;
    let event = newest().await;
    let meta = event.meta.clone().expect("meta");
    assert_eq!((meta.license.as_deref(), meta.gated), (Some("MIT"), false));
    assert_eq!(meta.tags, ["bert", "en", "license:MIT"]);
    assert!(event.leaf().hint.is_license("mit") && !event.leaf().hint.is_license("apache-2.0"));

    write_card(hub, &writer, "license: [apache-2.0, mit]\n").await;
    let event = newest().await;
    let meta = event.meta.clone().expect("meta");
    assert_eq!((event.kind, meta.license.as_deref()), (EventType::RepoRefs, Some("apache-2.0")));
    assert!(event.leaf().hint.is_license("apache-2.0"));

    // Another branch counts when it becomes the default one.
    let tip = hub.held(writer.repo_id()).await.expect("held").snapshot.head_ref().expect("there").oid;
    assert!(move_refs(hub, writer.repo_id(), vec![moved("refs/heads/trunk", None, Some(tip))]).await);
    write_card_on(hub, &writer, "trunk", "license: bsd-3-clause\n").await;
    assert_eq!(newest().await.meta.clone().expect("meta").license.as_deref(), Some("apache-2.0"));
    hub.set_default_branch(&repo("acme/open"), "trunk").await.expect("set");
    assert_eq!(newest().await.meta.clone().expect("meta").license.as_deref(), Some("bsd-3-clause"));
    hub.set_default_branch(&repo("acme/open"), "main").await.expect("set back");
    assert_eq!(newest().await.meta.clone().expect("meta").license.as_deref(), Some("apache-2.0"));

    write_card(hub, &writer, "tags: [\n").await;
    let meta = newest().await.meta.clone().expect("meta");
    assert_eq!((meta.license, meta.tags), (None, Vec::new()), "it cannot be read");
    hub.set_visibility(&repo("acme/open"), Visibility::Private).await.expect("hidden");
    write_card(hub, &writer, "license: secret\n").await;
    let meta = newest().await.meta.clone().expect("meta");
    assert_eq!((meta.license, meta.tags), (None, Vec::new()), "nothing is told of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_says_more_than_an_event_holds_is_told_of_in_part() {
    let place = begun().await;
    let (hub, writer) = (&place.hub, place.writer("acme/open").await);
    let long = |n: usize| format!("{n}{}", "x".repeat(999));
    let tags = (0..900).map(long).chain(["y".repeat(1_025)]).collect::<Vec<_>>().join(", ");
    write_card(hub, &writer, &format!("license: {}\ntags: [{tags}]\n", "z".repeat(1_025))).await;
    let event = follow(hub).await.pop().expect("an event");
    let meta = event.meta.clone().expect("meta");
    assert_eq!(meta.license, None, "too long");
    assert_eq!((meta.tags.len(), meta.tags[0].len()), (16, 1_000));

    let tags = (0..900).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
    write_card(hub, &writer, &format!("tags: [{tags}]\n")).await;
    let tags = follow(hub).await.pop().expect("an event").meta.clone().expect("meta").tags;
    assert_eq!((tags.len(), tags[255].as_str()), (256, "t255"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalogue_does_not_know_yet_is_described_before_it_is_told_of() {
    let place = begun().await;
    let (hub, writer) = (&place.hub, place.writer("acme/open").await);
    write_card(hub, &writer, "license: mit\n").await;
    let tip =
        async || hub.held(writer.repo_id()).await.expect("held").snapshot.head_ref().expect("there").oid;
    let first = tip().await;
    write_card(hub, &writer, "license: apache-2.0\n").await;
    let back = moved("refs/heads/main", Some(tip().await), Some(first));
    assert!(move_refs(hub, writer.repo_id(), vec![back]).await);
    assert_eq!(hub.db.undescribed(0).await.expect("read"), [(writer.repo_id(), first)]);
    let event = follow(hub).await.pop().expect("told");
    assert_eq!(event.meta.clone().expect("meta").license.as_deref(), Some("mit"));
    assert_eq!(hub.db.undescribed(0).await.expect("read"), []);
}
