//! A namespace that moves between hubs in one process, and who tries to move it without being allowed to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use polder_db::{FollowRule, LogEntry, LogOp, MirrorMode, MirrorState, MoveState, SnapshotRows};
use polder_log::{
    Body, Data, EventType, LogHead, Namespace, NamespaceChain, OP_SETTLED_SECONDS, SecretKey, Statement,
    read_bodies,
};
use polder_types::{RepoName, Sha256, UnixMillis};

use super::hub_peer::{HubPeer, read_all};
use super::move_here::{MoveRequest, MovedHere};
use super::sources::{Source, SourceSet};
use crate::tests::{Fixture, fixture_as, name, repo, signature, write};
use crate::{CommitRequest, Hub, Kind, Principal, Result};

pub(crate) const HOME: &str = "home.example";
/// What it is called on every hub but its first.
pub(crate) const MIRRORED: &str = "zeta.home.example/m";

/// A hub with a log, under a name of its own.
pub(super) async fn hub(origin: &str) -> Fixture {
    let place = fixture_as(Some(origin)).await;
    place.hub.begin_log().await.expect("begun");
    place.hub.sequence_once().await.expect("sequenced");
    place
}

/// The home of `zeta`, and the key that its owner got.
pub(crate) async fn home() -> (Fixture, SecretKey) {
    let place = hub(HOME).await;
    place.hub.add_org(&name("zeta"), &name("alice")).await.expect("added");
    place.hub.add_repo(&repo("zeta/m"), polder_types::Visibility::Public).await.expect("added");
    commit(&place, "zeta/m", "one").await;
    let mut kit = None;
    let keep = |made: &polder_log::RecoveryKit| {
        kit = Some(made.key());
        Ok(())
    };
    place.hub.make_namespace_kit(&name("zeta"), None, keep).await.expect("made");
    (place, kit.expect("kept"))
}

pub(crate) async fn commit(place: &Fixture, at: &str, content: &str) {
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write("file", content)],
        author: signature(),
        message: content.to_owned(),
    };
    place.hub.commit(&place.writer(at).await, request).await.expect("committed");
}

/// Lets a hub follow another one.
pub(super) async fn follow(who: &Fixture, whom: &Fixture, mode: MirrorMode) -> i64 {
    let own = whom.hub.db.own_log().await.expect("read").expect("begun");
    let url = format!("http://{}", own.name.origin);
    let log = who.hub.db.open_log(own.name, own.key, false).await.expect("opened").id;
    let rules = vec![FollowRule { pattern: "zeta/*".to_owned(), mode }];
    who.hub.db.set_upstream(log, url, rules).await.expect("followed");
    log
}

/// Reads all that a hub has said and works on what is due.
pub(super) async fn sync(who: &Fixture, log: i64, whom: &Fixture) {
    whom.hub.sequence_once().await.expect("sequenced");
    let peer = HubPeer::new(&whom.hub);
    read_all(&who.hub, log, &peer).await.expect("read");
    work(&who.hub, log, &peer).await;
}

pub(crate) async fn work(hub: &Hub, log: i64, peer: &HubPeer) {
    let upstream = hub.db.upstream(log).await.expect("read").expect("followed");
    let sources = SourceSet::new(hub.db.clone(), log, vec![Source::home(Arc::new(peer.clone()))]);
    let sources = Arc::new(sources);
    while let Some(mirror) = hub.db.claim_mirrors(log, 300, 1).await.expect("claimed").pop() {
        hub.work_on(&upstream, &sources, &mirror).await.expect("written down");
    }
}

pub(super) async fn synced(who: &Fixture, whom: &Fixture) -> i64 {
    let log = follow(who, whom, MirrorMode::Full).await;
    sync(who, log, whom).await;
    log
}

pub(super) async fn take(place: &Fixture, from: &str, kit: &SecretKey) -> Result<MovedHere> {
    let (from, kit) = (from.to_owned(), kit.clone());
    let request = MoveRequest { name: name("zeta"), from, kit, owner: name("alice") };
    place.hub.move_namespace_here(request).await
}

pub(crate) async fn tip(place: &Fixture, at: &str) -> Option<String> {
    let grant = place.hub.read(&Principal::ANONYMOUS, &repo(at)).await.ok()?;
    let snapshot = place.hub.held(grant.repo_id()).await.expect("held").snapshot;
    snapshot.find_ref("refs/heads/main").map(|main| main.oid.to_string())
}

