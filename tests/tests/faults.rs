//! A disk that fails, a process without file descriptors, a file system that turned read-only: the
//! client is told or cut off, never given a short answer that looks whole; and when the fault goes, so does
//! its effect.
#![cfg(test)]

use std::path::PathBuf;

use polder_tests::{Client, FailingReads, Hub, LargeObject, LoopFs, Token, Work, have, program, run, until};

struct Place {
    hub: Hub,
    token: Token,
    work: Work,
    object: LargeObject,
}

impl Place {
    /// A hub with `acme/m`: a pack that is a file, and a large object.
    fn new(hub: Hub) -> Self {
        let token = hub.acme();
        hub.repo("acme/m");
        let work = Work::new();
        work.write("weights", &LargeObject::random(1, 8 << 20).bytes);
        let object = LargeObject::random(2, 24 << 20);
        work.write("large.bin", object.pointer().as_bytes());
        work.commit("Weights");
        object.upload(hub.http(), "acme/m", &token);
        work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
        Self { hub, token, work, object }
    }

    fn stored(&self, part: &str) -> PathBuf {
        let mut files = self.hub.stored_files();
        files.retain(|name| !name.ends_with(".chunks"));
        let found = files.iter().find(|name| name.contains(part));
        self.hub.data().join(found.unwrap_or_else(|| panic!("no {part} in {files:?}")))
    }

    fn tip(&self) -> String {
        self.work.ok(&["rev-parse", "HEAD"])
    }

    /// Everything that can be read is read, whole.
    #[track_caller]
    fn reads_well(&self, clone: &str) {
        self.work.git.ok(&self.work.beside(""), &["clone", "-q", &self.hub.repo_url("acme/m"), clone]);
        let answer = self.hub.http().get("/acme/m/resolve/main/large.bin").send().expect(200);
        assert!(answer.body == self.object.bytes, "other bytes");
    }
}

#[test]
fn a_read_error_cuts_a_download_and_is_logged() {
    if !have(&[Client::Strace]) {
        return;
    }
    let place = Place::new(Hub::start());
    let blob = place.stored("blobs/");
    let href = place.object.action(place.hub.http(), "acme/m", "download", None).expect("an action");
    for target in [href.as_str(), "/acme/m/resolve/main/large.bin"] {
        for first in [1, 2] {
            let faults = FailingReads::of(&blob, place.hub.pid(), first);
            // `None`: the connection ended before the length that was announced.
            let answer = place.hub.http().get(target).try_send();
            assert!(faults.count() > 0, "nothing failed");
            assert!(answer.is_none_or(|answer| answer.status >= 500), "{target} from {first} on");
            assert!(place.hub.log().contains("response was cut"), "{}", place.hub.log());
        }
    }
    place.reads_well("afterwards");
}

#[test]
fn a_read_error_in_a_pack_cuts_the_clone_and_is_logged() {
    if !have(&[Client::Strace]) {
        return;
    }
    let mut place = Place::new(Hub::start());
    let pack = place.stored(".pack");
    // So that the pack is opened where it is stored, not where it arrived.
    place.hub.stop();
    place.hub.serve(None);
    place.reads_well("before");
    for first in [1, 3] {
        let faults = FailingReads::of(&pack, place.hub.pid(), first);
        let answer = place.hub.http().fetch("acme/m", &place.tip()).try_send();
        assert!(faults.count() > 0, "nothing failed");
        if let Some(answer) = answer {
            assert!(answer.status >= 500, "{} bytes with {}", answer.body.len(), answer.status);
        }
        let clone = ["clone", "-q", &place.hub.repo_url("acme/m"), "broken"];
        place.work.git.run(&place.work.beside(""), &clone).fails();
        assert!(place.hub.log().contains("fetch failed"), "{}", place.hub.log());
    }
    place.reads_well("afterwards");
}

