//! Events that a namespace which holds its own key has not signed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, Mirror, MirrorMode, MirrorState};
use polder_log::{Body, Data, EventType, Meta, Namespace, RefMap, SecretKey, Statement};
use polder_types::{RepoKind, Sha256, UnixMillis};

use super::attacks::Origin;
use super::peer::{Peer, PeerFuture};
use super::sources::{Source, SourceSet};
use crate::tests::{START, fixture};

/// Gives out a log as it is, and empty ref maps.
struct Honest(Origin);

impl Peer for Honest {
    fn name(&self) -> &'static str {
        "home"
    }

    fn events(&self, from: u64, limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        Box::pin(async move { Ok(Some(self.0.page(from, limit).encode().expect("small").into())) })
    }

    fn ref_map(&self, _rid: Sha256, _sha256: Sha256) -> PeerFuture<'_, Bytes> {
        Box::pin(async { Ok(empty().encode().into()) })
    }
}

fn empty() -> RefMap {
    RefMap::new("refs/heads/main".to_owned(), Vec::new()).expect("a map")
}

/// A namespace that signs with a key of its own, which this log has told of.
fn namespace(origin: &mut Origin, keys: &SecretKey, signer: &SecretKey) -> Body {
    let mut create = Statement::new(origin.log.clone(), EventType::NsCreate, UnixMillis(START), [1; 16]);
    create.rseq = 1;
    let (home, rotation) = (origin.log.origin.clone(), vec![keys.public()]);
    let signer = Some(signer.public());
    create.data = Data::Namespace(Namespace { handle: "acme".to_owned(), home, signer, rotation, cut: None });
    let create = create.seal(&[keys]).expect("sealed");
    origin.push(create.clone());
    create
}

/// Creates a repository, signed with these keys.
fn create(origin: &mut Origin, namespace: &Body, name: &str, keys: &[&SecretKey]) {
    let mut create = Statement::new(origin.log.clone(), EventType::RepoCreate, UnixMillis(START), [2; 16]);
    create.nsid = namespace.namespace();
    create.ns_head = Some(namespace.sha256());
    create.rseq = 1;
    create.state = Some(empty().state());
    let path = format!("acme/{name}");
    create.meta = Some(Meta::new(RepoKind::Model, path, "refs/heads/main".to_owned()));
    origin.push(create.seal(keys).expect("sealed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_namespace_has_not_signed_is_quarantined_and_says_so_and_the_rest_is_shown() {
    let place = fixture().await;
    let hub = &place.hub;
    let [keys, signer, other] = [1, 2, 3].map(|n| SecretKey::new(&[n; 32]));
    let mut origin = Origin::new("home.example");
    let ns = namespace(&mut origin, &keys, &signer);
    create(&mut origin, &ns, "signed", &[&signer]);
    create(&mut origin, &ns, "unsigned", &[]);
    create(&mut origin, &ns, "wrongly", &[&other]);
    // The key that may change the namespace is not the one that speaks for it.
    create(&mut origin, &ns, "rotation", &[&keys]);
    let (name, key) = (origin.log.clone(), origin.key.verifier().clone());
    let log = hub.db.open_log(name, key, false).await.expect("opened").id;
    let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }];
    hub.db.set_upstream(log, "https://home.example".to_owned(), rules).await.expect("followed");
    let home = Source::home(Arc::new(Honest(origin)));
    let sources = Arc::new(SourceSet::new(hub.db.clone(), log, vec![home]));
    hub.read_to_the_end(&sources).await.expect("read");
    let upstream = hub.db.upstream(log).await.expect("read").expect("followed");
    for mirror in hub.db.claim_mirrors(log, 300, 10).await.expect("claimed") {
        hub.work_on(&upstream, &sources, &mirror).await.expect("written down");
    }
    let mirrors = hub.db.list_mirrors(log, None, 10).await.expect("read");
    let state = |name: &str| -> &Mirror {
        mirrors.iter().find(|mirror| mirror.path == format!("acme/{name}")).expect("heard of")
    };
    assert_eq!(state("signed").state, MirrorState::Ready, "{:?}", state("signed").last_error);
    for name in ["unsigned", "wrongly", "rotation"] {
        let Mirror { state, last_error, ready_rseq, .. } = state(name);
        assert_eq!((*state, *ready_rseq), (MirrorState::Quarantined, 0), "{name}");
        let told = last_error.as_deref().unwrap_or_default();
        assert!(told.contains("the signature of its namespace"), "{name}: {told}");
    }
}
