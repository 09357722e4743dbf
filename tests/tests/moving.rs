//! A namespace and the key by which its owner can take it to another hub: real processes, real git.
#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use polder_log::{Body, KitOf, NamespaceChain, RecoveryKit, read_bodies};
use polder_tests::{Git, Hub, LargeObject, Token, Work, sha256_hex, until, until_followable};
use serde_json::Value;

fn about(hub: &Hub) -> Option<Value> {
    let answer = hub.http().get("/.well-known/polder").send();
    (answer.status == 200).then(|| answer.json())
}

fn begun() -> Hub {
    let hub = Hub::start();
    until_followable(&hub);
    hub
}

/// The first event of a namespace in the log of a hub is the second of all.
fn nsid(hub: &Hub) -> String {
    let answer = hub.http().get("/polder/v1/log/events?from=1&limit=1").send().expect(200);
    let page = polder_log::EventsPage::decode(&answer.body).expect("a page");
    Body::decode(&page.bodies[0]).expect("a body").namespace().expect("a namespace").to_string()
}

/// The operations of a namespace, as a hub gives them out below `prefix`.
fn chain(hub: &Hub, prefix: &str, nsid: &str) -> Option<NamespaceChain> {
    let answer = hub.http().get(&format!("{prefix}/ns/{nsid}")).send();
    let bodies = read_bodies(&answer.body).ok().filter(|_| answer.status == 200)?;
    let bodies: Vec<Body> = bodies.iter().map(|body| Body::decode(body).expect("a body")).collect();
    Some(NamespaceChain::follow(&bodies).expect("in order"))
}

/// Whether any file below `dir` has `needle` in it.
fn has(dir: &Path, needle: &[u8]) -> bool {
    fs::read_dir(dir).expect("read").flatten().any(|entry| {
        let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
        if kind.is_dir() {
            return has(&path, needle);
        }
        kind.is_file() && fs::read(&path).expect("read").windows(needle.len()).any(|bytes| bytes == needle)
    })
}

#[test]
fn a_recovery_kit_is_written_once_for_its_owner_and_told_to_who_follows() {
    let (home, mirror) = (begun(), begun());
    let (token, work) = (home.acme(), Work::new());
    work.commit_file("a", b"a\n");
    home.repo("acme/m");
    work.ok(&["push", "-q", &home.repo_url_as("acme/m", &token), "main"]);
    mirror.cli(&["follow", &format!("http://{}", home.address())]).ok();

    let (file, path) = (home.beside("acme.kit"), home.beside("acme.kit").display().to_string());
    home.cli(&["namespace", "kit", "acme", "--out", &path]).ok();
    assert_eq!(fs::metadata(&file).expect("written").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).expect("read");
    let kit = RecoveryKit::parse(&text).expect("a kit");
    assert!(matches!(kit.of(), KitOf::Namespace { handle, .. } if handle == "acme"), "{kit:?}");
    let secret = text.split("pldr_").nth(1).and_then(|rest| rest.get(..64)).expect("its secret");
    let raw: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&secret[2 * i..2 * i + 2], 16).unwrap()).collect();
    assert!(!has(home.data(), secret.as_bytes()) && !has(home.data(), &raw), "the hub keeps no copy");

    let again = home.beside("again.kit").display().to_string();
    let told = home.cli(&["namespace", "kit", "acme", "--out", &again]).fails();
    assert!(told.contains("--replace FILE"), "{told}");
    let told = home.cli(&["namespace", "kit", "acme", "--out", &path, "--replace", &path]).fails();
    assert!(told.contains("File exists"), "{told}");
    assert_eq!(fs::read_to_string(&file).expect("read"), text, "it is not written over");
    home.cli(&["namespace", "kit", "acme", "--out", &again, "--replace", &path]).ok();
    let newer = RecoveryKit::parse(&fs::read_to_string(&again).expect("read")).expect("a kit");

    let nsid = nsid(&home);
    let origin = about(&home).expect("a log")["origin"].as_str().expect("an origin").to_owned();
    let prefix = format!("/polder/v1/mirror/{}", sha256_hex(origin.as_bytes()));
    let there = chain(&home, "/polder/v1", &nsid).expect("told");
    assert_eq!((there.seq, there.namespace.rotation.first()), (3, Some(&newer.key().public())));
    until("the mirror to know", 60, || (chain(&mirror, &prefix, &nsid)? == there).then_some(()));
    // The mirror goes on mirroring.
    work.commit_file("b", b"b\n");
    work.ok(&["push", "-q", &home.repo_url_as("acme/m", &token), "main"]);
    let mirrored = format!("acme.{origin}/m");
    until("the mirror to be in step", 30, || {
        let done = work.run(&["ls-remote", &mirror.repo_url(&mirrored), "main"]);
        let tip = work.ok(&["rev-parse", "main"]);
        String::from_utf8(done.stdout).ok()?.starts_with(tip.trim()).then_some(())
    });
}