pub(super) async fn upstream_of(place: &Fixture, at: &str) -> Option<i64> {
    let at: RepoName = repo(at);
    place.hub.live_repo(&at).await.expect("there").upstream
}

pub(super) async fn move_states(place: &Fixture, nsid: Sha256) -> Vec<MoveState> {
    place.hub.db.moves_of(nsid).await.expect("read").iter().map(|which| which.state).collect()
}

pub(super) async fn chain(place: &Fixture, log: i64) -> NamespaceChain {
    let origin = place.hub.db.log(log).await.expect("read").expect("there").name.origin;
    let found = place.hub.find_namespace(log, &origin, &name("zeta")).await.expect("read");
    found.expect("a namespace")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_moves_from_a_dead_hub_and_goes_on_under_its_name() {
    let (a, kit) = home().await;
    let (b, c) = (hub("b.example").await, hub("c.example").await);
    let (old_b, old_c) = (synced(&b, &a).await, synced(&c, &a).await);
    let nsid = chain(&b, old_b).await.nsid;
    let moved = take(&b, "http://home.example", &kit).await.expect("moved");
    assert_eq!((moved.name, moved.repos), (name("zeta.home.example"), 1));
    assert_eq!(upstream_of(&b, MIRRORED).await, None);
    assert_eq!(take(&b, HOME, &kit).await.expect_err("once").kind(), Kind::Conflict);
    commit(&b, MIRRORED, "two").await;
    b.hub.add_repo(&repo("zeta.home.example/new"), polder_types::Visibility::Public).await.expect("added");

    let new_c = synced(&c, &b).await;
    assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);
    assert_ne!(tip(&c, MIRRORED).await, tip(&a, "zeta/m").await, "it is new");
    assert_eq!(upstream_of(&c, MIRRORED).await, Some(new_c));
    assert_eq!(upstream_of(&c, "zeta.home.example/new").await, Some(new_c));
    assert!(c.hub.db.list_mirrors(old_c, None, 10).await.expect("read").is_empty());
    let told = c.hub.live_repo(&repo(MIRRORED)).await.expect("there").home_url();
    assert_eq!(told.as_deref(), Some("http://b.example/zeta/m"));

    // Anyone can check all of its keys at its new home, and the old hub's is not among them any more.
    b.hub.sequence_once().await.expect("sequenced");
    let list = b.hub.log_namespace(&b.hub.own_log_tip().expect("a log"), nsid).await.expect("told");
    let bodies = read_bodies(&list).expect("a list");
    let bodies: Vec<Body> = bodies.iter().map(|body| Body::decode(body).expect("a body")).collect();
    let whole = NamespaceChain::follow(&bodies).expect("in order");
    assert_eq!((whole.seq, whole.namespace.home.as_str()), (3, "b.example"));
    let before = NamespaceChain::follow(&bodies[..2]).expect("in order").namespace.rotation;
    assert_eq!(whole.namespace.rotation[0], kit.public());
    assert!(!whole.namespace.rotation.contains(&before[1]));

    // Who never heard of its first home knows it as the new one's.
    let late = hub("late.example").await;
    synced(&late, &b).await;
    assert_eq!(tip(&late, "zeta.b.example/m").await, tip(&b, MIRRORED).await);

    // The old hub comes back: what it says now is void, and it becomes a mirror.
    let new_a = synced(&a, &b).await;
    assert_eq!(upstream_of(&a, "zeta/m").await, Some(new_a));
    assert_eq!(tip(&a, "zeta/m").await, tip(&b, MIRRORED).await);
    let alice = a.login(crate::tests::token("alice")).await;
    let refused = a.hub.write(&alice, &repo("zeta/m")).await.expect_err("a mirror");
    assert_eq!(refused.kind(), Kind::Mirrored);
    assert!(refused.message().contains("http://b.example/zeta/m"), "{refused}");
    let made = a.hub.add_repo(&repo("zeta/more"), polder_types::Visibility::Public).await;
    assert_eq!(made.expect_err("at home elsewhere").kind(), Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_here_whole_does_not_move_nor_without_the_kit() {
    let (a, kit) = home().await;
    let b = hub("b.example").await;
    assert_eq!(take(&b, HOME, &kit).await.expect_err("not followed").kind(), Kind::NotFound);
    let log = follow(&b, &a, MirrorMode::Lazy).await;
    sync(&b, log, &a).await;
    let told = take(&b, HOME, &kit).await.expect_err("lazy");
    assert!(told.message().contains("`zeta/m` (mode lazy)"), "{told}");
    follow(&b, &a, MirrorMode::Full).await;
    b.hub.reselect(log).await.expect("selected");
    let told = take(&b, HOME, &kit).await.expect_err("not ready");
    assert!(told.message().contains("`zeta/m` (waiting)"), "{told}");
    sync(&b, log, &a).await;
    let wrong = SecretKey::new(&[9; 32]);
    assert_eq!(take(&b, HOME, &wrong).await.expect_err("no kit").kind(), Kind::Invalid);
    b.hub.add_org(&name("zeta"), &name("bob")).await.expect("added");
    assert_eq!(take(&b, HOME, &kit).await.expect_err("its name is taken").kind(), Kind::Conflict);
    assert_eq!(upstream_of(&b, MIRRORED).await, Some(log), "nothing has changed");
    assert!(move_states(&b, chain(&b, log).await.nsid).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_moves_in_one_place_the_settled_one_stays_or_the_operator_chooses() {
    for seconds in [OP_SETTLED_SECONDS - 60, OP_SETTLED_SECONDS + 60] {
        let (a, kit) = home().await;
        let (b, d, c) = (hub("b.example").await, hub("d.example").await, hub("c.example").await);
        for place in [&b, &d, &c] {
            synced(place, &a).await;
        }
        take(&b, HOME, &kit).await.expect("moved");
        take(&d, HOME, &kit).await.expect("moved");
        let log_b = synced(&c, &b).await;
        let nsid = chain(&c, log_b).await.nsid;
        c.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
        commit(&d, MIRRORED, "theirs").await;
        let log_d = synced(&c, &d).await;
        assert_eq!(upstream_of(&c, MIRRORED).await, Some(log_b), "{seconds}");
        commit(&b, MIRRORED, "ours").await;
        sync(&c, log_b, &b).await;
        if seconds > OP_SETTLED_SECONDS {
            assert_eq!(move_states(&c, nsid).await, [MoveState::Followed, MoveState::Refused]);
            assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);
            continue;
        }
        assert_eq!(move_states(&c, nsid).await, [MoveState::Frozen, MoveState::Rival]);
        assert_ne!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await, "frozen");
        c.hub.release_purge("http://d.example").await.expect("chosen");
        sync(&c, log_d, &d).await;
        assert_eq!(move_states(&c, nsid).await, [MoveState::Refused, MoveState::Followed]);
        assert_eq!(upstream_of(&c, MIRRORED).await, Some(log_d));
        assert_eq!(tip(&c, MIRRORED).await, tip(&d, MIRRORED).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backdated_move_waits_for_the_operator() {
    let (a, kit) = home().await;
    let (b, c) = (hub("b.example").await, hub("c.example").await);
    synced(&b, &a).await;
    commit(&a, "zeta/m", "later").await;
    let old = synced(&c, &a).await;
    let before = tip(&c, MIRRORED).await;
    take(&b, HOME, &kit).await.expect("moved");
    commit(&b, MIRRORED, "other").await;
    let new = synced(&c, &b).await;
    let nsid = chain(&c, new).await.nsid;
    assert_eq!(move_states(&c, nsid).await, [MoveState::Asked]);
    assert_eq!((upstream_of(&c, MIRRORED).await, tip(&c, MIRRORED).await), (Some(old), before));
    let mirrors = c.hub.db.list_mirrors(new, None, 10).await.expect("read");
    let told = mirrors[0].last_error.clone().unwrap_or_default();
    assert!(mirrors[0].state == MirrorState::Blocked && told.contains("polder mirrors release"), "{told}");
    assert_eq!(c.hub.release_purge("http://b.example").await.expect("agreed"), 1);
    work(&c.hub, new, &HubPeer::new(&b.hub)).await;
    assert_eq!(upstream_of(&c, MIRRORED).await, Some(new));
    assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_nobody_who_may_has_signed_or_with_another_past_changes_nothing() {
    let (a, kit) = home().await;
    let (b, c) = (hub("b.example").await, hub("c.example").await);
    let old_b = synced(&b, &a).await;
    let old = synced(&c, &a).await;
    let chain = chain(&b, old_b).await;
    let log = b.hub.db.log(old_b).await.expect("read").expect("there");
    let evil = SecretKey::new(&[66; 32]);
    let true_root = log.tree.root();
    for (key, root) in [(&evil, true_root), (&kit, Sha256::new([1; 32]))] {
        let own = b.hub.db.own_log().await.expect("read").expect("begun");
        let cut = LogHead { log: log.name.clone(), size: log.tree.size(), root };
        let keys = (&key.public(), evil.public());
        let op = chain.move_to(own.name.clone(), UnixMillis(1), [7; 16], cut, keys);
        let op = op.seal(&[key]).expect("sealed");
        let body = Some(Bytes::copy_from_slice(op.bytes()));
        let entry = LogEntry { leaf: op.leaf(), body, nsid: Some(chain.nsid) };
        b.hub.db.append_to_log(own.append(vec![entry])).await.expect("appended");
    }
    let before = tip(&c, MIRRORED).await;
    let new = synced(&c, &b).await;
    assert_eq!(
        move_states(&c, chain.nsid).await,
        [MoveState::Refused],
        "of the second; the first is nothing"
    );
    assert_eq!((upstream_of(&c, MIRRORED).await, tip(&c, MIRRORED).await), (Some(old), before));
    commit(&a, "zeta/m", "two").await;
    sync(&c, old, &a).await;
    assert_eq!(tip(&c, MIRRORED).await, tip(&a, "zeta/m").await, "its home goes on");
    assert!(c.hub.db.list_mirrors(new, None, 10).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_its_home_never_told_of_takes_nothing_along() {
    let (a, _kit) = home().await;
    let (b, c) = (hub("b.example").await, hub("c.example").await);
    let old_b = synced(&b, &a).await;
    let old = synced(&c, &a).await;
    let log = b.hub.db.log(old_b).await.expect("read").expect("there");
    let own = b.hub.db.own_log().await.expect("read").expect("begun");
    // Everything about it is right but that it is made up.
    let evil = SecretKey::new(&[66; 32]);
    let mut create = Statement::new(log.name.clone(), EventType::NsCreate, UnixMillis(1), [3; 16]);
    create.rseq = 1;
    let home = log.name.origin.clone();
    let rotation = vec![evil.public()];
    let namespace = Namespace { handle: "zeta".to_owned(), home, signer: None, rotation, cut: None };
    create.data = Data::Namespace(namespace);
    let create = create.seal(&[&evil]).expect("sealed");
    let chain = NamespaceChain::start(&create).expect("a namespace");
    let cut = LogHead { log: log.name.clone(), size: log.tree.size(), root: log.tree.root() };
    let keys = (&evil.public(), evil.public());
    let op =
        chain.move_to(own.name.clone(), UnixMillis(1), [7; 16], cut, keys).seal(&[&evil]).expect("sealed");
    let made = SnapshotRows {
        log: own.id,
        ops: vec![LogOp { nsid: chain.nsid, seq: 1, index: own.tree.size(), body_sha256: create.sha256() }],
        bodies: vec![(create.sha256(), Bytes::copy_from_slice(create.bytes()))],
        ..SnapshotRows::default()
    };
    b.hub.db.load_snapshot_rows(made).await.expect("kept");
    let body = Some(Bytes::copy_from_slice(op.bytes()));
    let entry = LogEntry { leaf: op.leaf(), body, nsid: Some(chain.nsid) };
    b.hub.db.append_to_log(own.append(vec![entry])).await.expect("appended");

    let new = synced(&c, &b).await;
    assert_eq!(move_states(&c, chain.nsid).await, [MoveState::Refused]);
    assert_eq!(upstream_of(&c, MIRRORED).await, Some(old));
    assert!(c.hub.db.list_mirrors(new, None, 10).await.expect("read").is_empty());
    synced(&a, &b).await;
    assert_eq!(move_states(&a, chain.nsid).await, [MoveState::Refused]);
    assert_eq!(upstream_of(&a, "zeta/m").await, None, "its home keeps it");
}
