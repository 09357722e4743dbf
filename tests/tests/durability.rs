//! What was acknowledged is there after a crash, a power cut or a full disk; what was not is either
//! whole or absent; and nothing is left behind.
#![cfg(test)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use polder_log::{Cursor, EventsPage, VerifierKey};
use polder_tests::{
    Client, Git, Hub, LargeObject, LoopFs, Posted, Receiver, Token, Work, have, poll, program, run, until,
    workspace_root,
};
use serde_json::json;

/// Where the process dies, and whether the push or upload is there afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nothing of it is visible.
    Nothing,
    /// It is there, although the client was not told.
    Everything,
}
use After::{Everything, Nothing};

/// Every durable step of a push, in order. Large packs have files; small ones are rows.
const PUSH: &[(&str, After)] = &[
    ("push.received", Nothing),
    ("push.checked", Nothing),
    ("pack.fsynced", Nothing),
    ("pack.renamed", Nothing),
    ("pack.dir_synced", Nothing),
    ("push.published", Nothing),
    ("db.before_commit", Nothing),
    ("db.after_commit", Everything),
    ("push.committed", Everything),
    ("push.before_report", Everything),
];

/// Every durable step of an LFS upload, in order.
const UPLOAD: &[(&str, After)] = &[
    ("lfs.fsynced", Nothing),
    ("lfs.listed", Nothing),
    ("lfs.renamed", Nothing),
    ("lfs.dir_synced", Nothing),
    ("lfs.published", Nothing),
    ("db.before_commit", Nothing),
    ("db.after_commit", Everything),
    ("lfs.linked", Everything),
];

/// Every durable step of the log, after the push that it tells of.
const LOG: &[&str] = &["log.appended", "log.checkpoint_written", "log.signed", "log.stored"];

/// Every durable step of an export, in order.
const EXPORT: &[&str] = &["export.packs_synced", "export.refs_replaced", "export.head_replaced"];

/// Where what webhooks are told is there and they are not told, or that is not noted.
const WEBHOOK: &[&str] = &["webhook.told", "discussion.opened"];

/// Hit in `backup.rs`, `bundle.rs`, `upgrade.rs`, `git_lfs/multipart.rs`, and in `polder-blob/src/tests/crash.rs`,
/// `polder-hub/src/tests/transfer/crash.rs` and `polder-hub/src/xet/upload/tests/crash.rs`.
const ELSEWHERE: &[&str] = &[
    "backup.before_manifest",
    "bundle.part_done",
    "db.migrated",
    "lfs.part_kept",
    "lfs.assembled",
    "lfs.upload_forgotten",
    "list.fsynced",
    "list.renamed",
    "transfer.saved",
    "transfer.whole",
    "transfer.linked",
    "transfer.published",
    "xet.xorb_kept",
    "xet.file_placed",
    "xet.files_placed",
    "xet.files_linked",
    "xet.pieces_written",
    "xet.xorbs_forgotten",
];

struct Place {
    hub: Hub,
    token: Token,
}

impl Place {
    fn new(hub: Hub) -> Self {
        let token = hub.acme();
        Self { hub, token }
    }

