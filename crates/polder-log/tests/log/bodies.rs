//! Bodies and leaves: one encoding, every field kept, and the ids that follow from them.

use crate::kit::{manifest, ns_create, ref_map, repo_event, secret, statement};
use polder_log::{
    Body, Data, Error, EventType, Hint, Leaf, ObjectEntry, Objects, ObjectsManifest, REFS_BYTES_MAX,
    RefChange,
};
use polder_types::{ObjectId, RepoKind, Sha256, Visibility};
use proptest::prelude::*;

#[test]
fn ids_come_from_what_is_said_and_not_from_who_signed() {
    let create = repo_event(EventType::RepoCreate, None);
    let unsigned = (*create).clone().seal(&[]).unwrap();
    assert_eq!(create.id(), unsigned.id());
    assert_ne!(create.sha256(), unsigned.sha256());
    assert_eq!(create.repo(), Some(create.id()));
    assert_eq!(create.leaf().rid, create.id());
    let refs = repo_event(EventType::RepoRefs, Some(&create));
    assert_eq!((refs.repo(), refs.leaf().rid), (Some(create.id()), create.id()));
    let namespace = ns_create();
    assert_eq!(namespace.namespace(), Some(namespace.id()));
    assert!(namespace.leaf().rid.is_zero());
    assert!(namespace.leaf().hint.is_nsid(&namespace.id()));
    // The same words with another salt are another repository.
    let mut again = (*create).clone();
    again.salt = [1; 16];
    assert_ne!(again.seal(&[]).unwrap().id(), create.id());
}

#[test]
fn a_signature_is_good_for_one_body() {
    let create = repo_event(EventType::RepoCreate, None);
    assert!(create.is_signed_by(&secret(9).public()));
    assert!(!create.is_signed_by(&secret(10).public()));
    let at = create.bytes().windows(6).position(|part| part == b"acme/m").unwrap();
    let mut altered = create.bytes().to_vec();
    altered[at] = b'x';
    assert!(!Body::decode(&altered).unwrap().is_signed_by(&secret(9).public()));
}

#[test]
fn the_hint_tells_kind_licence_and_namespace() {
    let hint = repo_event(EventType::RepoCreate, None).leaf().hint;
    assert!(hint.is_kind(RepoKind::Model) && !hint.is_kind(RepoKind::Dataset));
    assert!(hint.is_license("apache-2.0") && !hint.is_license("mit"));
    assert!(hint.is_nsid(&ns_create().id()) && !hint.is_nsid(&Sha256::new([0; 32])));
    assert_eq!(Hint::new(None, None, None).0, [0; 32]);
}

/// A hub of a later release adds a field: this one still knows the body by the same hash and signature.
#[test]
fn fields_of_later_versions_are_kept_to_the_bit() {
    let create = repo_event(EventType::RepoCreate, None);
    let unsigned = (*create).clone().seal(&[]).unwrap();
    let mut bytes = unsigned.bytes().to_vec();
    assert_eq!(bytes[0] & 0xe0, 0xa0, "a map of fewer than 24 pairs");
    bytes[0] += 1;
    // Key 21, [1, {"later": true}].
    bytes.extend([0x15, 0x82, 0x01, 0xa1, 0x65]);
    bytes.extend(b"later\xf5");
    let body = Body::decode(&bytes).unwrap();
    assert_ne!(body.id(), unsigned.id());
    let again = (*body).clone().seal(&[&secret(9)]).unwrap();
    assert!(again.is_signed_by(&secret(9).public()));
    assert_eq!((again.id(), (*again).clone().seal(&[]).unwrap().bytes()), (body.id(), &bytes[..]));
}

#[test]
fn a_body_that_says_too_much_or_too_little_is_refused() {
    let create = repo_event(EventType::RepoCreate, None);
    let refused = |change: &dyn Fn(&mut polder_log::Statement)| {
        let mut said = (*create).clone();
        change(&mut said);
        said.seal(&[]).expect_err("refused")
    };
    refused(&|said| said.rid = Some(create.id()));
    refused(&|said| said.rseq = 2);
    refused(&|said| said.nsid = None);
    refused(&|said| said.ns_head = None);
    refused(&|said| said.meta = None);
    refused(&|said| said.state = None);
    refused(&|said| said.kind = EventType::RepoRefs);
    refused(&|said| said.kind = EventType::Heartbeat);
    refused(&|said| said.data = Data::Erase { index: 1 });
    refused(&|said| said.reason = Some("x".repeat(5000)));
    refused(&|said| said.meta.as_mut().unwrap().tags = vec![String::new(); 257]);
    let change = RefChange { name: "refs/heads/x".to_owned(), old: None, new: Some(ObjectId::new([1; 20])) };
    let many = refused(&|said| said.refs = Some(vec![change.clone(); 500]));
    assert_eq!(many, Error::TooLarge { what: "the refs of a body", limit: REFS_BYTES_MAX });
    let twice = manifest().entries()[0];
    refused(&|said| said.objects = Some(Objects::Inline(vec![twice, twice])));
    // Of what is private, gated or gone only that is said.
    let mut said = (*create).clone();
    said.state = None;
    said.meta.as_mut().unwrap().visibility = Visibility::Private;
    said.seal(&[]).unwrap();
    assert!(repo_event(EventType::RepoTakedown, Some(&create)).leaf().is_critical());
}

