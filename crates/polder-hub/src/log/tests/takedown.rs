//! What the log says of what is taken down.

use polder_db::LogBody;
use polder_log::{Body, Data, EventType};

use super::{begun, commit, follow, kinds, page};
use crate::tests::{Fixture, name, repo, token};
use crate::{Kind, Principal, Select};

async fn told(place: &Fixture) -> Vec<Body> {
    commit(&place.hub, &place.writer("acme/open").await, "one").await;
    follow(&place.hub).await;
    commit(&place.hub, &place.writer("acme/open").await, "two").await;
    follow(&place.hub).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takedown_is_told_with_its_reason_and_a_restore_with_the_whole_state() {
    let place = begun().await;
    let hub = &place.hub;
    let before = told(&place).await.pop().expect("an event");
    hub.add_user(&name("zoe"), true).await.expect("added");
    let strangers =
        [Principal::ANONYMOUS, place.login(token("bob")).await, place.login(token("carol")).await];
    let writers = [place.login(token("alice")).await, place.login(token("zoe")).await];
    hub.take_down(&repo("acme/open"), " a claim ", false).await.expect("taken down");
    let down = follow(hub).await.pop().expect("an event");
    assert_eq!((down.kind, down.reason.as_deref()), (EventType::RepoTakedown, Some("a claim")));
    assert_eq!((down.prev, down.state), (Some(before.sha256()), None));
    for who in &writers {
        let told = hub.read(who, &repo("acme/open")).await.expect_err("nobody has it");
        assert!(told.is_disabled() && told.message().ends_with("took `acme/open` down: a claim"), "{told}");
    }
    for who in &strangers {
        let hidden = hub.read(who, &repo("acme/open")).await.expect_err("hidden");
        let missing = hub.read(who, &repo("acme/none")).await.expect_err("missing");
        assert_eq!(
            (hidden.kind(), hidden.message().replace("open", "none")),
            (missing.kind(), missing.message().to_owned())
        );
    }
    let rid = down.rid.expect("a rid");
    assert_eq!(hub.read_logged(rid).await.expect_err("hidden").kind(), Kind::NotFound);
    let again = hub.take_down(&repo("acme/open"), "again", false).await.expect_err("it is down");
    assert_eq!(again.kind(), Kind::Conflict);
    let listed = hub.list_repos().await.expect("listed");
    assert!(listed.iter().any(|repo| repo.withheld.as_deref() == Some("takedown")), "the operator sees it");

    hub.undo_takedown(&repo("acme/open")).await.expect("put back");
    let back = follow(hub).await.pop().expect("an event");
    assert_eq!(
        (back.kind, back.prev, back.state),
        (EventType::RepoRestore, Some(down.sha256()), before.state)
    );
    hub.read(&Principal::ANONYMOUS, &repo("acme/open")).await.expect("readable");
    assert_eq!(
        hub.undo_takedown(&repo("acme/open")).await.expect_err("it is not down").kind(),
        Kind::Conflict
    );
    for reason in ["", " \n", "a\0b", &"x".repeat(4097)] {
        let error = hub.take_down(&repo("acme/open"), reason, false).await.expect_err(reason);
        assert_eq!(error.kind(), Kind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_told_of_is_taken_down_in_silence() {
    let place = begun().await;
    let before = told(&place).await.len();
    place.hub.take_down(&repo("acme/closed"), "a claim", true).await.expect("taken down");
    assert_eq!(follow(&place.hub).await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_leaves_the_takedown_and_everything_else() {
    let place = begun().await;
    let hub = &place.hub;
    let bodies = told(&place).await;
    let rid = bodies.last().and_then(Body::repo).expect("a rid");
    hub.add_repo(&repo("acme/other"), polder_types::Visibility::Public).await.expect("added");
    hub.sequence_once().await.expect("sequenced");
    hub.take_down(&repo("acme/open"), "a claim", true).await.expect("taken down");
    hub.sequence_once().await.expect("sequenced");
    let tip = hub.own_log_tip().expect("a log");
    let page = page(hub, 0, Select::All).await;
    let mut held: Vec<Body> = page.bodies.iter().map(|bytes| Body::decode(bytes).expect("a body")).collect();
    let all: Vec<_> = page.leaves.iter().map(|leaf| leaf.kind.name()).collect();
    let said = ["hub.key", "ns.create", "repo.create", "repo.refs", "repo.create", "repo.takedown"];
    assert_eq!(all, [&said[..], &["body.erase", "body.erase"]].concat());
    let mut erased: Vec<u64> = held
        .iter()
        .filter_map(|body| if let Data::Erase { index } = body.data { Some(index) } else { None })
        .collect();
    erased.sort_unstable();
    assert_eq!(erased, [2, 3]);
    for leaf in &page.leaves[2..4] {
        assert_eq!(leaf.rid, rid);
        assert_eq!(hub.db.log_body(leaf.body_sha256).await.expect("read"), LogBody::Erased);
        assert_eq!(hub.log_body(leaf.body_sha256).await.expect_err("erased").kind(), Kind::Gone);
    }
    held.retain(|body| body.repo() == Some(rid));
    assert_eq!(kinds(&held), ["repo.takedown"]);
    // Every leaf is still proven, and the newest event still gives the state.
    let proof =
        polder_log::BodyProof::decode(&hub.log_repo(&tip, rid).await.expect("proof")).expect("well formed");
    let key = hub.db.own_log().await.expect("read").expect("there").key;
    assert_eq!(proof.verify(&key).expect("in the signed tree").0.kind, EventType::RepoTakedown);
    assert_eq!(hub.undo_takedown(&repo("acme/open")).await.expect_err("gone").kind(), Kind::NotFound);
    hub.sequence_once().await.expect("sequenced");
    assert_eq!(hub.own_log_tip().expect("a log"), tip, "nothing more to say");
}
