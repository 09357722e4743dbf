//! Hearing of a move from others than the new home: the old one, whoever mirrors both, and a snapshot.

use std::sync::Arc;

use polder_db::{MirrorMode, MirrorState, MoveState, Upstream};
use polder_log::{Body, LogHead, NamespaceChain, SecretKey, push_body, read_bodies};
use polder_types::{Sha256, UnixMillis};

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::HubPeer;
use super::moving_tests::{
    HOME, MIRRORED, chain, commit, follow, home, hub, move_states, sync, synced, take, tip, upstream_of, work,
};
use super::peer::Peer;
use crate::tests::Fixture;

/// What the operator is told of the one mirror of a log.
async fn told(place: &Fixture, log: i64) -> (MirrorState, Option<String>) {
    let origin = place.hub.db.log(log).await.expect("read").expect("there").name.origin.to_string();
    let listed = place.hub.list_followed().await.expect("read");
    let upstream = listed.into_iter().find(|one| one.origin == origin).expect("followed");
    let [mirror] = upstream.mirrors.as_slice() else { panic!("{upstream:?}") };
    (mirror.state, mirror.moved_to.clone())
}

fn moved_to(origin: &str) -> (MirrorState, Option<String>) {
    (MirrorState::Ready, Some(origin.to_owned()))
}

/// The operations of a namespace as a hub gives them out.
async fn given_out(place: &Fixture, nsid: Sha256) -> NamespaceChain {
    let list = HubPeer::new(&place.hub).namespace(nsid).await.expect("told");
    let bodies = read_bodies(&list).expect("a list");
    let bodies: Vec<Body> = bodies.iter().map(|body| Body::decode(body).expect("a body")).collect();
    NamespaceChain::follow(&bodies).expect("in order")
}