    /// A repository with a commit on `main`, and the working repository it came from.
    fn work(&self, repo: &str) -> Work {
        self.hub.repo(repo);
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["push", "-q", &self.url(repo), "main"]);
        work
    }

    fn url(&self, repo: &str) -> String {
        self.hub.repo_url_as(repo, &self.token)
    }

    fn refs(&self, work: &Work, repo: &str) -> BTreeMap<String, String> {
        let listed = work.ok(&["ls-remote", "--refs", &self.url(repo)]);
        listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(id, name)| (name.into(), id.into()))
            .collect()
    }

    /// Starts the server so that it dies at the next `point` of a request, not one of its own work.
    fn arm(&mut self, point: &str) {
        let armed = self.hub.temporary().join("armed");
        std::fs::remove_file(&armed).ok();
        self.hub.serve(Some(&format!("{point}@{}", armed.display())));
        assert!(self.settles(), "the server died by itself\n{}", self.hub.log());
        std::fs::write(armed, "").unwrap();
    }

    /// Waits until the server has written nothing for a while; says whether it lives.
    fn settles(&mut self) -> bool {
        const QUIET: Duration = Duration::from_millis(400);
        let log = self.hub.data().join("polder.db-wal");
        let written = || std::fs::metadata(&log).and_then(|meta| meta.modified()).ok();
        let (mut last, mut since) = (written(), Instant::now());
        let quiet = poll(20, || {
            if written() != last {
                (last, since) = (written(), Instant::now());
            }
            (!self.hub.is_running() || since.elapsed() >= QUIET).then_some(())
        });
        quiet.is_some() && self.hub.is_running()
    }

    fn download(&self, repo: &str, object: &LargeObject) -> Option<Vec<u8>> {
        let href = object.action(self.hub.http(), repo, "download", Some(&self.token))?;
        let answer = self.hub.http().get(&href).send();
        (answer.status == 200).then_some(answer.body)
    }

    fn nothing_is_left_over(&self) {
        let files = self.hub.stored_files();
        let left: Vec<&String> =
            files.iter().filter(|name| name.contains("quarantine/") || name.contains("lost/")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn every_failpoint_of_the_product_is_hit_here() {
    let known: Vec<&str> = PUSH
        .iter()
        .chain(UPLOAD)
        .map(|(name, _)| *name)
        .chain(EXPORT.iter().chain(LOG).chain(WEBHOOK).chain(ELSEWHERE).copied())
        .collect();
    let mut open = vec![workspace_root().join("crates")];
    let mut found = 0;
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for rest in text.split("failpoint::hit(\"").skip(1) {
                    let name = rest.split('"').next().unwrap();
                    assert!(known.contains(&name), "{} has `{name}`, which no test hits", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found >= known.len() - 2, "{found} failpoints in the sources, {} known", known.len());
}

#[test]
fn a_crash_at_any_step_of_a_push_leaves_all_of_it_or_nothing() {
    let mut place = Place::new(Hub::start());
    for (size, bytes) in [("small", 10), ("large", 400_000)] {
        for (n, (point, after)) in PUSH.iter().enumerate() {
            if size == "small" && (point.starts_with("pack.") || *point == "push.published") {
                continue;
            }
            let repo = format!("acme/{size}{n}");
            let work = place.work(&repo);
            let before = place.refs(&work, &repo);
            let new = work.commit_file("weights", &LargeObject::random(n.try_into().unwrap(), bytes).bytes);
            place.hub.kill();
            place.arm(point);
            let url = place.url(&repo);
            let push = ["push", &url, "main", "main:refs/heads/second"];
            let told = work.run(&push).fails();
            assert!(!told.contains("main -> second"), "{point}: acknowledged before the crash?\n{told}");
            place.hub.wait_crash();

            place.hub.serve(None);
            let found = place.refs(&work, &repo);
            let expected = match after {
                Nothing => before,
                Everything => ["main", "second"].map(|b| (format!("refs/heads/{b}"), new.clone())).into(),
            };
            assert_eq!(found, expected, "{point}, {size}");
            place.hub.fsck();
            place.nothing_is_left_over();
            let url = place.url(&repo);
            work.ok(&["push", "-q", &url, "main", "main:refs/heads/second"]);
            let clone = format!("clone-{size}{n}");
            work.git.ok(&work.beside(""), &["clone", "-q", "--mirror", &url, &clone]);
            work.git.fsck(&work.beside(&clone));
            assert_eq!(work.git.ok(&work.beside(&clone), &["rev-parse", "second"]), new);
        }
    }
}

#[test]
fn a_crash_at_any_step_of_an_upload_leaves_all_of_it_or_nothing() {
    let mut place = Place::new(Hub::start());
    place.hub.repo("acme/m");
    for (n, (point, after)) in UPLOAD.iter().enumerate() {
        let object = LargeObject::random(1000 + u64::try_from(n).unwrap(), 500_000);
        place.hub.kill();
        place.arm(point);
        let href =
            object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).expect("an action");
        let answer = place.hub.http().put(&href, object.bytes.clone()).try_send();
        assert!(answer.is_none(), "{point}: acknowledged before the crash?");
        place.hub.wait_crash();

        place.hub.serve(None);
        let found = place.download("acme/m", &object);
        match after {
            Nothing => assert!(found.is_none(), "{point}"),
            Everything => assert!(found.as_ref() == Some(&object.bytes), "{point}"),
        }
        object.upload(place.hub.http(), "acme/m", &place.token);
        assert!(place.download("acme/m", &object).as_ref() == Some(&object.bytes), "{point}");
        place.hub.fsck();
    }
}

/// A push that was acknowledged is told, whenever the hub dies on the way; what is told twice has one name.
#[test]
fn a_webhook_is_told_of_every_push_although_the_hub_dies_after_the_push_and_while_telling() {
    let receiver = Receiver::start();
    let config = format!("[webhooks]\nhosts = [\"{}\"]", receiver.url(""));
    let mut place = Place::new(Hub::builder().config(&config).start());
    let work = place.work("acme/m");
    let hook = json!({"url": receiver.url("/"), "watched": [{"type": "org", "name": "acme"}]}).to_string();
    let path = "/api/settings/webhooks";
    place.hub.http().post(path, hook).bearer(&place.token.secret).send().expect(200);
    let delivery = |posted: &Posted| posted.header("x-polder-delivery").unwrap().to_owned();
    let mut expected = Vec::new();
    for (n, point) in ["push.committed", "webhook.told"].iter().enumerate() {
        place.hub.kill();
        place.arm(point);
        expected.push(work.commit_file("weights", &[u8::try_from(n).unwrap(); 10]));
        work.run(&["push", "-q", &place.url("acme/m"), "main"]);
        place.hub.wait_crash();
        place.hub.serve(None);
        let told = || receiver.posted().iter().filter(|one| told_of(one) == expected[n]).count();
        let times = if *point == "webhook.told" { 2 } else { 1 };
        until("the push is told", 30, || (told() >= times).then_some(()));
    }
    // The kill of the next round may come between an answer and its note, so any may come twice, under its one name.
    let mut named: Vec<(String, String)> =
        receiver.posted().iter().map(|one| (told_of(one), delivery(one))).collect();
    named.dedup();
    let new: Vec<&str> = named.iter().map(|(push, _)| push.as_str()).collect();
    assert_eq!(new, [&expected[0], &expected[1]]);
    assert_ne!(named[0].1, named[1].1);
    place.hub.fsck();
}

/// The same of what is said: once for each discussion, and none is passed over.
#[test]
fn a_webhook_is_told_of_every_discussion_although_the_hub_dies_when_it_is_just_there() {
    let receiver = Receiver::start();
    let config = format!("[webhooks]\nhosts = [\"{}\"]", receiver.url(""));
    let mut place = Place::new(Hub::builder().config(&config).start());
    place.work("acme/m");
    let secret = place.token.secret.clone();
    let post = |hub: &Hub, path: &str, body: serde_json::Value| {
        hub.http().post(path, body.to_string()).bearer(&secret).try_send()
    };
    let watched = json!({"url": receiver.url("/"), "domains": ["discussion"],
        "watched": [{"type": "org", "name": "acme"}]});
    post(&place.hub, "/api/settings/webhooks", watched).expect("an answer").expect(200);
    for (n, point) in ["discussion.opened", "webhook.told"].iter().enumerate() {
        place.hub.kill();
        place.arm(point);
        let body = json!({"title": format!("About {point}"), "description": "It matters."});
        post(&place.hub, "/api/models/acme/m/discussions", body);
        place.hub.wait_crash();
        place.hub.serve(None);
        let about =
            |posted: &Posted| posted.json()["discussion"]["num"].as_u64() == u64::try_from(n + 1).ok();
        until("the discussion is told", 30, || receiver.posted().iter().any(about).then_some(()));
    }
    let mut told: Vec<(u64, String)> = receiver
        .posted()
        .iter()
        .map(|one| {
            assert_eq!(one.json()["event"], json!({"action": "create", "scope": "discussion"}));
            let num = one.json()["discussion"]["num"].as_u64().unwrap();
            (num, one.header("x-polder-delivery").unwrap().to_owned())
        })
        .collect();
    told.dedup();
    assert_eq!(told.iter().map(|(num, _)| *num).collect::<Vec<_>>(), [1, 2], "each under one name: {told:?}");
    place.hub.fsck();
}

fn told_of(posted: &Posted) -> String {
    posted.json()["updatedRefs"][0]["newSha"].as_str().unwrap().to_owned()
}

#[test]
fn a_crash_at_any_step_of_an_export_leaves_a_sound_repository() {
    let mut place = Place::new(Hub::start());
    let work = place.work("acme/m");
    let out = work.beside("exported");
    let args = ["repo", "export", "acme/m", out.to_str().unwrap()];
    place.hub.cli(&args).ok();
    for (n, point) in EXPORT.iter().enumerate() {
        let new = work.commit_file("weights", &LargeObject::random(n.try_into().unwrap(), 300_000).bytes);
        work.ok(&["push", "-q", &place.url("acme/m"), "main", &format!("main:refs/heads/b{n}")]);
        place.hub.kill();
        place.arm(point);
        place.hub.cli(&args).fails();
        place.hub.wait_crash();
        work.git.fsck(&out);
        place.hub.serve(None);
        place.hub.cli(&args).ok();
        work.git.fsck(&out);
        assert_eq!(work.git.ok(&out, &["rev-parse", "main"]), new, "{point}");
    }
}

/// A page of the log from `cursor` on, verified; the cursor after it, and what it told of.
fn read_log(place: &Place, cursor: &Cursor, key: &VerifierKey) -> (Cursor, Vec<polder_log::Body>) {
    let answer = place.hub.http().get(&format!("/polder/v1/log/events?from={}", cursor.tree.size())).send();
    let page = EventsPage::decode(&answer.expect(200).body).expect("a page");
    let advanced = cursor.advance(&page, key).expect("the log that was signed before, and more");
    let bodies = page.bodies.iter().map(|body| polder_log::Body::decode(body).expect("a body"));
    (advanced.cursor, bodies.collect())
}

#[test]
fn a_crash_at_any_step_of_the_log_contradicts_nothing_and_loses_nothing() {
    let mut place = Place::new(Hub::start());
    let work = place.work("acme/m");
    let (mut cursor, key) = polder_tests::until("a log", 10, || {
        let about = place.hub.http().get("/.well-known/polder").send();
        let about: serde_json::Value = serde_json::from_slice(&about.body).ok()?;
        let key: VerifierKey = about["keys"][0].as_str()?.parse().ok()?;
        let name = format!("{}/polder/{}", about["origin"].as_str()?, about["epoch"]);
        Some((Cursor::start(name.parse().ok()?), key))
    });
    for (n, point) in LOG.iter().enumerate() {
        (cursor, _) = read_log(&place, &cursor, &key);
        place.hub.kill();
        place.arm(point);
        let new = work.commit_file("weights", &LargeObject::random(n.try_into().unwrap(), 100).bytes);
        // Whether or not the client is told, the crash comes after the push.
        let told = work.run(&["push", "-q", &place.url("acme/m"), "main"]);
        place.hub.wait_crash();
        drop(told);
        place.hub.serve(None);
        polder_tests::until(point, 10, || {
            let (next, bodies) = read_log(&place, &cursor, &key);
            let refs = bodies.iter().filter_map(|body| body.refs.as_ref()).flatten();
            let found = refs.filter(|moved| moved.new.is_some_and(|oid| oid.to_string() == new)).count();
            assert!(found <= 1, "{point}: told twice");
            cursor = next;
            (found == 1).then_some(())
        });
    }
}

/// What one client was told, in the order in which it was told.
#[derive(Default)]
struct Journal {
    /// Tips of the client's branch that were acknowledged, and last the one that was under way.
    tips: Vec<String>,
    acknowledged: usize,
    objects: Vec<LargeObject>,
}

#[test]
fn nothing_acknowledged_is_lost_in_a_loop_of_kills_under_load() {
    const ROUNDS: u64 = 25;
    let mut place = Place::new(Hub::start());
    let base = place.work("acme/m");
    let pushers: Vec<Work> = (0..2)
        .map(|_| {
            let work = Work::new();
            work.ok(&["fetch", "-q", &place.url("acme/m"), "main"]);
            work.ok(&["reset", "-q", "--hard", "FETCH_HEAD"]);
            work
        })
        .collect();
    let mut journals = [Journal::default(), Journal::default()];
    let mut everything: Vec<LargeObject> = Vec::new();
    for round in 0..ROUNDS {
        let stop = AtomicBool::new(false);
        let mut objects = Journal::default();
        std::thread::scope(|scope| {
            let (place, stop) = (&place, &stop);
            for (n, (work, journal)) in pushers.iter().zip(&mut journals).enumerate() {
                scope.spawn(move || push_until(stop, place, work, n, journal));
            }
            let uploads = &mut objects;
            scope.spawn(move || upload_until(stop, place, round, uploads));
            // Which moment is hit differs from round to round, over a few requests' time.
            let moment = Instant::now() + Duration::from_millis(30 + round * 37 % 400);
            poll(10, || (Instant::now() >= moment).then_some(()));
            let pid = rustix::process::Pid::from_raw(i32::try_from(place.hub.pid()).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            stop.store(true, Ordering::SeqCst);
        });
        place.hub.kill();
        place.hub.serve(None);

        let refs = place.refs(&base, "acme/m");
        for (n, journal) in journals.iter_mut().enumerate() {
            let found = refs.get(&format!("refs/heads/p{n}"));
            let allowed = &journal.tips[journal.acknowledged.saturating_sub(1)..];
            let fits = found.map_or(journal.acknowledged == 0, |tip| allowed.contains(tip));
            assert!(fits, "round {round}: branch p{n} is at {found:?}, told {allowed:?}");
            journal.tips = found.cloned().into_iter().collect();
            journal.acknowledged = journal.tips.len();
        }
        for object in &objects.objects {
            let found = place.download("acme/m", object);
            assert!(found.as_ref() == Some(&object.bytes), "round {round}: {} was lost", object.oid);
        }
        everything.append(&mut objects.objects);
        place.nothing_is_left_over();
    }
    place.hub.fsck();
    for object in everything.iter().step_by(7) {
        assert!(place.download("acme/m", object).as_ref() == Some(&object.bytes), "{} was lost", object.oid);
    }
    base.git.ok(&base.beside(""), &["clone", "-q", "--mirror", &place.url("acme/m"), "clone"]);
    base.git.fsck(&base.beside("clone"));
    assert!(!everything.is_empty(), "the load did nothing");
}

fn push_until(stop: &AtomicBool, place: &Place, work: &Work, n: usize, journal: &mut Journal) {
    let (url, branch) = (place.url("acme/m"), format!("HEAD:refs/heads/p{n}"));
    while !stop.load(Ordering::SeqCst) {
        let content = format!("{}\n", journal.tips.len());
        journal.tips.push(work.commit_file("file", content.as_bytes()));
        if work.run(&["push", "-q", "--force", &url, &branch]).success() {
            journal.acknowledged = journal.tips.len();
        } else {
            return;
        }
    }
}

fn upload_until(stop: &AtomicBool, place: &Place, round: u64, journal: &mut Journal) {
    let http = place.hub.http();
    for n in 0..10_000 {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let object = LargeObject::random(round * 100_000 + n, 60_000);
        let batch = std::panic::catch_unwind(|| object.action(http, "acme/m", "upload", Some(&place.token)));
        let Ok(Some(href)) = batch else { return };
        match http.put(&href, object.bytes.clone()).try_send() {
            Some(answer) if answer.status == 200 => journal.objects.push(object),
            _ => return,
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_is_cut_right_after() {
    const ROUNDS: u64 = 20;
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(300);
    let mut place = Place::new(Hub::builder().data(disk.path().join("data")).start());
    let work = place.work("acme/m");
    let mut expected = place.refs(&work, "acme/m");
    for round in 0..ROUNDS {
        // Small pushes are rows, large ones are files: take turns.
        let bytes = if round % 2 == 0 { 100 } else { 300_000 };
        let new = work.commit_file("weights", &LargeObject::random(round, bytes).bytes);
        let object = LargeObject::random(5000 + round, 200_000);
        object.upload(place.hub.http(), "acme/m", &place.token);
        let branch = format!("refs/heads/n{round}");
        work.ok(&["push", "-q", "--force", &place.url("acme/m"), "main", &format!("main:{branch}")]);
        if round % 3 == 0 {
            // A busy server: another file of the same disk is synced in between.
            let other = disk.path().join("other");
            run(program("dd")
                .args(["if=/dev/zero", "bs=4k", "count=1", "conv=fsync", "status=none"])
                .arg(format!("of={}", other.display())))
            .ok();
        }
        disk.cut_power();
        place.hub.kill();
        disk.power_on();

        expected.insert("refs/heads/main".to_owned(), new.clone());
        expected.insert(branch, new.clone());
        place.hub.serve(None);
        assert_eq!(place.refs(&work, "acme/m"), expected, "round {round}");
        assert!(place.download("acme/m", &object).as_ref() == Some(&object.bytes), "round {round}");
        place.hub.fsck();
    }
    let clone = work.beside("clone");
    work.git.ok(&work.beside(""), &["clone", "-q", "--mirror", &place.url("acme/m"), "clone"]);
    work.git.fsck(&clone);
    assert_eq!(work.git.objects(&clone), work.git.objects(&work.path()));
}

#[test]
fn nothing_is_acknowledged_on_a_dead_disk() {
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(200);
    let mut place = Place::new(Hub::builder().data(disk.path().join("data")).start());
    let work = place.work("acme/m");
    let before = place.refs(&work, "acme/m");
    let object = LargeObject::random(77, 4 << 20);
    let href = object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).expect("an action");
    let request = place.hub.http().put(&href, object.bytes.clone()).to_bytes();
    let mut upload = place.hub.http().connect();
    upload.write_all(&request[..request.len() / 2]).unwrap();
    let begun = poll(10, || place.hub.stored_files().iter().any(|n| n.contains("quarantine/")).then_some(()));
    assert!(begun.is_some(), "the upload has begun");

    disk.cut_power();
    let _cut = upload.write_all(&request[request.len() / 2..]);
    let mut answer = String::new();
    let _cut = upload.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 5"), "{answer}");
    work.commit_file("b", b"b\n");
    work.run(&["push", &place.url("acme/m"), "main"]).fails();
    place.hub.cli(&["repo", "add", "acme/never"]).fails();
    let object_2 = LargeObject::random(78, 1000);
    let batch = std::panic::catch_unwind(|| object_2.upload(place.hub.http(), "acme/m", &place.token));
    assert!(batch.is_err(), "an upload to a dead disk was acknowledged");
    place.hub.kill();
    disk.power_on();
    place.hub.serve(None);
    assert_eq!(place.refs(&work, "acme/m"), before);
    for object in [object, object_2] {
        assert!(place.download("acme/m", &object).is_none());
    }
    place.hub.cli(&["repo", "add", "acme/never"]).ok();
    place.hub.fsck();
}

#[test]
fn a_full_disk_refuses_writes_clearly_and_goes_on_reading() {
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(96);
    let place = Place::new(Hub::builder().data(disk.path().join("data")).start());
    let work = place.work("acme/m");
    let before = place.refs(&work, "acme/m");
    let stored = place.hub.stored_files();
    let object = LargeObject::random(2, 8 << 20);
    let upload = || object.action(place.hub.http(), "acme/m", "upload", Some(&place.token));
    let href = upload().expect("an action while there is room");
    let filler: PathBuf = disk.fill("filler", 3 << 20);

    // In the middle of a push.
    work.commit_file("weights", &LargeObject::random(1, 8 << 20).bytes);
    let told = work.run(&["push", &place.url("acme/m"), "main"]).fails();
    assert!(told.contains("full") || told.contains("space"), "{told}");
    // In the middle of an upload.
    let answer = place.hub.http().put(&href, object.bytes.clone()).send();
    assert_eq!(answer.status, 507, "{}", answer.text());
    assert_eq!(upload(), None, "who asks first is told before sending");

    let clones = |name: &str| {
        work.git.ok(&work.beside(""), &["clone", "-q", &place.hub.repo_url("acme/m"), name]);
        work.git.fsck(&work.beside(name));
    };
    clones("while full");
    assert_eq!(place.refs(&work, "acme/m"), before);
    place.nothing_is_left_over();
    assert_eq!(place.hub.stored_files(), stored, "nothing was left behind");

    // Not even a row fits.
    let rest = disk.fill("rest", 0);
    let small = Work::new();
    small.commit_file("a", &LargeObject::random(3, 100_000).bytes);
    let mut refused = false;
    for n in 0..60 {
        let done = small.run(&["push", &place.url("acme/m"), &format!("HEAD:refs/heads/b{n}")]);
        small.commit_file("a", &LargeObject::random(100 + n, 100_000).bytes);
        if !done.success() {
            assert!(done.stderr.contains("full") || done.stderr.contains("space"), "{}", done.stderr);
            refused = true;
            break;
        }
    }
    assert!(refused, "a disk without a byte left took sixty pushes");
    clones("while quite full");

    std::fs::remove_file(rest).unwrap();
    std::fs::remove_file(filler).unwrap();
    work.ok(&["push", "-q", &place.url("acme/m"), "main"]);
    object.upload(place.hub.http(), "acme/m", &place.token);
    assert!(place.download("acme/m", &object).as_ref() == Some(&object.bytes));
    place.hub.fsck();
}

#[test]
fn stock_git_loses_what_this_hub_keeps() {
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(100);
    let work = Work::new();
    let git: &Git = &work.git;
    git.ok(&disk.path(), &["init", "-q", "--bare", "stock.git"]);
    run(program("sync").arg("-f").arg(disk.path())).ok();
    work.commit_file("a", b"a\n");
    let url = disk.path().join("stock.git").display().to_string();
    work.ok(&["push", "-q", &url, "main"]);
    disk.cut_power();
    disk.power_on();
    let left = git.run(&disk.path().join("stock.git"), &["rev-parse", "--verify", "-q", "main"]);
    assert!(!left.success(), "the cut of power is not a cut of power: stock git kept an unsynced ref");
}
