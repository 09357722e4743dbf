use bytes::Bytes;
use polder_log::{
    Body, Checkpoint, Cursor, Data, EventType, EventsPage, Frontier, HubKeys, LogName, Meta, Namespace, Plan,
    SecretKey, SignerKey, State, Statement, TileId, consistency_roots, inclusion_root, leaf_hash,
};
use polder_types::{RepoKind, Sha256, UnixMillis};

use super::{Home, sha};
use crate::{
    Appended, FileKind, Log, LogAppend, LogBody, LogEntry, LogFile, LogHeadRow, LogOp, LogStart, SnapshotRows,
};

fn signer() -> SignerKey {
    SignerKey::new("hub.example.org", SecretKey::new(&[7; 32])).unwrap()
}

fn name() -> LogName {
    "hub.example.org/polder/1".parse().unwrap()
}

async fn open(home: &Home) -> Log {
    home.db.open_log(name(), signer().verifier().clone(), true).await.unwrap()
}

/// Event `n` of one of `repos` repositories, as a heavy one would be.
fn event(n: u64, repos: u64) -> Body {
    statement(n, repos).seal(&[]).unwrap()
}

fn statement(n: u64, repos: u64) -> Statement {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&n.to_be_bytes());
    let mut event = Statement::new(name(), EventType::RepoRefs, UnixMillis(1_800_000_000_000), salt);
    let mut rid = [9; 32];
    rid[..8].copy_from_slice(&(n % repos).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    (event.rid, event.nsid, event.ns_head) = (Some(Sha256::new(rid)), Some(sha(1)), Some(sha(2)));
    (event.rseq, event.prev) = (n / repos + 2, Some(sha(3)));
    event.state = Some(State { refs_sha256: sha(4), count: 1 });
    event.meta =
        Some(Meta::new(RepoKind::Model, format!("acme/m{}", n % repos), "refs/heads/main".to_owned()));
    event
}

fn entry(body: &Body) -> LogEntry {
    let body_bytes = Some(Bytes::copy_from_slice(body.bytes()));
    LogEntry { leaf: body.leaf(), body: body_bytes, nsid: body.namespace() }
}

async fn appended(home: &Home, log: &Log, bodies: &[Body]) -> Frontier {
    match home.db.append_to_log(log.append(bodies.iter().map(entry).collect())).await.unwrap() {
        Appended::Done(tree) => tree,
        Appended::Raced => panic!("raced"),
    }
}