async fn upstream(place: &Fixture, log: i64) -> Upstream {
    place.hub.db.upstream(log).await.expect("read").expect("followed")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_old_home_alone_hears_there_of_the_move_and_is_told_whom_to_follow() {
    let (a, kit) = home().await;
    let (b, c, d) = (hub("b.example").await, hub("c.example").await, hub("d.example").await);
    let (old_c, old_d) = (synced(&c, &a).await, synced(&d, &a).await);
    commit(&a, "zeta/m", "unread by c and d").await;
    let old_b = synced(&b, &a).await;
    let nsid = chain(&b, old_b).await.nsid;
    let at_the_cut = tip(&b, MIRRORED).await;
    take(&b, HOME, &kit).await.expect("moved");
    synced(&a, &b).await;
    a.hub.sequence_once().await.expect("told");
    let size = a.hub.own_log_tip().expect("a log").size;
    a.hub.sequence_once().await.expect("nothing to tell");
    assert_eq!(a.hub.own_log_tip().expect("a log").size, size, "it is told once");
    assert_eq!(given_out(&a, nsid).await.namespace.home.as_str(), "b.example");

    // What came before is taken over, and served on.
    sync(&c, old_c, &a).await;
    assert_eq!(told(&c, old_c).await, moved_to("b.example"));
    assert_eq!((tip(&c, MIRRORED).await, upstream_of(&c, MIRRORED).await), (at_the_cut, Some(old_c)));
    assert!(move_states(&c, nsid).await.is_empty());

    // Who follows the new home, too, needs no word from there.
    let new_d = follow(&d, &b, MirrorMode::Full).await;
    sync(&d, old_d, &a).await;
    assert_eq!(upstream_of(&d, MIRRORED).await, Some(new_d));
    assert!(d.hub.db.list_mirrors(old_d, None, 10).await.expect("read").is_empty());
    commit(&b, MIRRORED, "two").await;
    sync(&d, new_d, &b).await;
    assert_eq!(tip(&d, MIRRORED).await, tip(&b, MIRRORED).await);

    let new_c = synced(&c, &b).await;
    assert_eq!(told(&c, new_c).await, (MirrorState::Ready, None));
    assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);
    assert!(c.hub.db.elsewhere_of(nsid).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_old_home_is_dead_others_are_asked_and_only_the_namespaces_signature_counts() {
    let (a, kit) = home().await;
    let (b, both) = (hub("b.example").await, hub("e.example").await);
    let (c, alone) = (hub("c.example").await, hub("f.example").await);
    let old_b = synced(&b, &a).await;
    let (old_c, old_alone) = (synced(&c, &a).await, synced(&alone, &a).await);
    synced(&both, &a).await;
    let before = chain(&b, old_b).await;
    let cut = {
        let log = b.hub.db.log(old_b).await.expect("read").expect("there");
        LogHead { root: log.tree.root(), size: log.tree.size(), log: log.name }
    };
    take(&b, HOME, &kit).await.expect("moved");
    synced(&both, &b).await;
    assert_eq!(
        given_out(&both, before.nsid).await.namespace.home.as_str(),
        "b.example",
        "a mirror of both knows"
    );

    assert!(!alone.hub.ask_if_dead(old_alone, &mut None).await.expect("read"), "its home answers");
    alone.hub.db.heard_upstream(old_alone, Some("dead".to_owned())).await.expect("noted");
    assert!(alone.hub.ask_if_dead(old_alone, &mut None).await.expect("asked"), "but nobody else is known");

    // Somebody else's operation, and no operations at all.
    let evil = SecretKey::new(&[66; 32]);
    let op = before.move_to(
        "evil.example/polder/1".parse().expect("a name"),
        UnixMillis(1),
        [7; 16],
        cut,
        (&evil.public(), evil.public()),
    );
    let op = op.seal(&[&evil]).expect("sealed");
    let honest = HubPeer::new(&both.hub);
    let forged = EvilPeer::saying(HubPeer::new(&a.hub), move |question, answer| match question {
        Question::Namespace(_) => {
            let mut list = answer.to_vec();
            push_body(&mut list, op.bytes()).expect("it fits");
            Said::This(list.into())
        }
        _ => Said::This(answer),
    });
    let torn = EvilPeer::saying(honest.clone(), |_, answer| Said::This(answer.slice(..answer.len() - 1)));
    let liars: [Arc<dyn Peer>; 2] = [Arc::new(forged), Arc::new(torn)];
    alone.hub.ask_around(&upstream(&alone, old_alone).await, &liars, None).await.expect("asked");
    assert_eq!(told(&alone, old_alone).await, (MirrorState::Ready, None));

    let honest: [Arc<dyn Peer>; 1] = [Arc::new(honest)];
    alone.hub.ask_around(&upstream(&alone, old_alone).await, &honest, None).await.expect("asked");
    assert_eq!(told(&alone, old_alone).await, moved_to("b.example"));
    assert!(tip(&alone, MIRRORED).await.is_some(), "it is served on");

    let new_c = follow(&c, &b, MirrorMode::Full).await;
    c.hub.ask_around(&upstream(&c, old_c).await, &honest, None).await.expect("asked");
    assert_eq!(upstream_of(&c, MIRRORED).await, Some(new_c));
    commit(&b, MIRRORED, "two").await;
    for (place, log) in [(&c, new_c), (&alone, follow(&alone, &b, MirrorMode::Full).await)] {
        sync(place, log, &b).await;
        assert_eq!(move_states(place, before.nsid).await, [MoveState::Followed]);
        assert_eq!(tip(place, MIRRORED).await, tip(&b, MIRRORED).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_a_log_with_its_snapshot_hears_of_the_moves_to_and_from_it() {
    let (a, kit) = home().await;
    let (b, c, late) = (hub("b.example").await, hub("c.example").await, hub("late.example").await);
    synced(&b, &a).await;
    let old = synced(&c, &a).await;
    take(&b, HOME, &kit).await.expect("moved");
    commit(&b, MIRRORED, "two").await;
    synced(&a, &b).await;
    for place in [&a, &b] {
        place.hub.sequence_once().await.expect("sequenced");
        place.hub.snapshot_log().await.expect("made");
        place.hub.sequence_once().await.expect("given out");
    }
    let begin = async |who: &Fixture, whom: &Fixture| {
        let log = follow(who, whom, MirrorMode::Full).await;
        let (reader, peer) = (who.hub.reader(log).await.expect("read"), HubPeer::new(&whom.hub));
        who.hub.begin_at_snapshot(&reader, &peer).await.ok().expect("begun");
        work(&who.hub, log, &peer).await;
        log
    };
    let new = begin(&c, &b).await;
    assert_eq!(upstream_of(&c, MIRRORED).await, Some(new));
    assert_eq!(tip(&c, MIRRORED).await, tip(&b, MIRRORED).await);
    assert!(c.hub.db.list_mirrors(old, None, 10).await.expect("read").is_empty());

    let log = begin(&late, &a).await;
    let [elsewhere] = &late.hub.db.list_elsewhere(log).await.expect("read")[..] else {
        panic!("it is told of")
    };
    assert_eq!((elsewhere.handle.as_str(), elsewhere.origin.as_str()), ("zeta", "b.example"));
    assert!(
        late.hub.db.list_mirrors(log, None, 10).await.expect("read").is_empty(),
        "it speaks for it no longer"
    );
}
