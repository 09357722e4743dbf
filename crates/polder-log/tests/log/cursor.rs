//! What a follower takes from a source, and whom it blames.

use crate::kit::{Hub, at, first_key, log, namespace, ns_create, repo_event, secret, statement};
use polder_log::{
    Body, Content, Cursor, Data, EventType, EventsPage, Fault, Leaf, Lie, LogHead, Misfit, NamespaceChain,
    RepoHead, SignerKey, check_next, leaf_hash, open_body,
};

/// A follower that has taken the first `size` events.
fn follower(hub: &Hub, size: u64) -> Cursor {
    let start = Cursor::start(log());
    if size == 0 {
        start
    } else {
        start.advance(&hub.page(0, size, size), hub.key.verifier()).unwrap().cursor
    }
}

#[test]
fn a_log_is_taken_page_by_page_whatever_the_pages() {
    let mut hub = Hub::new();
    hub.beat(40, 1);
    for step in 1..=17 {
        for ahead in [0, 1, 5, 30] {
            let mut cursor = Cursor::start(log());
            let mut taken = Vec::new();
            while cursor.tree.size() < hub.tree.size() {
                let first = cursor.tree.size();
                let count = step.min(hub.tree.size() - first);
                let page = hub.page(first, count, (first + count + ahead).min(hub.tree.size()));
                let page = EventsPage::decode(&page.encode().unwrap()).unwrap();
                let advanced = cursor.advance(&page, hub.key.verifier()).unwrap();
                taken.extend(advanced.entries);
                cursor = advanced.cursor;
            }
            assert_eq!(cursor.tree, hub.tree);
            for (entry, index) in taken.iter().zip(0..) {
                assert_eq!((entry.index, entry.leaf), (index, hub.leaves[at(index)]));
                let Content::Body(body) = &entry.content else { panic!("{entry:?}") };
                assert_eq!(body.bytes(), hub.bodies[at(index)]);
            }
        }
    }
}

#[test]
fn a_page_without_bodies_advances_and_they_can_come_from_anywhere() {
    let mut hub = Hub::new();
    hub.append(&ns_create());
    let mut page = hub.page(0, 2, 2);
    page.bodies.remove(0);
    let advanced = Cursor::start(log()).advance(&page, hub.key.verifier()).unwrap();
    assert_eq!(advanced.entries[0].content, Content::NotSent);
    let leaf = &advanced.entries[0].leaf;
    assert_eq!(open_body(&log(), leaf, &hub.bodies[0]), Ok(first_key()));
    assert_eq!(open_body(&log(), leaf, &hub.bodies[1]), Err(Misfit::Hash));
}

