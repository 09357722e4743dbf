//! What a mirror makes of a home whose key, log or database is another than before.

use std::path::Path;
use std::sync::Arc;

use polder_db::{Appended, Db, LogEntry};
use polder_log::{EventType, Statement};
use polder_tests::{Hub, Work, until};
use polder_types::{Clock, IdSource};
use serde_json::Value;
use sha2::Digest as _;

use crate::Pair;

#[test]
fn a_mirror_follows_its_home_through_another_key() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    pair.follow(&[]);
    pair.in_step("m");
    let shown =
        |hub: &Hub| -> Value { serde_json::from_str(&hub.cli(&["key", "show", "--json"]).ok()).unwrap() };
    let before = shown(&pair.home);
    pair.home.cli(&["key", "rotate"]).ok();
    assert_ne!(shown(&pair.home)["key"], before["key"]);
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.in_step("m");
    assert_eq!(pair.mirrors()[0]["error"], Value::Null);
    let told = pair.mirror.cli(&["sync", "--now"]).ok();
    assert!(told.contains("every mirror serves the newest"), "{told}");
}

#[test]
fn a_home_whose_database_was_restored_takes_its_log_back_from_its_mirror() {
    let mut pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for name in ["acme/m", "acme/quiet"] {
        pair.home.repo(name);
        pair.push(&work, name, &["main"]);
    }
    pair.follow(&[]);
    let before = pair.in_step("m");
    pair.in_step("quiet");
    pair.home.stop();
    let database = pair.home.data().join("polder.db");
    let backup = std::fs::read(&database).unwrap();
    pair.home.serve(None);
    pair.moved();

    // All of this is lost: pushes, a repository, another name, another key.
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.home.repo("acme/later");
    pair.push(&work, "acme/later", &["main"]);
    pair.home.cli(&["key", "rotate"]).ok();
    pair.push(&work, "acme/quiet", &["main:side"]);
    pair.in_step("m");
    pair.in_step("later");
    pair.in_step("quiet");
    pair.restore(&backup);
    pair.home.kill();

    let config = std::fs::read_to_string(pair.home.config_file()).unwrap();
    let mirrors = format!("[federation]\nmirrors = [\"http://{}\"]\n", pair.mirror.address());
    std::fs::write(pair.home.config_file(), [config, mirrors].join("\n")).unwrap();
    pair.home.serve(None);
    until("the log to be taken back", 20, || (pair.key()["generation"] == 2).then_some(()));
    pair.moved();
    // What the home has now is what the mirror shows, and it goes on from there.
    assert_eq!(pair.in_step("m"), before);
    let quiet = pair.in_step("quiet");
    assert!(!quiet.contains("side"), "{quiet}");
    until("what is lost to be hidden", 20, || {
        pair.refs(&pair.mirror, &format!("{}/later", pair.namespace)).is_none().then_some(())
    });
    work.commit_file("c", b"c\n");
    pair.push(&work, "acme/m", &["main"]);
    assert_ne!(pair.in_step("m"), before);
    let listed = pair.mirrors();
    assert_eq!((listed[0]["state"].as_str(), &listed[0]["error"]), (Some("following"), &Value::Null));
    pair.mirror.fsck();
}

/// Lets the log of a hub that does not run say `count` times that nothing happened.
fn say_nothing(data: &Path, count: u8) {
    const PAGE: u8 = 200;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let db = Db::open(data, Clock::System, Arc::new(IdSource::new(Clock::System, 0))).await.unwrap();
        for page in 0..count {
            let log = db.own_log().await.unwrap().unwrap();
            let entries = (0..PAGE).map(|place| {
                let mut salt = [0; 16];
                salt[..2].copy_from_slice(&[page, place]);
                let beat = Statement::new(log.name.clone(), EventType::Heartbeat, Clock::System.now(), salt);
                let body = beat.seal(&[]).unwrap();
                LogEntry { leaf: body.leaf(), body: Some(body.bytes().to_vec().into()), nsid: None }
            });
            let appended = db.append_to_log(log.append(entries.collect())).await.unwrap();
            assert!(matches!(appended, Appended::Done(_)));
        }
        db.close().await;
    });
}

