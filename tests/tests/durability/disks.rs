//! The power is cut, the disk dies or is full.

use std::io::{Read, Write};
use std::path::PathBuf;

use polder_tests::{Client, Git, Hub, LargeObject, LoopFs, Work, have, poll, program, run};

use crate::Place;

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