#[test]
fn objects_stand_in_the_body_until_they_are_many() {
    let object = |n: u64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_be_bytes());
        ObjectEntry { sha256: Sha256::new(hash), size: 10, xet: None }
    };
    let few = ObjectsManifest::new((0..400).map(object).collect()).unwrap();
    assert!(matches!(few.objects(), Objects::Inline(_)));
    let many = ObjectsManifest::new((0..500).map(object).collect()).unwrap();
    let named = Objects::Manifest { sha256: many.sha256(), len: 500 * 72, count: 500, bytes: 5000 };
    assert_eq!(many.objects(), named);
    let mut said = (*repo_event(EventType::RepoCreate, None)).clone();
    said.objects = Some(few.objects());
    assert!(said.clone().seal(&[]).is_ok());
    said.objects = Some(named);
    assert!(said.seal(&[]).is_ok());
    let mut file = many.encode();
    assert!(ObjectsManifest::decode(&file[1..]).is_err());
    file.rotate_left(72);
    assert!(ObjectsManifest::decode(&file).is_err());
}

#[test]
fn every_type_has_its_own_code_and_name() {
    let mut seen = std::collections::BTreeSet::new();
    for kind in EventType::all() {
        assert_eq!(EventType::from_code(kind.code()), kind);
        assert!(seen.insert(kind.code()) & seen.insert(kind.code().wrapping_add(128)));
        assert_eq!(
            [kind.is_hub(), kind.is_namespace(), kind.is_repo()].iter().filter(|is| **is).count(),
            usize::from(kind.code() < 64)
        );
    }
    // An event of a later release is read, kept and relayed.
    let later = statement(EventType::Other(96)).seal(&[]).unwrap();
    assert_eq!((later.kind.name(), later.leaf().kind.code()), ("unknown", 96));
}

fn any_hash() -> impl Strategy<Value = Option<Sha256>> {
    proptest::option::of(any::<[u8; 32]>().prop_map(Sha256::new))
}

proptest! {
    #[test]
    fn what_is_sealed_is_read_the_same(
        code: u8, rseq: u64, critical: bool, time in 0..i64::MAX, salt: [u8; 16], ids in proptest::collection::vec(any_hash(), 4),
        reason in proptest::option::of(".{0,100}"), refs in proptest::collection::vec((".{0,40}", any::<[u8; 20]>()), 0..4),
        tags in proptest::collection::vec(".{0,20}", 0..4), keys in proptest::collection::vec(1_u8..9, 0..4),
    ) {
        let mut said = statement(EventType::from_code(code));
        (said.rseq, said.critical, said.time, said.salt, said.reason) = (rseq, critical, polder_types::UnixMillis(time), salt, reason);
        [said.nsid, said.ns_head, said.rid, said.prev] = ids.try_into().unwrap();
        let refs = refs.into_iter().map(|(name, oid)| RefChange { name, old: None, new: Some(ObjectId::new(oid)) });
        said.refs = Some(refs.collect());
        said.state = Some(ref_map().state());
        let mut meta = polder_log::Meta::new(RepoKind::Space, "acme/s".to_owned(), "refs/heads/main".to_owned());
        meta.tags = tags;
        said.meta = Some(meta);
        let keys: Vec<_> = keys.into_iter().map(secret).collect();
        let keys: Vec<_> = keys.iter().collect();
        if let Ok(body) = said.clone().seal(&keys) {
            prop_assert_eq!(&*body, &said);
            prop_assert!(keys.iter().all(|key| body.is_signed_by(&key.public())));
            let leaf = body.leaf();
            prop_assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
            prop_assert!(leaf.matches(&body));
        }
    }

    #[test]
    fn no_altered_byte_goes_unseen(at: proptest::sample::Index, bit in 0..8) {
        let body = repo_event(EventType::RepoCreate, None);
        let mut bytes = body.bytes().to_vec();
        bytes[at.index(body.bytes().len())] ^= 1_u8 << bit;
        if let Ok(altered) = Body::decode(&bytes) {
            prop_assert!(!altered.is_signed_by(&secret(9).public()) && !body.leaf().matches(&altered));
        }
    }
}
