//! Who may follow whom: the keys of hubs and of namespaces.

use polder_types::UnixMillis;

use crate::kit::{Hub, first_key, log, namespace, ns_create, secret};
use polder_log::{
    Body, CutVerdict, Data, Error, HubKeys, KitOf, LogHead, LogName, Namespace, NamespaceChain, RecoveryKit,
    judge_cut, leaf_hash, read_recovery_key, recovery_text,
};

fn hub_key(before: &HubKeys, key: u8, recovery: u8, signers: &[u8]) -> Body {
    let mut next = before.rotation(log(), UnixMillis(0), [2; 16], secret(key).public());
    next.data =
        Data::HubKey { key: secret(key).public(), recovery_sha256: secret(recovery).public().sha256() };
    let signers: Vec<_> = signers.iter().map(|seed| secret(*seed)).collect();
    next.seal(&signers.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_key_is_followed_by_one_that_it_or_the_recovery_key_signed() {
    let first = HubKeys::start(&first_key()).unwrap();
    assert_eq!(first.key, secret(7).public());
    let second = first.next(&hub_key(&first, 20, 8, &[20, 7])).unwrap();
    let third = second.next(&hub_key(&second, 21, 8, &[21, 20])).unwrap();
    assert_eq!((third.generation, third.key), (3, secret(21).public()));
    // The hub lost its key.
    let recovered = third.next(&hub_key(&third, 22, 23, &[22, 8])).unwrap();
    assert_eq!(recovered.recovery_sha256, secret(23).public().sha256());

    let unsigned = Err(Error::Unsigned { what: "a hub's key" });
    assert_eq!(first.next(&hub_key(&first, 20, 8, &[7])), unsigned, "the new key is nobody's");
    assert_eq!(first.next(&hub_key(&first, 20, 8, &[20])), unsigned);
    assert_eq!(first.next(&hub_key(&first, 20, 8, &[20, 66])), unsigned);
    assert_eq!(second.next(&hub_key(&second, 21, 8, &[21, 7])), unsigned, "a key that was replaced");
    assert!(first.next(&hub_key(&second, 21, 8, &[21, 20])).is_err(), "one is left out");
    assert!(HubKeys::start(&hub_key(&first, 20, 8, &[20, 7])).is_err());
    assert!(HubKeys::start(&ns_create()).is_err());
}

/// Someone stole the hub's key and signs another recovery key with it. The owner's still outranks it.
#[test]
fn who_steals_the_hub_key_cannot_get_rid_of_the_recovery_key() {
    let first = HubKeys::start(&first_key()).unwrap();
    assert!(first.next(&hub_key(&first, 66, 67, &[66, 7])).is_err());
    let stolen_body = hub_key(&first, 66, 8, &[66, 7]);
    let stolen = first.next(&stolen_body).unwrap();
    let back = stolen.next(&hub_key(&stolen, 30, 31, &[30, 8])).unwrap();
    assert_eq!(back.key, secret(30).public());
    // In another log the owner's key stands in its very place.
    let owners = hub_key(&first, 30, 31, &[30, 8]);
    assert!(first.is_recovery(&owners) && !first.is_recovery(&stolen_body));
}

fn operation(before: &NamespaceChain, change: &dyn Fn(&mut Namespace), signer: u8) -> Body {
    let mut namespace = before.namespace.clone();
    namespace.cut = None;
    change(&mut namespace);
    before.operation(log(), UnixMillis(0), [2; 16], namespace).seal(&[&secret(signer)]).unwrap()
}

fn cut(size: u64) -> LogHead {
    LogHead { log: log(), size, root: leaf_hash(b"root") }
}

#[test]
fn a_namespace_moves_by_a_rotation_key_of_its_own() {
    let start = NamespaceChain::start(&ns_create()).unwrap();
    assert_eq!(start.namespace, namespace());
    let to_new_home = |namespace: &mut Namespace| {
        namespace.home = "new.example.org".parse().unwrap();
        namespace.cut = Some(cut(5));
    };
    for signer in [9, 10] {
        let moved = start.next(&operation(&start, &to_new_home, signer)).unwrap();
        assert_eq!((moved.seq, moved.nsid), (2, start.nsid));
        assert_eq!(moved.namespace.home.as_str(), "new.example.org");
        let renamed = moved.next(&operation(&moved, &|namespace| namespace.handle = "acme2".to_owned(), 10));
        assert_eq!(renamed.unwrap().namespace.cut, None);
    }
    assert_eq!(
        start.next(&operation(&start, &to_new_home, 66)).unwrap_err(),
        Error::Unsigned { what: "an operation of a namespace" }
    );
    let refused = |before: &NamespaceChain, change: &dyn Fn(&mut Namespace)| {
        start.next(&operation(before, change, 10)).unwrap_err();
    };
    refused(&start, &|namespace| namespace.home = "new.example.org".parse().unwrap());
    refused(&start, &|namespace| namespace.cut = Some(cut(5)));
    refused(&start.next(&operation(&start, &to_new_home, 10)).unwrap(), &|_| ());
    refused(&NamespaceChain { nsid: leaf_hash(b"another"), ..start.clone() }, &|_| ());
    refused(&NamespaceChain { head: leaf_hash(b"another"), ..start.clone() }, &|_| ());
}

/// The hub that holds a key of the namespace turns on its owner.
#[test]
fn the_key_of_the_hub_cannot_take_away_the_key_of_the_owner() {
    let start = NamespaceChain::start(&ns_create()).unwrap();
    let (owner, hub, other) = (secret(10).public(), secret(9).public(), secret(66).public());
    let rotate = |keys: Vec<_>, signer| {
        start.next(&operation(&start, &|namespace| namespace.rotation = keys.clone(), signer))
    };
    assert!(rotate(vec![hub], 9).is_err());
    assert!(rotate(vec![other, owner, hub], 9).is_err());
    assert!(rotate(vec![owner, other], 9).is_ok());
    assert!(rotate(vec![other], 10).is_ok());
}

#[test]
fn a_cut_below_what_was_applied_waits_for_the_operator() {
    assert_eq!(judge_cut(&cut(9), &log(), 9, None), CutVerdict::Follow);
    assert_eq!(judge_cut(&cut(9), &log(), 9, Some(leaf_hash(b"root"))), CutVerdict::Follow);
    assert_eq!(judge_cut(&cut(8), &log(), 9, None), CutVerdict::AskOperator);
    assert_eq!(judge_cut(&cut(9), &log(), 9, Some(leaf_hash(b""))), CutVerdict::Contradiction);
    let other = "other.example.org/polder/1".parse().unwrap();
    assert_eq!(judge_cut(&cut(9), &other, 0, None), CutVerdict::Contradiction);
}

#[test]
fn secrets_cannot_be_printed() {
    let hub = Hub::new();
    let printed = format!("{:?} {:?}", secret(7), hub.key);
    assert!(printed.contains("SecretKey(…)") && !printed.contains("7, 7") && !printed.contains("BwcH"));
}

/// The old hub is dead: the owner's file and any mirror's copy of the old log are enough.
#[test]
fn a_recovery_kit_moves_a_namespace_and_a_chain_is_followed_from_its_creation() {
    let create = ns_create();
    let home = crate::kit::ORIGIN.parse().unwrap();
    let kit = RecoveryKit::new(KitOf::Namespace { home, handle: "acme".to_owned() }, &[10; 32]);
    let kit = RecoveryKit::parse(&kit.to_text()).unwrap();
    let start = NamespaceChain::follow([&create]).unwrap();
    let new_log: LogName = "new.example.org/polder/1".parse().unwrap();
    let keys = (&kit.key().public(), secret(12).public());
    let moved = start.move_to(new_log.clone(), UnixMillis(0), [3; 16], cut(5), keys);
    let moved = moved.seal(&[&kit.key()]).unwrap();
    let chain = NamespaceChain::follow([&create, &moved]).unwrap();
    assert_eq!((chain.namespace.home, chain.namespace.cut), (new_log.origin, Some(cut(5))));
    assert_eq!(chain.namespace.rotation, [kit.key().public(), secret(12).public()], "not the old hub's");
    assert!(NamespaceChain::follow([&moved]).is_err());
    assert!(NamespaceChain::follow([]).is_err());
    let next = hub_key(&HubKeys::start(&first_key()).unwrap(), 20, 8, &[20, 7]);
    assert_eq!(HubKeys::follow([&first_key(), &next]).unwrap().key, secret(20).public());
    assert!(HubKeys::follow([&first_key(), &first_key()]).is_err());
}

#[test]
fn a_kit_that_was_copied_wrong_is_refused() {
    let kit = RecoveryKit::new(KitOf::Hub(crate::kit::ORIGIN.parse().unwrap()), &[10; 32]);
    let text = kit.to_text();
    assert!(RecoveryKit::parse(&text.replace('\n', "\r\n")).is_ok());
    for (from, to) in [
        ("secret key: pldr_0", "secret key: pldr_1"),
        ("secret key", "secret"),
        ("of: hub", "of: a"),
        ("Polder", "A"),
    ] {
        assert!(RecoveryKit::parse(&text.replace(from, to)).is_err(), "{from}");
    }
    assert!(RecoveryKit::parse(&text.repeat(100)).is_err());
    for text in [text, recovery_text(&[10; 32]) + "\n"] {
        assert_eq!(read_recovery_key(&text).unwrap().public(), secret(10).public());
    }
    assert!(read_recovery_key("pldr_0a").is_err() && read_recovery_key("").is_err());
}