#[test]
fn a_process_without_file_descriptors_refuses_and_recovers() {
    let place = Place::new(Hub::start());
    let pid = place.hub.pid().to_string();
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let limit = |count: usize| {
        run(program("prlimit").args(["--pid", &pid, &format!("--nofile={count}:")])).ok();
    };
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let files: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(files[3], files[4], "the hub takes what it may have");
    let object = LargeObject::random(999, 1000);
    let upload = object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).expect("an action");
    // None left for a connection, one for it but none for a file, and so on.
    for left in 0..5 {
        limit(open() + left);
        for target in ["/acme/m/resolve/main/large.bin", "/acme/m/resolve/main/weights"] {
            // A connection that is never accepted looks like one that ends without an answer.
            if let Some(answer) = place.hub.http().get(target).within(2).try_send() {
                let whole = answer.status == 200 && answer.body.len() >= 8 << 20;
                assert!(whole || answer.status >= 500, "{target} {}", answer.status);
            }
        }
        let taken = place.hub.http().put(&upload, object.bytes.clone()).within(2).try_send();
        assert!(taken.is_none_or(|answer| answer.status == 200 || answer.status >= 500));
    }
    assert!(place.hub.log().contains("Too many open files"), "{}", place.hub.log());
    limit(1024);
    until("the hub to answer again", 20, || {
        let answer = place.hub.http().get("/readyz").within(2).try_send()?;
        (answer.status == 200).then_some(())
    });
    place.reads_well("afterwards");
    object.upload(place.hub.http(), "acme/m", &place.token);
    place.hub.fsck();
}

#[test]
fn a_file_system_that_turned_read_only_refuses_writes_and_is_still_read() {
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(300);
    let mut place = Place::new(Hub::builder().data(disk.path().join("data")).start());
    let (before, object) = (place.tip(), LargeObject::random(3, 1 << 20));
    let href = object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).expect("an action");
    disk.turn_read_only();

    let answer = place.hub.http().put(&href, object.bytes.clone()).try_send();
    match answer {
        Some(answer) => assert!(answer.status >= 500, "{} {}", answer.status, answer.text()),
        // A write of the hub's own came first, such as the log's of the push before, and ended it.
        None => until("the hub has stopped", 10, || (!place.hub.is_running()).then_some(())),
    }
    place.work.commit_file("more", &LargeObject::random(4, 400_000).bytes);
    place.work.run(&["push", &place.hub.repo_url_as("acme/m", &place.token), "main"]).fails();
    place.hub.cli(&["repo", "add", "acme/never"]).fails();
    assert!(place.hub.log().contains("Read-only file system"), "{}", place.hub.log());
    if place.hub.is_running() {
        assert_eq!(place.hub.http().get("/readyz").send().status, 503);
        place.reads_well("while read-only");
        let refs = place.work.ok(&["ls-remote", &place.hub.repo_url("acme/m"), "refs/heads/main"]);
        assert!(refs.starts_with(&before), "{refs}");
    }

    place.hub.kill();
    disk.power_on();
    place.hub.serve(None);
    let refs = place.work.ok(&["ls-remote", &place.hub.repo_url("acme/m"), "refs/heads/main"]);
    assert!(refs.starts_with(&before), "{refs}");
    place.reads_well("afterwards");
    place.work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.token), "main"]);
    object.upload(place.hub.http(), "acme/m", &place.token);
    place.hub.fsck();
}

#[test]
fn a_dead_disk_is_never_read_as_an_empty_one() {
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(300);
    let mut place = Place::new(Hub::builder().data(disk.path().join("data")).start());
    disk.forget_pages();
    disk.cut_power();
    let weights = std::fs::read(place.work.path().join("weights")).unwrap();
    let pointer = place.object.pointer().into_bytes();
    for (target, content) in [
        ("/acme/m/resolve/main/large.bin", &place.object.bytes),
        ("/acme/m/resolve/main/weights", &weights),
        ("/acme/m/raw/main/large.bin", &pointer),
    ] {
        // What is still in memory may be served.
        if let Some(answer) = place.hub.http().get(target).try_send() {
            let is_right = answer.status == 200 && answer.body == *content;
            assert!(is_right || answer.status >= 500, "{target}: {} {}", answer.status, answer.body.len());
        }
    }
    // The disk said nothing of a sync, so the process goes on; the next write ends it.
    place.work.commit_file("more", b"more\n");
    place.work.run(&["push", &place.hub.repo_url_as("acme/m", &place.token), "main"]).fails();
    place.hub.kill();
    disk.power_on();
    place.hub.serve(None);
    place.reads_well("afterwards");
    place.hub.fsck();
}
