//! Proofs that stand alone: of a body, and of a clone.

use polder_log::{BodyProof, CloneProof, EventType, Fault, Lie, Plan, SignerKey, VerifierKey, leaf_hash};

use crate::kit::{Hub, ORIGIN, at, ref_map, repo_event, secret};

/// A hub whose event 7 is of a repository, and its proof under the checkpoint of 12.
fn proof() -> (Hub, CloneProof) {
    let mut hub = Hub::new();
    hub.beat(6, 1);
    hub.append(&repo_event(EventType::RepoCreate, None));
    hub.beat(4, 1);
    let event = BodyProof {
        index: 7,
        checkpoint: hub.note(12),
        path: Plan::inclusion(7, 12).unwrap().path(&hub).unwrap(),
        body: hub.bodies[at(7)].clone(),
    };
    (hub, CloneProof { event, refs: ref_map().encode().into_bytes() })
}

#[test]
fn a_proof_gives_what_the_hub_signed() {
    let (hub, proof) = proof();
    let bytes = proof.encode().unwrap();
    assert_eq!(CloneProof::decode(&bytes), Ok(proof.clone()));
    let signed = proof.verify(hub.key.verifier()).unwrap();
    assert_eq!((signed.index, signed.checkpoint.size, signed.refs), (7, 12, ref_map()));
    for length in 0..bytes.len() {
        assert!(CloneProof::decode(&bytes[..length]).is_err());
    }
    assert!(CloneProof::decode(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn whatever_is_altered_in_a_proof_is_named() {
    let (hub, honest) = proof();
    let key = hub.key.verifier();
    let lie = |key: &VerifierKey, change: &dyn Fn(&mut CloneProof)| {
        let mut proof = honest.clone();
        change(&mut proof);
        match proof.verify(key) {
            Err(Fault::Source(lie)) => lie,
            other => panic!("{other:?}"),
        }
    };
    let stranger = SignerKey::new(ORIGIN, secret(66)).unwrap();
    assert_eq!(lie(stranger.verifier(), &|_| ()), Lie::Signature);
    // The same key under the name of another hub.
    let renamed = SignerKey::new("other.example.org", secret(7)).unwrap();
    assert_eq!(lie(renamed.verifier(), &|_| ()), Lie::Signature);
    assert_eq!(lie(key, &|proof| proof.event.checkpoint = hub.note(11)), Lie::Proof);
    assert_eq!(lie(key, &|proof| proof.event.index = 6), Lie::Proof);
    assert_eq!(lie(key, &|proof| proof.event.index = 12), Lie::Proof);
    assert_eq!(lie(key, &|proof| proof.event.path[0] = leaf_hash(b"")), Lie::Proof);
    assert_eq!(lie(key, &|proof| proof.event.path.clear()), Lie::Proof);
    assert_eq!(lie(key, &|proof| proof.event.body = hub.bodies[1].clone()), Lie::Proof);
    let other = repo_event(EventType::RepoMeta, Some(&repo_event(EventType::RepoCreate, None)));
    assert_eq!(lie(key, &|proof| proof.event.body = other.bytes().to_vec()), Lie::Proof);
    assert!(matches!(lie(key, &|proof| proof.event.body.truncate(9)), Lie::Malformed(_)));
    assert_eq!(lie(key, &|proof| proof.refs.truncate(26)), Lie::Body);
    let moved = ref_map().encode().replace("0101010101", "0202020202").into_bytes();
    assert_eq!(lie(key, &|proof| proof.refs = moved.clone()), Lie::Body);
    assert!(matches!(lie(key, &|proof| proof.refs.clear()), Lie::Malformed(_)));
}
