//! The bytes that can never change: one of everything, in `fixtures/log`.

use std::fmt::Write as _;
use std::path::PathBuf;

use polder_log::{
    Body, Checkpoint, Cursor, Data, EventType, EventsPage, Leaf, LogHead, ObjectsManifest, Plan, RefMap,
    SnapshotHead, SnapshotRow, decode_part, encode_part, inclusion_root, leaf_hash,
};

use polder_types::Sha256;

use crate::kit::{
    Hub, first_key, log, manifest, namespace, ns_create, ref_map, repo_event, secret, statement,
};

/// 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn with_data(kind: EventType, data: Data) -> Body {
    let mut said = statement(kind);
    said.data = data;
    said.seal(&[]).unwrap()
}

/// One body of each type, in the order of a log.
fn bodies() -> Vec<Body> {
    let key = first_key();
    let mut rotated = statement(EventType::HubKey);
    (rotated.rseq, rotated.prev) = (2, Some(key.sha256()));
    rotated.data = Data::HubKey { key: secret(11).public(), recovery_sha256: secret(8).public().sha256() };
    let create = ns_create();
    let head = LogHead { log: log(), size: 1, root: leaf_hash(&key.leaf().encode()) };
    let mut op = statement(EventType::NsOp);
    (op.nsid, op.rseq, op.prev) = (Some(create.id()), 2, Some(create.sha256()));
    let mut moved = namespace();
    (moved.home, moved.cut) = ("new.example.org".parse().unwrap(), Some(head.clone()));
    op.data = Data::Namespace(moved);
    let mut bodies = vec![
        key.clone(),
        rotated.seal(&[&secret(11), &secret(7)]).unwrap(),
        with_data(EventType::HubEpoch, Data::HubEpoch(head.clone())),
        statement(EventType::Heartbeat).seal(&[]).unwrap(),
        create,
        op.seal(&[&secret(10)]).unwrap(),
        repo_event(EventType::RepoCreate, None),
    ];
    for kind in EventType::all().filter(|kind| kind.is_repo() && *kind != EventType::RepoCreate) {
        let next = repo_event(kind, bodies.last());
        bodies.push(next);
    }
    let (part, _) = part();
    let peaks = vec![head.root];
    bodies.extend([
        with_data(EventType::BodyErase, Data::Erase { index: 7 }),
        with_data(EventType::Snapshot, Data::Snapshot(SnapshotHead { size: 1, peaks, parts: vec![part] })),
        with_data(EventType::Attest, Data::Attest(head)),
    ]);
    bodies
}

fn part() -> (polder_log::SnapshotPart, Vec<u8>) {
    let (namespace, repo) = (ns_create(), repo_event(EventType::RepoCreate, None));
    let row =
        |body: &Body, index| SnapshotRow::new(body.repo().or(body.namespace()).unwrap(), index, &body.leaf());
    let mut rows = [row(&namespace, 4), row(&repo, 6)];
    rows.sort_by_key(|row| row.rid);
    encode_part(&rows).unwrap()
}

fn hub() -> Hub {
    let mut hub = Hub::empty();
    for body in bodies() {
        hub.append(&body);
    }
    hub
}

/// Every file of `fixtures/log`: its name, its text.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for body in bodies() {
        let name = if body.rseq == 2 && body.kind == EventType::HubKey {
            "hub.key-rotated"
        } else {
            body.kind.name()
        };
        files.push((format!("body-{name}.hex"), hex(body.bytes())));
        files.push((format!("leaf-{name}.hex"), hex(&body.leaf().encode())));
    }
    let hub = hub();
    let hashes = |path: Vec<Sha256>| {
        let lines: Vec<String> = path.iter().map(Sha256::to_string).collect();
        lines.join("\n") + "\n"
    };
    let inclusion = Plan::inclusion(6, hub.tree.size()).unwrap().path(&hub).unwrap();
    files.extend([
        ("ref-map.txt".to_owned(), ref_map().encode()),
        ("manifest.hex".to_owned(), hex(&manifest().encode())),
        ("snapshot-part.hex".to_owned(), hex(&part().1)),
        ("key.txt".to_owned(), format!("{}\n", hub.key.verifier())),
        ("checkpoint.txt".to_owned(), hub.note(hub.tree.size())),
        ("page.hex".to_owned(), hex(&hub.page(5, 2, hub.tree.size()).encode().unwrap())),
        ("inclusion-6.txt".to_owned(), hashes(inclusion)),
        ("consistency-7.txt".to_owned(), hashes(hub.path(7, hub.tree.size()))),
        ("consistency-8.txt".to_owned(), hashes(hub.path(8, hub.tree.size()))),
    ]);
    files
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/log")
}

#[test]
#[ignore = "writes fixtures/log, which then must be read with care"]
fn write_the_vectors() {
    std::fs::create_dir_all(folder()).unwrap();
    for (name, text) in files() {
        std::fs::write(folder().join(name), text).unwrap();
    }
}

#[test]
fn what_is_written_today_is_what_was_always_written() {
    let files = files();
    for (name, text) in &files {
        assert_eq!(*text, std::fs::read_to_string(folder().join(name)).unwrap(), "{name}");
    }
    let kept = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(kept, files.len() + 1, "and a README");
}

/// Nothing but the files: who has the key and these can check all of it.
#[test]
fn what_was_written_is_read_and_proven() {
    let text = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let key = text("key.txt").trim_end().parse().unwrap();
    let checkpoint = Checkpoint::open(&text("checkpoint.txt"), &key).unwrap();
    for name in EventType::all().map(EventType::name) {
        let body = Body::decode(&unhex(&text(&format!("body-{name}.hex")))).unwrap();
        let leaf = Leaf::decode(&unhex(&text(&format!("leaf-{name}.hex")))).unwrap();
        assert!(leaf.matches(&body), "{name}");
    }
    let create = Leaf::decode(&unhex(&text("leaf-repo.create.hex"))).unwrap();
    let hashes = |name: &str| text(name).lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>();
    let root = inclusion_root(create.hash(), 6, checkpoint.size, &hashes("inclusion-6.txt"));
    assert_eq!(root, Ok(checkpoint.root));
    let body = Body::decode(&unhex(&text("body-repo.create.hex"))).unwrap();
    let map = RefMap::decode(text("ref-map.txt").as_bytes()).unwrap();
    assert_eq!(body.state, Some(map.state()));
    assert_eq!(ObjectsManifest::decode(&unhex(&text("manifest.hex"))), Ok(manifest()));
    let snapshot = Body::decode(&unhex(&text("body-snapshot.hex"))).unwrap();
    let Data::Snapshot(head) = &snapshot.data else { panic!() };
    let rows = decode_part(&head.parts[0], &unhex(&text("snapshot-part.hex"))).unwrap();
    assert!(rows.iter().any(|row| row.rid == create.rid && row.body_sha256 == body.sha256()));
    let page = EventsPage::decode(&unhex(&text("page.hex"))).unwrap();
    let hub = hub();
    let begun = Cursor::start(log()).advance(&hub.page(0, 5, 5), &key).unwrap().cursor;
    let advanced = begun.advance(&page, &key).unwrap();
    assert_eq!((advanced.cursor.tree.size(), advanced.entries[1].leaf), (7, create));
}
