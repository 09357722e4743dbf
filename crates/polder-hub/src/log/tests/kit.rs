//! What the log says of recovery kits.

use std::io;

use polder_log::{Body, EventType, KitOf, NamespaceChain, RecoveryKit, SecretKey};

use super::{begun, commit, follow, kinds};
use crate::tests::{fixture, name};
use crate::{Hub, Kind, Result};

async fn make(hub: &Hub, of: &str, old: Option<SecretKey>) -> Result<RecoveryKit> {
    let mut kept = None;
    let keep = |kit: &RecoveryKit| {
        kept = Some(kit.clone());
        Ok(())
    };
    hub.make_namespace_kit(&name(of), old, keep).await?;
    Ok(kept.expect("kept"))
}

fn chain(bodies: &[Body]) -> NamespaceChain {
    NamespaceChain::follow(bodies.iter().filter(|body| body.kind.is_namespace())).expect("in order")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_outranks_the_key_of_the_hub_and_is_replaced_only_by_who_has_it() {
    let place = begun().await;
    let hub = &place.hub;
    commit(hub, &place.writer("acme/open").await, "one").await;
    let before = chain(&follow(hub).await);
    let first = make(hub, "acme", None).await.expect("made");
    let home = hub.own_log_tip().expect("a log").name.origin;
    assert_eq!(*first.of(), KitOf::Namespace { home, handle: "acme".to_owned() });
    let bodies = follow(hub).await;
    let op = bodies.last().expect("an event");
    let hub_key = before.namespace.rotation[0];
    assert!(op.kind == EventType::NsOp && op.is_signed_by(&hub_key));
    assert_eq!(chain(&bodies).namespace.rotation, [first.key().public(), hub_key]);

    assert_eq!(make(hub, "acme", None).await.expect_err("there is one").kind(), Kind::Conflict);
    let hubs = hub.keys.namespaces().key(hub.account(&name("acme")).await.expect("there").id);
    for wrong in [SecretKey::new(&[9; 32]), hubs] {
        assert_eq!(make(hub, "acme", Some(wrong)).await.expect_err("not the kit").kind(), Kind::Invalid);
    }
    let second = make(hub, "acme", Some(first.key())).await.expect("replaced");
    assert_eq!(make(hub, "acme", Some(first.key())).await.expect_err("it is old").kind(), Kind::Invalid);

    commit(hub, &place.writer("acme/open").await, "two").await;
    let bodies = follow(hub).await;
    assert_eq!(
        kinds(&bodies),
        ["hub.key", "ns.create", "repo.create", "ns.op", "ns.op", "repo.refs"],
        "and nothing for what was refused"
    );
    let after = chain(&bodies);
    assert_eq!(after.namespace.rotation, [second.key().public(), hub_key]);
    assert_eq!(bodies.last().expect("an event").ns_head, Some(after.head));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_begins_the_namespace_of_which_nothing_is_public_yet() {
    let place = begun().await;
    let hub = &place.hub;
    let kit = make(hub, "acme", None).await.expect("made");
    commit(hub, &place.writer("acme/open").await, "one").await;
    let bodies = follow(hub).await;
    assert_eq!(kinds(&bodies), ["hub.key", "ns.create", "ns.op", "repo.create"]);
    let chain = chain(&bodies);
    assert_eq!(chain.namespace.rotation.first(), Some(&kit.key().public()));
    assert_eq!(bodies[3].nsid, Some(chain.nsid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_that_cannot_be_kept_is_none() {
    let place = begun().await;
    let hub = &place.hub;
    let full = |_: &RecoveryKit| Err(io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(
        hub.make_namespace_kit(&name("acme"), None, full).await.expect_err("full").kind(),
        Kind::Invalid
    );
    assert_eq!(kinds(&follow(hub).await).first(), Some(&"hub.key"));
    make(hub, "acme", None).await.expect("made");
    for (of, kind) in [("nobody", Kind::NotFound), ("acme.hub.example", Kind::NotFound)] {
        assert_eq!(make(hub, of, None).await.expect_err(of).kind(), kind, "{of}");
    }
    let mute = fixture().await;
    assert_eq!(make(&mute.hub, "acme", None).await.expect_err("no log").kind(), Kind::NotFound);
}