/// A home of `acme/m`, its kit in a file, a hub that mirrors it, and one that follows both.
struct Three {
    home: Hub,
    old_token: Token,
    kit: String,
    new: Hub,
    token: Token,
    follower: Hub,
    /// `acme.<origin>/m`
    mirrored: String,
    work: Work,
}

fn url(hub: &Hub) -> String {
    format!("http://{}", hub.address())
}

impl Three {
    fn new() -> Self {
        Self::of(Work::new())
    }

    /// With what is written in a work tree.
    fn of(work: Work) -> Self {
        let (home, new, follower) = (begun(), begun(), begun());
        let old_token = home.acme();
        let token = new.user("ada", "write");
        work.commit_file("a", b"a\n");
        home.repo("acme/m");
        work.ok(&["push", "-q", &home.repo_url_as("acme/m", &old_token), "main"]);
        let kit = home.beside("acme.kit").display().to_string();
        home.cli(&["namespace", "kit", "acme", "--out", &kit]).ok();
        let origin = about(&home).expect("a log")["origin"].as_str().expect("an origin").to_owned();
        let mirrored = format!("acme.{origin}/m");
        let three = Self { home, old_token, kit, new, token, follower, mirrored, work };
        for hub in [&three.new, &three.follower] {
            hub.cli(&["follow", &url(&three.home)]).ok();
            three.shows(hub, &three.mirrored);
        }
        three.follower.cli(&["follow", &url(&three.new)]).ok();
        three
    }

    fn take(&self) {
        let from = url(&self.home);
        let words = ["namespace", "move", "acme", "--from", &from, "--kit", &self.kit, "--owner", "ada"];
        let told = self.new.cli(&words).ok();
        assert!(told.contains("with 1 repositories"), "{told}");
    }

    /// Waits until a hub shows what was committed last.
    fn shows(&self, hub: &Hub, id: &str) {
        until("the newest commit to be shown", 40, || {
            let done = self.work.run(&["ls-remote", &hub.repo_url(id), "refs/heads/main"]);
            let tip = self.work.ok(&["rev-parse", "main"]);
            String::from_utf8(done.stdout).ok()?.starts_with(tip.trim()).then_some(())
        });
    }

    fn push(&self, id: &str, file: &str) {
        self.work.commit_file(file, file.as_bytes());
        self.work.ok(&["push", "-q", &self.new.repo_url_as(id, &self.token), "main"]);
    }
}

#[test]
fn a_namespace_moves_from_a_dead_hub_and_followers_go_on_under_the_same_clone_url() {
    let mut three = Three::new();
    three.home.kill();
    three.take();
    three.push(&three.mirrored, "b");
    three.shows(&three.follower, &three.mirrored);
    // By its short name, too.
    three.push("acme/m", "c");
    three.shows(&three.follower, &three.mirrored);
    let clone = three.work.beside("clone").display().to_string();
    three.work.ok(&["clone", "-q", &three.follower.repo_url(&three.mirrored), &clone]);
    let token = three.follower.user("ada", "write");
    let there = three.follower.repo_url_as(&three.mirrored, &token);
    three.work.commit_file("d", b"d\n");
    let refused = three.work.run(&["push", &there, "main"]).fails();
    assert!(refused.contains(&format!("{}/acme/m", url(&three.new))), "{refused}");
    three.new.fsck();
    three.follower.fsck();
}

