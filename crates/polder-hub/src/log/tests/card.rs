//! What events say of cards.

use polder_log::EventType;
use polder_types::Visibility;

use super::{begun, follow};
use crate::tests::moves::{move_refs, moved};
use crate::tests::{repo, signature, write};
use crate::{CommitRequest, Grant, Hub, Write};

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
