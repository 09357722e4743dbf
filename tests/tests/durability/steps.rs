//! A hub dies at each step of a push, an upload, an export and the log.

use polder_log::{Cursor, EventsPage, VerifierKey};
use polder_tests::{Hub, LargeObject};

use crate::Place;

/// Where the process dies, and whether the push or upload is there afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing of it is visible.
    Nothing,
    /// It is there, although the client was not told.
    Everything,
}
use After::{Everything, Nothing};

/// Every durable step of a push, in order. Large packs have files; small ones are rows.
pub(crate) const PUSH: &[(&str, After)] = &[
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
pub(crate) const UPLOAD: &[(&str, After)] = &[
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
pub(crate) const LOG: &[&str] = &["log.appended", "log.checkpoint_written", "log.signed", "log.stored"];

/// Every durable step of an export, in order.
pub(crate) const EXPORT: &[&str] = &["export.packs_synced", "export.refs_replaced", "export.head_replaced"];

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