#[test]
fn a_home_that_is_alive_becomes_a_mirror_of_where_its_namespace_went() {
    let three = Three::new();
    three.take();
    three.push(&three.mirrored, "b");
    three.home.cli(&["follow", &url(&three.new)]).ok();
    three.shows(&three.home, "acme/m");
    three.shows(&three.follower, &three.mirrored);
    three.work.commit_file("late", b"late\n");
    let late = three.home.repo_url_as("acme/m", &three.old_token);
    let told = three.work.run(&["push", &late, "main"]).fails();
    assert!(told.contains(&format!("{}/acme/m", url(&three.new))), "{told}");
    three.push("acme/m", "c");
    three.shows(&three.home, "acme/m");
    three.shows(&three.follower, &three.mirrored);
    three.home.fsck();
}

#[test]
fn no_byte_of_a_large_object_moves_and_the_new_home_serves_it_alone() {
    /// More than the events and packs of three commits take.
    const FEW_BYTES: u64 = 256 << 10;
    const OBJECT_BYTES: u64 = 4 << 20;
    let object = LargeObject::random(3, 4 << 20);
    let work = Work::with_lfs();
    work.write("model.bin", &object.bytes);
    let mut three = Three::of(work);
    let before = [&three.home, &three.new, &three.follower].map(Hub::received_bytes);
    assert!(before[0] < FEW_BYTES, "the home got it from git-lfs");
    assert!(before[1].min(before[2]) > OBJECT_BYTES, "the mirrors have it from the home: {before:?}");

    three.take();
    three.push("acme/m", "b");
    three.home.cli(&["follow", &url(&three.new)]).ok();
    three.shows(&three.home, "acme/m");
    three.shows(&three.follower, &three.mirrored);
    let after = [&three.home, &three.new, &three.follower].map(Hub::received_bytes);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after - before < FEW_BYTES, "{before} to {after}");
    }

    three.home.kill();
    let (home, to) = (three.work.beside("somebody"), three.work.beside("clone"));
    fs::create_dir_all(&home).expect("made");
    let git = Git::new(&home);
    git.ok(&home, &["lfs", "install"]);
    git.ok(&home, &["clone", "-q", &three.new.repo_url("acme/m"), &to.display().to_string()]);
    let got = fs::read(to.join("model.bin")).expect("read");
    assert!(got == object.bytes, "{} bytes", got.len());
    three.new.fsck();
}

#[test]
fn who_follows_the_old_home_alone_is_told_there_whom_to_follow_and_then_goes_on() {
    let three = Three::new();
    let alone = begun();
    alone.cli(&["follow", &url(&three.home)]).ok();
    three.shows(&alone, &three.mirrored);
    three.take();
    three.home.cli(&["follow", &url(&three.new)]).ok();
    let origin = about(&three.new).expect("a log")["origin"].as_str().expect("an origin").to_owned();
    until("the old home to tell of the move", 40, || {
        let told = alone.cli(&["mirrors"]).ok();
        told.contains(&format!("moved to {origin}: follow it")).then_some(())
    });
    three.shows(&alone, &three.mirrored);
    alone.cli(&["follow", &url(&three.new)]).ok();
    three.push("acme/m", "b");
    three.shows(&alone, &three.mirrored);
    let told = alone.cli(&["mirrors"]).ok();
    assert!(told.contains("moved from") && !told.contains("follow it"), "{told}");
    alone.fsck();
}

#[test]
fn while_the_old_home_is_dead_a_hub_that_mirrors_both_tells_of_the_move() {
    let mut three = Three::new();
    let alone = begun();
    alone.cli(&["follow", &url(&three.home), "--source", &url(&three.follower)]).ok();
    three.shows(&alone, &three.mirrored);
    three.home.kill();
    three.take();
    three.push("acme/m", "b");
    three.shows(&three.follower, &three.mirrored);
    let origin = about(&three.new).expect("a log")["origin"].as_str().expect("an origin").to_owned();
    until("others to be asked", 40, || {
        alone.cli(&["sync", "--now"]);
        alone.cli(&["mirrors"]).ok().contains(&format!("moved to {origin}: follow it")).then_some(())
    });
}