/// A mirror alters what it passes on, in every way it can. Each is named, nothing is taken, and the honest
/// page is taken afterwards.
#[test]
fn whatever_a_source_alters_is_named_and_nothing_is_taken() {
    let mut hub = Hub::new();
    hub.beat(20, 1);
    let mut stranger = hub.clone();
    stranger.key = SignerKey::new(crate::kit::ORIGIN, secret(66)).unwrap();
    let mut elsewhere = hub.clone();
    elsewhere.log = "other.example.org/polder/1".parse().unwrap();
    let mut later = hub.clone();
    later.log = format!("{}/polder/2", crate::kit::ORIGIN).parse().unwrap();

    let cursor = follower(&hub, 5);
    let honest = hub.page(5, 6, 18);
    let lie = |change: &dyn Fn(&mut EventsPage)| {
        let mut page = honest.clone();
        change(&mut page);
        match cursor.advance(&page, hub.key.verifier()) {
            Err(Fault::Source(lie)) => lie,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lie(&|page| page.checkpoint = stranger.note(18)), Lie::Signature);
    assert_eq!(lie(&|page| page.checkpoint = page.checkpoint.replace("\n18\n", "\n17\n")), Lie::Signature);
    assert_eq!(lie(&|page| page.checkpoint = elsewhere.note(18)), Lie::Origin);
    assert!(matches!(lie(&|page| page.checkpoint.clear()), Lie::Malformed(_)));
    assert_eq!(lie(&|page| page.first = 4), Lie::Place);
    assert_eq!(lie(&|page| page.checkpoint = hub.note(9)), Lie::Place);
    assert_eq!(lie(&|page| page.proof[0] = leaf_hash(b"")), Lie::Proof);
    assert_eq!(lie(&|page| page.proof.clear()), Lie::Proof);
    assert_eq!(lie(&|page| page.proof.push(leaf_hash(b""))), Lie::Proof);
    assert_eq!(lie(&|page| page.proof = hub.path(10, 18)), Lie::Proof);
    assert_eq!(lie(&|page| page.leaves.swap(0, 1)), Lie::Graft);
    assert_eq!(lie(&|page| page.leaves[5].hint.0[0] = 1), Lie::Graft);
    assert_eq!(lie(&|page| page.leaves[2].rseq += 1), Lie::Graft);
    assert_eq!(lie(&|page| page.leaves[2].body_len += 1), Lie::Graft);
    assert_eq!(lie(&|page| page.leaves[2] = hub.leaves[3]), Lie::Graft);
    assert!(matches!(lie(&|page| page.leaves.truncate(5)), Lie::Proof | Lie::Graft));
    assert!(matches!(lie(&|page| page.leaves.push(hub.leaves[11])), Lie::Proof | Lie::Graft));
    assert_eq!(lie(&|page| page.bodies[3][20] ^= 1), Lie::Body);
    assert_eq!(lie(&|page| page.bodies[3] = hub.bodies[0].clone()), Lie::Body);
    assert_eq!(lie(&|page| page.bodies[3].clear()), Lie::Body);

    let mut page = honest.clone();
    page.checkpoint = hub.note(4);
    assert_eq!(cursor.advance(&page, hub.key.verifier()), Err(Fault::Stale { size: 4 }));
    page.checkpoint = later.note(18);
    assert_eq!(cursor.advance(&page, hub.key.verifier()), Err(Fault::NewEpoch { epoch: 2 }));
    assert_eq!(cursor.advance(&honest, hub.key.verifier()).unwrap().cursor.tree.size(), 11);
}

#[test]
fn a_page_that_is_cut_off_or_goes_on_is_refused() {
    let mut hub = Hub::new();
    hub.beat(3, 1);
    let bytes = hub.page(1, 2, 4).encode().unwrap();
    for length in 0..bytes.len() {
        assert!(EventsPage::decode(&bytes[..length]).is_err());
    }
    assert!(EventsPage::decode(&[bytes.clone(), vec![0]].concat()).is_err());
    assert!(EventsPage::decode(&vec![0; polder_log::PAGE_BYTES_MAX + 1]).is_err());
    // Claims of more than there is cost nothing.
    for place in 12..24 {
        let mut bytes = bytes.clone();
        bytes[place] = 0xff;
        assert!(EventsPage::decode(&bytes).is_err());
    }
}

/// A hub shows one past to some and another to others. A mirror with altered leaves looks the same at first;
/// asked for a page without leaves, the hub's own signature tells the two apart, whatever the sizes.
#[test]
fn two_signed_pasts_convict_the_origin_and_nothing_else_does() {
    for fork in 1..12 {
        for size in fork + 1..16 {
            let mut hub = Hub::new();
            hub.beat(fork - 1, 1);
            let mut other = hub.clone();
            hub.beat(20 - fork, 1);
            other.beat(20 - fork, 2);
            let cursor = {
                let page = hub.page(0, size, size + 3);
                Cursor::start(log()).advance(&page, hub.key.verifier()).unwrap().cursor
            };
            let keys = [hub.key.verifier().clone()];
            let advance = |page| cursor.advance(&page, hub.key.verifier());
            assert_eq!(advance(other.page(size, 2, 19)), Err(Lie::Graft.into()));
            let mut evidence = Vec::new();
            for page in [other.page(size, 0, 19), other.page(size, 0, size)] {
                let Err(Fault::Equivocated(found)) = advance(page) else { panic!("not found") };
                evidence.push(found);
            }
            // A source that is behind shows an older signature.
            for older in fork + 1..size {
                let own = hub.path(older, size);
                assert_eq!(cursor.compare(&hub.note(older), &own, hub.key.verifier()), Ok(()));
                let found = cursor.compare(&other.note(older), &own, hub.key.verifier());
                let Err(Fault::Equivocated(found)) = found else { panic!("{found:?}") };
                evidence.push(found);
            }
            assert_eq!(cursor.compare(&other.note(fork), &hub.path(fork, size), hub.key.verifier()), Ok(()));
            for found in evidence {
                assert!(found.convicts(&keys));
                assert!(
                    !found.convicts(&[SignerKey::new(crate::kit::ORIGIN, secret(66))
                        .unwrap()
                        .verifier()
                        .clone()])
                );
                let mut framed = found.clone();
                framed.other = framed.held.clone();
                assert!(!framed.convicts(&keys));
                let mut framed = found;
                framed.size += 1;
                assert!(!framed.convicts(&keys));
            }
            assert!(advance(hub.page(size, 0, 19)).is_ok());
        }
    }
}

/// A faulty hub signs an event that is not in order: only that event is refused, the log goes on.
#[test]
fn what_the_origin_signed_wrong_pauses_one_repository_only() {
    let mut hub = Hub::new();
    let body = repo_event(EventType::RepoCreate, None);
    let (hint, rseq, time, length) = (
        |leaf: &mut Leaf| leaf.hint.0[0] = 2,
        |leaf: &mut Leaf| leaf.rseq = 2,
        |leaf: &mut Leaf| leaf.time_ms += 1,
        |leaf: &mut Leaf| leaf.body_len += 1,
    );
    let changes: [fn(&mut Leaf); 4] = [hint, rseq, time, length];
    for change in changes {
        let mut leaf = body.leaf();
        change(&mut leaf);
        hub.append_raw(leaf, body.bytes());
    }
    let other_log = polder_log::Statement::new(
        "other.example.org/polder/1".parse().unwrap(),
        EventType::Heartbeat,
        polder_types::UnixMillis(0),
        [0; 16],
    );
    hub.append(&other_log.seal(&[]).unwrap());
    let mut broken = body.leaf();
    broken.body_sha256 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d".parse().unwrap();
    broken.body_len = 1;
    hub.append_raw(broken, &[0]);
    hub.append(&body);
    let entries = Cursor::start(log()).advance(&hub.page(0, 8, 8), hub.key.verifier()).unwrap().entries;
    let why = |index: usize| match &entries[index].content {
        Content::Refused { bytes, why } => {
            assert_eq!(*bytes, hub.bodies[index]);
            Some(why.clone())
        }
        _ => None,
    };
    assert_eq!([1, 2, 3, 4].map(why), [const { Some(Misfit::Leaf) }; 4]);
    assert_eq!(why(5), Some(Misfit::Log));
    assert!(matches!(why(6), Some(Misfit::Malformed(_))));
    assert_eq!((why(0), why(7)), (None, None));
}

#[test]
fn the_operation_by_which_a_namespace_left_is_of_the_log_of_its_new_home() {
    let mut hub = Hub::new();
    hub.append(&ns_create());
    let cut = LogHead { log: log(), size: 2, root: hub.tree.root() };
    let (new_log, keys) =
        ("other.example.org/polder/1".parse().unwrap(), (&secret(10).public(), secret(11).public()));
    let chain = NamespaceChain::start(&ns_create()).unwrap();
    let left =
        chain.move_to(new_log, polder_types::UnixMillis(0), [3; 16], cut, keys).seal(&[&secret(10)]).unwrap();
    hub.append(&left);
    let entries = Cursor::start(log()).advance(&hub.page(0, 3, 3), hub.key.verifier()).unwrap().entries;
    let Content::Body(body) = &entries[2].content else { panic!("{:?}", entries[2]) };
    assert_eq!(**body, left);
}

#[test]
fn after_a_later_version_an_earlier_one_is_refused() {
    let mut hub = Hub::new();
    let later = b"a body of another format";
    let mut leaf = hub.leaves[0];
    leaf.version = 2;
    leaf.body_len = u32::try_from(later.len()).unwrap();
    leaf.body_sha256 = {
        use sha2::Digest as _;
        polder_types::Sha256::new(sha2::Sha256::digest(later).into())
    };
    hub.append_raw(leaf, later);
    hub.beat(1, 1);
    let first = Cursor::start(log()).advance(&hub.page(0, 2, 3), hub.key.verifier()).unwrap();
    let later = Content::Refused { bytes: later.to_vec(), why: Misfit::Version(2) };
    assert_eq!(first.entries[1].content, later);
    let second = first.cursor.advance(&hub.page(2, 1, 3), hub.key.verifier()).unwrap();
    let Content::Refused { why: Misfit::Downgrade(1), .. } = second.entries[0].content else { panic!() };
    assert_eq!(second.cursor.tree, hub.tree);
}

#[test]
fn a_cursor_begins_at_a_snapshot_only_if_the_origin_signed_that_size() {
    let mut hub = Hub::new();
    hub.beat(20, 1);
    let earlier = follower(&hub, 9).tree;
    let key = hub.key.verifier();
    let cursor = Cursor::at(log(), earlier.clone(), &hub.note(21), &hub.path(9, 21), key).unwrap();
    assert_eq!(cursor.advance(&hub.page(9, 12, 21), key).unwrap().cursor.tree, hub.tree);
    let mut peaks = earlier.peaks().to_vec();
    peaks[0] = leaf_hash(b"another past");
    let forged = polder_log::Frontier::new(9, peaks).unwrap();
    let refused = Cursor::at(log(), forged, &hub.note(21), &hub.path(9, 21), key);
    assert_eq!(refused, Err(Lie::Graft.into()));
}

#[test]
fn an_event_of_a_repository_follows_the_one_before() {
    let create = repo_event(EventType::RepoCreate, None);
    let refs = repo_event(EventType::RepoRefs, Some(&create));
    let meta = repo_event(EventType::RepoMeta, Some(&refs));
    let head = |body: &Body| Some(RepoHead { rseq: body.rseq, body_sha256: body.sha256() });
    assert_eq!(check_next(None, &create), Ok(()));
    assert_eq!(check_next(head(&create), &refs), Ok(()));
    assert_eq!(check_next(head(&refs), &meta), Ok(()));
    // Replayed, left out, grafted on another.
    let other = Some(RepoHead { rseq: 1, body_sha256: refs.sha256() });
    for (head, body) in [(head(&refs), &refs), (head(&create), &meta), (None, &refs), (other, &refs)] {
        assert_eq!(check_next(head, body), Err(Misfit::Chain));
    }
}

/// One push on a hub of a million repositories: what a waiting follower is sent.
#[test]
fn a_poll_that_brings_one_event_is_at_most_4_kib() {
    let create = repo_event(EventType::RepoCreate, None);
    let refs = repo_event(EventType::RepoRefs, Some(&create));
    let mut hub = Hub::new();
    hub.append(&refs);
    let mut page = hub.page(1, 1, 2);
    // Other events have come meanwhile, in a tree of 2^30.
    page.proof = vec![leaf_hash(b""); 31];
    let bytes = page.encode().unwrap().len();
    assert!(bytes <= 4096, "{bytes}");
}

#[test]
fn a_namespace_signs_its_own_events() {
    let chain = polder_log::NamespaceChain::start(&ns_create()).unwrap();
    let event = repo_event(EventType::RepoCreate, None);
    assert!(chain.allows(&event));
    let mut unsigned = (*event).clone();
    unsigned.salt = [1; 16];
    assert!(!chain.allows(&unsigned.clone().seal(&[]).unwrap()));
    assert!(!chain.allows(&unsigned.clone().seal(&[&secret(10)]).unwrap()));
    unsigned.nsid = Some(leaf_hash(b"another namespace"));
    assert!(!chain.allows(&unsigned.seal(&[&secret(9)]).unwrap()));
    let mut open = namespace();
    open.signer = None;
    let mut create = statement(EventType::NsCreate);
    create.rseq = 1;
    create.data = Data::Namespace(open);
    let open = polder_log::NamespaceChain::start(&create.seal(&[&secret(10)]).unwrap()).unwrap();
    let mut event = (*event).clone();
    event.nsid = Some(open.nsid);
    assert!(open.allows(&event.seal(&[]).unwrap()));
}
