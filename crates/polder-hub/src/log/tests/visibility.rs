//! What is told of repositories that not everybody may read.

use polder_log::EventType;
use polder_types::{Gate, Visibility};

use super::{begun, commit, follow, kinds};
use crate::Kind;
use crate::tests::repo;

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