#[tokio::test]
async fn leaves_come_back_as_they_were_and_every_proof_leads_to_the_root() {
    let home = Home::open().await;
    let bodies: Vec<Body> = (0..1000).map(|n| event(n, 10)).collect();
    let mut sizes = vec![0];
    // Over the edges of bundles, in steps of any size.
    for step in [1, 254, 1, 1, 300, 443] {
        let log = open(&home).await;
        let first = usize::try_from(log.tree.size()).unwrap();
        let tree = appended(&home, &log, &bodies[first..first + step]).await;
        sizes.push(tree.size());
    }
    let log = open(&home).await;
    assert_eq!(log.tree.size(), 1000);
    for (from, limit) in [(0, 1), (0, 256), (255, 2), (300, 4096), (999, 5), (1000, 5)] {
        let leaves = home.db.log_leaves(log.id, from, 1000, limit).await.unwrap();
        let expected = bodies.iter().map(Body::leaf).skip(usize::try_from(from).unwrap());
        let expected: Vec<_> = expected.take(usize::try_from(limit).unwrap()).collect();
        assert_eq!(leaves, expected);
    }
    let root = log.tree.root();
    for index in [0, 254, 255, 256, 511, 999] {
        let path = home.db.log_path(log.id, &Plan::inclusion(index, 1000).unwrap()).await.unwrap();
        let leaf = bodies[usize::try_from(index).unwrap()].leaf();
        assert_eq!(inclusion_root(leaf.hash(), index, 1000, &path), Ok(root));
    }
    for old in sizes {
        let mut tree = Frontier::default();
        for body in bodies.iter().take(usize::try_from(old).unwrap()) {
            tree.push(leaf_hash(&body.leaf().encode()), |_, _| ());
        }
        assert_eq!(home.db.log_root(&log, old).await.unwrap(), Some(tree.root()));
        assert_eq!(home.db.log_peaks(log.id, old).await.unwrap(), tree.peaks());
        if old > 0 && old < 1000 {
            let path = home.db.log_path(log.id, &Plan::consistency(old, 1000).unwrap()).await.unwrap();
            assert_eq!(consistency_roots(old, 1000, &path), Ok((tree.root(), root)));
        }
    }
    assert_eq!(home.db.log_root(&log, 1001).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_that_append_at_once_one_is_told_so_and_writes_nothing() {
    let home = Home::open().await;
    let log = open(&home).await;
    appended(&home, &log, &[event(0, 1)]).await;
    let late = home.db.append_to_log(log.append(vec![entry(&event(1, 1))])).await.unwrap();
    assert_eq!(late, Appended::Raced);
    assert_eq!(open(&home).await.tree.size(), 1);
    assert_eq!(home.db.log_body(event(1, 1).sha256()).await.unwrap(), LogBody::Missing);
}

#[tokio::test]
async fn a_lease_that_another_took_appends_nothing() {
    let home = Home::open().await;
    let log = open(&home).await;
    let lease = home.db.lease_log(log.id, 1, 30, false).await.unwrap().unwrap();
    assert_eq!(home.db.lease_log(log.id, 2, 30, false).await.unwrap(), None);
    assert_eq!(home.db.lease_log(log.id, 1, 30, false).await.unwrap(), Some(lease), "renewed");
    home.pass_seconds(31);
    let other = home.db.lease_log(log.id, 2, 30, false).await.unwrap().unwrap();
    assert!(other.fence > lease.fence);
    let append = |lease| LogAppend { sequenced: Some((lease, 5)), ..log.append(vec![entry(&event(0, 1))]) };
    assert_eq!(home.db.append_to_log(append(lease)).await.unwrap(), Appended::Raced);
    assert!(matches!(home.db.append_to_log(append(other)).await.unwrap(), Appended::Done(_)));
    assert_eq!(open(&home).await.fact_seq, 5);
    home.db.give_back_log(log.id, other).await.unwrap();
    assert!(home.db.lease_log(log.id, 3, 30, false).await.unwrap().is_some());
    assert!(home.db.lease_log(log.id, 4, 30, true).await.unwrap().is_some(), "nobody else can be there");
}

#[tokio::test]
async fn the_newest_leaf_and_every_operation_are_found() {
    let home = Home::open().await;
    let log = open(&home).await;
    let key = SecretKey::new(&[8; 32]);
    let mut create = Statement::new(name(), EventType::NsCreate, UnixMillis(1), [1; 16]);
    create.rseq = 1;
    create.data = Data::Namespace(Namespace {
        handle: "acme".to_owned(),
        home: name().origin,
        signer: None,
        rotation: vec![key.public()],
        cut: None,
    });
    let create = create.seal(&[&key]).unwrap();
    let bodies = [create.clone(), event(0, 2), event(1, 2), event(2, 2)];
    appended(&home, &log, &bodies).await;
    let head = home.db.log_head(log.id, bodies[3].repo().unwrap()).await.unwrap().unwrap();
    assert_eq!((head.index, head.leaf), (3, bodies[3].leaf()));
    let asked = [bodies[3].repo().unwrap(), Sha256::new([9; 32])];
    assert_eq!(home.db.log_heads(log.id, &asked).await.unwrap(), [head]);
    let namespace = home.db.log_head(log.id, create.id()).await.unwrap().unwrap();
    assert_eq!((namespace.index, namespace.leaf), (0, create.leaf()));
    assert_eq!(home.db.namespace_ops(log.id, create.id()).await.unwrap(), [(0, create.sha256())]);
    let first = home.db.list_log_heads(log.id, None, 2).await.unwrap();
    let rest = home.db.list_log_heads(log.id, Some(first[1].rid), 9).await.unwrap();
    let all: Vec<Sha256> = first.iter().chain(&rest).map(|head| head.rid).collect();
    assert!(all.len() == 3 && all.is_sorted());
}

#[tokio::test]
async fn the_newest_events_are_read_as_of_one_moment() {
    let home = Home::open().await;
    let log = open(&home).await;
    appended(&home, &log, &[event(0, 3), event(1, 3), event(2, 3)]).await;
    // As of one moment, whatever is appended while they are read.
    let mut heads = home.db.view_log_heads(log.id).await.unwrap().unwrap();
    let first = heads.next(2).await.unwrap();
    let now = home.db.log(log.id).await.unwrap().unwrap();
    appended(&home, &now, &[event(3, 3), event(4, 3), event(5, 3)]).await;
    let rest = heads.next(9).await.unwrap();
    let all: Vec<Sha256> = first.iter().chain(&rest).map(|head| head.rid).collect();
    assert!(all.len() == 3 && all.is_sorted());
    assert_eq!(first.iter().chain(&rest).map(|head| head.index).max(), Some(2));
    assert_eq!((heads.log().tree.size(), heads.next(9).await.unwrap().len()), (3, 0));
    heads.close().await.unwrap();
    let mut heads = home.db.view_log_heads(log.id).await.unwrap().unwrap();
    let grown = heads.next(9).await.unwrap().iter().map(|head| head.index).min();
    assert_eq!((heads.log().tree.size(), grown), (6, Some(3)));
}

#[tokio::test]
async fn the_keys_of_a_hub_are_found_and_change_with_the_event_that_says_so() {
    let home = Home::open().await;
    let log = open(&home).await;
    let next = SecretKey::new(&[8; 32]);
    let mut first = Statement::new(name(), EventType::HubKey, UnixMillis(1), [1; 16]);
    first.rseq = 1;
    first.data = Data::HubKey { key: signer().secret().public(), recovery_sha256: sha(5) };
    let first = first.seal(&[signer().secret()]).unwrap();
    appended(&home, &log, &[first.clone(), event(0, 1)]).await;
    let keys = HubKeys::start(&first).unwrap();
    let rotation = keys.rotation(name(), UnixMillis(2), [2; 16], next.public());
    let second = rotation.seal(&[&next, signer().secret()]).unwrap();
    let vkey = SignerKey::new("hub.example.org", next).unwrap().verifier().clone();
    let log = open(&home).await;
    let append = LogAppend { key: Some(vkey.clone()), ..log.append(vec![entry(&second)]) };
    assert!(matches!(home.db.append_to_log(append).await.unwrap(), Appended::Done(_)));
    assert_eq!(home.db.log(log.id).await.unwrap().unwrap().key, vkey);
    let found = home.db.hub_keys(log.id).await.unwrap();
    assert_eq!(found, [(0, first.sha256()), (2, second.sha256())]);
    // A page that is appended too late changes no key.
    let late = LogAppend { key: Some(signer().verifier().clone()), ..log.append(vec![entry(&event(1, 1))]) };
    assert_eq!(home.db.append_to_log(late).await.unwrap(), Appended::Raced);
    assert_eq!(home.db.log(log.id).await.unwrap().unwrap().key, vkey);
}

#[tokio::test]
async fn an_erased_body_never_comes_back() {
    let home = Home::open().await;
    let log = open(&home).await;
    let body = event(0, 1);
    appended(&home, &log, std::slice::from_ref(&body)).await;
    let (hash, bytes) = (body.sha256(), Bytes::copy_from_slice(body.bytes()));
    assert_eq!(home.db.log_body(hash).await.unwrap(), LogBody::Held(bytes.clone()));
    assert_eq!(home.db.log_bodies(&[hash, sha(1)]).await.unwrap(), [(hash, bytes.clone())]);
    home.db.erase_log_body(hash).await.unwrap();
    home.db.put_log_bodies(vec![(hash, bytes)]).await.unwrap();
    assert_eq!(home.db.log_body(hash).await.unwrap(), LogBody::Erased);
    assert_eq!(home.db.log_bodies(&[hash]).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_pruned_is_gone_but_for_hashes_and_the_newest() {
    let home = Home::open().await;
    let bodies: Vec<Body> = (0..600).map(|n| event(n, 599)).collect();
    appended(&home, &open(&home).await, &bodies).await;
    let log = open(&home).await;
    assert_eq!(home.db.prune_log(log.id, 600).await.unwrap(), 0, "nothing is signed yet");
    home.db.set_log_checkpoint(log.id, "note".to_owned(), 600).await.unwrap();
    assert_eq!(home.db.prune_log(log.id, 300).await.unwrap(), 256);
    assert_eq!(home.db.prune_log(log.id, 300).await.unwrap(), 256);
    assert!(home.db.log_leaves(log.id, 255, 600, 10).await.is_err());
    assert_eq!(home.db.log_leaves(log.id, 256, 600, 1000).await.unwrap().len(), 344);
    assert_eq!(home.db.log_body(bodies[0].sha256()).await.unwrap(), LogBody::Missing);
    assert!(matches!(home.db.log_body(bodies[1].sha256()).await.unwrap(), LogBody::Held(_)), "its newest");
    assert!(matches!(home.db.log_body(bodies[599].sha256()).await.unwrap(), LogBody::Held(_)), "not so old");
    let path = home.db.log_path(log.id, &Plan::inclusion(3, 600).unwrap()).await.unwrap();
    assert_eq!(inclusion_root(bodies[3].leaf().hash(), 3, 600, &path), Ok(log.tree.root()));
}

#[tokio::test]
async fn of_what_was_the_newest_when_its_bundle_went_nothing_stays_once_it_is_not() {
    let home = Home::open().await;
    let first = event(0, 1000);
    let mut next = statement(1000, 1000);
    next.prev = Some(first.sha256());
    let next = next.seal(&[]).unwrap();
    let filler = |from: u64| (from..from + 255).map(|n| event(n, 1000)).collect::<Vec<Body>>();
    let bodies = [vec![first.clone()], filler(1)].concat();
    appended(&home, &open(&home).await, &bodies).await;
    let log = open(&home).await;
    home.db.set_log_checkpoint(log.id, "note".to_owned(), 256).await.unwrap();
    assert_eq!(home.db.prune_log(log.id, 256).await.unwrap(), 256);
    assert!(matches!(home.db.log_body(first.sha256()).await.unwrap(), LogBody::Held(_)));
    appended(&home, &log, &[vec![next.clone()], filler(256)].concat()).await;
    home.db.set_log_checkpoint(log.id, "note".to_owned(), 512).await.unwrap();
    assert_eq!(home.db.prune_log(log.id, 512).await.unwrap(), 512);
    assert_eq!(home.db.log_body(first.sha256()).await.unwrap(), LogBody::Missing);
    assert!(matches!(home.db.log_body(next.sha256()).await.unwrap(), LogBody::Held(_)));
}

#[tokio::test]
async fn a_log_that_begins_at_a_snapshot_goes_on_as_the_whole_one_does() {
    let (whole, part) = (Home::open().await, Home::open().await);
    let bodies: Vec<Body> = (0..1000).map(|n| event(n, 10)).collect();
    appended(&whole, &open(&whole).await, &bodies[..700]).await;
    let at = open(&whole).await;
    let open =
        async |home: &Home| home.db.open_log(name(), signer().verifier().clone(), false).await.unwrap();
    let log = open(&part).await;
    let base = Frontier::new(512, at.tree.peaks()[..1].to_vec()).unwrap();
    let edge = TileId { level: 1, index: 0, width: 2 };
    let tile = Bytes::from(whole.db.log_tile(at.id, 1, 0).await.unwrap().unwrap());
    let leaves: Vec<_> = bodies[512..700].iter().map(Body::leaf).collect();
    let before = log.tree.clone();
    let next = SignerKey::new("hub.example.org", SecretKey::new(&[8; 32])).unwrap().verifier().clone();
    let start = LogStart { log: log.id, before, base, edge: vec![(edge, tile)], leaves, key: next.clone() };
    assert_eq!(part.db.start_log(start.clone()).await.unwrap(), Appended::Done(at.tree.clone()));
    assert_eq!(part.db.start_log(start).await.unwrap(), Appended::Raced, "it has begun");
    let log = open(&part).await;
    assert_eq!((&log.tree, log.min_index, &log.key), (&at.tree, 512, &next));
    let tree = appended(&part, &log, &bodies[700..]).await;
    assert_eq!(appended(&whole, &at, &bodies[700..]).await, tree);
    for old in [512, 600, 700, 768, 999] {
        let path = part.db.log_path(log.id, &Plan::consistency(old, 1000).unwrap()).await.unwrap();
        let old_root = whole.db.log_root(&open(&whole).await, old).await.unwrap().unwrap();
        assert_eq!(consistency_roots(old, 1000, &path), Ok((old_root, tree.root())), "{old}");
    }
    assert_eq!(part.db.log_leaves(log.id, 512, 1000, 4096).await.unwrap().len(), 488);
}

#[tokio::test]
async fn rows_of_a_snapshot_do_not_undo_what_is_newer() {
    let home = Home::open().await;
    let log = open(&home).await;
    appended(&home, &log, &[event(0, 1), event(1, 1)]).await;
    let rid = event(0, 1).repo().unwrap();
    let row = |rid, index, n| LogHeadRow { rid, index, leaf: event(n, 1).leaf() };
    let op = LogOp { nsid: sha(7), seq: 1, index: 0, body_sha256: sha(8) };
    let rows = SnapshotRows {
        log: log.id,
        heads: vec![row(rid, 0, 0), row(sha(5), 9, 5)],
        bodies: vec![(event(5, 1).sha256(), Bytes::copy_from_slice(event(5, 1).bytes()))],
        ops: vec![op, LogOp { index: 1, ..op }],
        targets: Vec::new(),
    };
    home.db.load_snapshot_rows(rows).await.unwrap();
    assert_eq!(home.db.log_head(log.id, rid).await.unwrap().unwrap().index, 1);
    assert_eq!(home.db.log_head(log.id, sha(5)).await.unwrap().unwrap().index, 9);
    assert!(matches!(home.db.log_body(event(5, 1).sha256()).await.unwrap(), LogBody::Held(_)));
    assert_eq!(home.db.namespace_ops(log.id, sha(7)).await.unwrap(), [(0, sha(8))], "one, told of twice");
    assert_eq!(home.db.mirrors_among(log.id, &[rid, sha(5)]).await.unwrap(), []);
}

#[tokio::test]
async fn a_checkpoint_never_goes_back_nor_beyond_the_leaves() {
    let home = Home::open().await;
    let log = open(&home).await;
    appended(&home, &log, &[event(0, 1), event(1, 1)]).await;
    let set = |note: &str, size| home.db.set_log_checkpoint(log.id, note.to_owned(), size);
    assert!(!set("beyond", 3).await.unwrap());
    assert!(set("two", 2).await.unwrap());
    assert!(!set("one", 1).await.unwrap());
    let log = open(&home).await;
    assert_eq!((log.checkpoint.as_deref(), log.checkpoint_size), (Some("two"), 2));
    assert_eq!(home.db.log_of_origin(name().origin.sha256()).await.unwrap(), Some(log.clone()));
    assert_eq!(home.db.own_log().await.unwrap(), Some(log));
}

#[tokio::test]
async fn only_the_newest_files_of_a_repository_are_kept() {
    let home = Home::open().await;
    let log = open(&home).await;
    let file = |n: u8| LogFile {
        owner: sha(1),
        sha256: sha(n),
        kind: FileKind::Refs,
        index: n.into(),
        data: Bytes::from(vec![n]),
    };
    for n in 0..20 {
        home.db.put_log_file(log.id, file(n)).await.unwrap();
    }
    let get = |owner, n| home.db.log_file(log.id, owner, sha(n), FileKind::Refs);
    assert_eq!(get(sha(1), 19).await.unwrap(), Some(Bytes::from_static(&[19])));
    assert_eq!(get(sha(1), 12).await.unwrap(), Some(Bytes::from_static(&[12])));
    assert_eq!(get(sha(1), 11).await.unwrap(), None);
    assert_eq!(get(sha(2), 19).await.unwrap(), None, "of another repository");
    home.db.drop_log_files(log.id, sha(1)).await.unwrap();
    assert_eq!(get(sha(1), 19).await.unwrap(), None);
}

#[tokio::test]
async fn verified_pages_make_the_log_that_the_origin_signed() {
    // As a follower does, page after page.
    let events = 9_000;
    let (home, signer) = (Home::open().await, signer());
    let mut cursor = Cursor::start(name());
    let (mut source, mut made) = (Frontier::default(), 0);
    while made < events {
        let page: Vec<Body> = (made..events.min(made + 4096)).map(|n| event(n, 100_000)).collect();
        for body in &page {
            source.push(body.leaf().hash(), |_, _| ());
        }
        let checkpoint = Checkpoint { log: name(), size: source.size(), root: source.root() };
        let page = EventsPage {
            first: made,
            checkpoint: checkpoint.sign(&[&signer]),
            proof: Vec::new(),
            leaves: page.iter().map(Body::leaf).collect(),
            bodies: page.iter().map(|body| body.bytes().to_vec()).collect(),
        };
        made = source.size();
        let advanced = cursor.advance(&page, signer.verifier()).unwrap();
        let entries = page.leaves.iter().zip(page.bodies).map(|(leaf, body)| LogEntry {
            leaf: *leaf,
            body: Some(body.into()),
            nsid: None,
        });
        let log = open(&home).await;
        let append = LogAppend { checkpoint: Some(page.checkpoint.clone()), ..log.append(entries.collect()) };
        assert_eq!(
            home.db.append_to_log(append).await.unwrap(),
            Appended::Done(advanced.cursor.tree.clone())
        );
        cursor = advanced.cursor;
    }
    assert_eq!(open(&home).await.checkpoint_size, events);
}