#[test]
fn a_long_log_is_begun_with_its_snapshot_and_followed_from_there() {
    let mut pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for name in ["acme/m", "acme/gone", "acme/other"] {
        pair.home.repo(name);
        pair.push(&work, name, &["main"]);
    }
    pair.home.cli(&["repo", "delete", "acme/gone"]).ok();
    pair.home.cli(&["key", "rotate"]).ok();
    until("the log to tell of it", 15, || (pair.about()["size"].as_u64()? >= 6).then_some(()));
    pair.home.stop();
    say_nothing(pair.home.data(), 101);
    pair.home.serve(None);
    let snapshot = until("a snapshot", 30, || pair.about()["snapshot"].as_u64());
    assert!(snapshot >= 20_200);
    let key = pair.key()["key"].as_str().unwrap().to_owned();
    let told = pair.follow(&["--key", &key, "--select", "acme/m"]);
    assert!(told.contains(&pair.about()["size"].to_string()), "{told}");
    pair.in_step("m");
    // Of the log only what is after the snapshot is here, and of the repositories those that were asked for.
    let origin =
        polder_types::Sha256::new(sha2::Sha256::digest(pair.about()["origin"].as_str().unwrap()).into());
    let mirrored = format!("/polder/v1/mirror/{origin}/log/events?from=0");
    assert_eq!(pair.mirror.http().get(&mirrored).send().status, 410);
    assert!(pair.refs(&pair.mirror, &format!("{}/other", pair.namespace)).is_none());
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.home.cli(&["key", "rotate"]).ok();
    pair.in_step("m");
    let listed = pair.mirrors();
    assert_eq!((listed[0]["state"].as_str(), &listed[0]["error"]), (Some("following"), &Value::Null));
    pair.mirror.fsck();
}

#[test]
fn a_home_that_lost_what_it_said_goes_on_in_another_epoch_for_who_accepts_it() {
    let mut pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    pair.follow(&["--alias", "acme=friends"]);
    let before = pair.in_step("m");
    let told = pair.home.cli(&["key", "new-epoch", "--yes"]).fails();
    assert!(told.contains("it needs no other epoch"), "{told}");
    pair.home.stop();
    let backup = std::fs::read(pair.home.data().join("polder.db")).unwrap();
    pair.home.serve(None);
    pair.moved();
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.home.repo("acme/lost");
    pair.push(&work, "acme/lost", &["main"]);
    let after = pair.in_step("m");
    let lost = pair.in_step("lost");
    pair.restore(&backup);

    pair.home.cli(&["key", "new-epoch"]).fails();
    pair.home.cli(&["key", "new-epoch", "--yes"]).ok();
    until("the new log", 15, || {
        (pair.about()["epoch"] == 2 && pair.about()["size"].as_u64()? >= 4).then_some(())
    });
    let key = pair.key()["key"].as_str().unwrap().to_owned();
    let told = pair.mirror.cli(&["follow", &pair.base(), "--key", &key]).fails();
    assert!(told.contains("--accept-epoch 2"), "{told}");
    pair.mirror.cli(&["follow", &pair.base(), "--key", &key, "--accept-epoch", "3"]).fails();
    let there = |name: &str| format!("{}/{name}", pair.namespace);
    assert_eq!(pair.refs(&pair.mirror, &there("m")), Some(after), "what was there stays");
    assert_eq!(pair.refs(&pair.mirror, &there("lost")), Some(lost));

    pair.follow(&["--key", &key, "--accept-epoch", "2"]);
    assert_eq!(pair.in_step("m"), before);
    assert_eq!(pair.refs(&pair.mirror, "friends/m"), Some(before));
    assert!(pair.refs(&pair.mirror, &there("lost")).is_none(), "nobody vouches for it");
    work.commit_file("c", b"c\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.in_step("m");
    let listed = pair.mirrors();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!((listed[0]["state"].as_str(), &listed[0]["error"]), (Some("following"), &Value::Null));
    pair.mirror.fsck();
}
