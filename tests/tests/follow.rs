//! One hub follows another: real git and git-lfs on both.
#![cfg(test)]

use std::path::Path;
use std::sync::Arc;

use polder_db::{Appended, Db, LogEntry};
use polder_log::{EventType, Statement};
use polder_tests::{Git, Hub, LargeObject, Token, Work, until, until_followable};
use polder_types::{Clock, IdSource};
use serde_json::{Value, json};
use sha2::Digest as _;

struct Pair {
    home: Hub,
    token: Token,
    mirror: Hub,
    /// `acme`, with the origin of its home.
    namespace: String,
    dir: tempfile::TempDir,
    git: Git,
}

impl Pair {
    fn new() -> Self {
        let (home, mirror) = (Hub::start(), Hub::start());
        [&home, &mirror].into_iter().for_each(until_followable);
        let token = home.acme();
        let namespace = format!("acme.{}", home.address().to_string().replace(':', "_"));
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(dir.path());
        Self { home, token, mirror, namespace, dir, git }
    }

    fn base(&self) -> String {
        format!("http://{}", self.home.address())
    }

    fn push(&self, work: &Work, repo: &str, refs: &[&str]) {
        let url = self.home.repo_url_as(repo, &self.token);
        work.ok(&[&["push", "-q", "--force", &url][..], refs].concat());
    }

    fn follow(&self, more: &[&str]) -> String {
        self.mirror.cli(&[&["follow", &self.base()][..], more].concat()).ok()
    }

    /// The home's, as it shows it.
    fn key(&self) -> Value {
        serde_json::from_str(&self.home.cli(&["key", "show", "--json"]).ok()).unwrap()
    }

    /// The home listens elsewhere since it was started again.
    fn moved(&mut self) {
        self.follow(&["--key", self.key()["key"].as_str().unwrap()]);
        self.mirror.kill();
        self.mirror.serve(None);
    }

    /// Puts a database back that is older than what the home has signed, and starts it again.
    fn restore(&mut self, backup: &[u8]) {
        self.home.kill();
        std::fs::write(self.home.data().join("polder.db"), backup).unwrap();
        for rest in ["polder.db-wal", "polder.db-shm"] {
            std::fs::remove_file(self.home.data().join(rest)).ok();
        }
        self.home.serve(None);
        until("the home to refuse to sign", 20, || {
            self.home.log().contains("nothing more is signed").then_some(())
        });
    }

    /// What the home says of itself.
    fn about(&self) -> Value {
        serde_json::from_slice(&self.home.http().get("/.well-known/polder").send().body).unwrap_or_default()
    }

    fn mirrors(&self) -> Value {
        serde_json::from_str(&self.mirror.cli(&["mirrors", "--json"]).ok()).unwrap()
    }

    fn refs(&self, hub: &Hub, repo: &str) -> Option<String> {
        let done = self.git.run(self.dir.path(), &["ls-remote", &hub.repo_url(repo)]);
        done.success().then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// Waits until the mirror serves what its home does.
    fn in_step(&self, name: &str) -> String {
        let there = format!("{}/{name}", self.namespace);
        until("the mirror to be in step", 30, || {
            let (home, here) =
                (self.refs(&self.home, &format!("acme/{name}"))?, self.refs(&self.mirror, &there)?);
            (home == here).then_some(here)
        })
    }

    fn state(&self, id: &str) -> Option<String> {
        let listed = self.mirrors();
        let rows = listed[0]["repositories"].as_array()?.clone();
        let row = rows.into_iter().find(|row| row["id"] == id)?;
        row["state"].as_str().map(str::to_owned)
    }
}

#[test]
fn a_followed_repository_is_cloned_from_the_mirror_under_both_its_names() {
    let pair = Pair::new();
    let work = Work::with_lfs();
    work.ok(&["lfs", "track", "*.bin"]);
    let weights: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    work.write("model.bin", &weights);
    work.commit("weights");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    until("the log to tell of it", 15, || {
        let about = pair.home.http().get("/.well-known/polder").send();
        let about: Value = serde_json::from_slice(&about.body).ok()?;
        about["size"].as_u64().filter(|size| *size >= 3)
    });
    pair.follow(&["--alias", "acme=friends"]);
    pair.in_step("m");
    for name in [format!("{}/m", pair.namespace), "friends/m".to_owned()] {
        let to = pair.dir.path().join(format!("clone-{}", name.len()));
        work.ok(&["clone", "-q", &pair.mirror.repo_url(&name), to.to_str().unwrap()]);
        pair.git.ok(&to, &["lfs", "install", "--local"]);
        pair.git.ok(&to, &["lfs", "pull"]);
        let got = std::fs::read(to.join("model.bin")).unwrap();
        assert!(got == weights, "{name}: {} bytes", got.len());
    }

    // What happens at home happens here: another branch, a rewritten one, a deleted one.
    work.commit_file("README.md", b"one\n");
    work.ok(&["branch", "side"]);
    pair.push(&work, "acme/m", &["main", "side"]);
    pair.in_step("m");
    work.ok(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    pair.push(&work, "acme/m", &["main", ":side"]);
    let refs = pair.in_step("m");
    assert!(!refs.contains("side"), "{refs}");

    // A push to the mirror is refused with the home's URL, in git's words and in those of LFS.
    let url = pair.mirror.repo_url("friends/m");
    let told = work.run(&["-c", "lfs.locksverify=false", "push", &url, "main:other"]).fails();
    assert!(told.contains(&format!("{}/acme/m", pair.base())), "{told}");
    pair.mirror.fsck();
}

/// The discussions themselves stay at home; the refs of pull requests are signed and mirrored like all others.
#[test]
fn a_mirror_has_the_commits_of_pull_requests_and_takes_none() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("README.md", b"one\n");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    let post = |hub: &Hub, name: &str, rest: &str, body: Value| {
        let path = format!("/api/models/{name}/{rest}");
        hub.http().post(&path, body.to_string()).bearer(&pair.token.secret).send()
    };
    let new = json!({"title": "Proposed", "description": "Please.", "pullRequest": true});
    assert_eq!(post(&pair.home, "acme/m", "discussions", new.clone()).expect(200).json()["num"], 1);
    let proposed = work.commit_file("proposed.txt", b"proposed\n");
    pair.push(&work, "acme/m", &["HEAD:refs/pr/1"]);
    pair.follow(&["--alias", "acme=friends"]);
    let refs = pair.in_step("m");
    assert!(refs.contains(&format!("{}\trefs/pr/1", proposed.trim())), "{refs}");
    let ask = |path: &str| pair.mirror.http().get(path).send();
    let file = ask("/friends/m/resolve/refs%2Fpr%2F1/proposed.txt").expect(200);
    assert_eq!(file.body, b"proposed\n");
    assert_eq!(ask("/api/models/friends/m/discussions").expect(200).json()["count"], 0);

    // What is merged at home is here too, and nobody opens, comments or pushes anything here.
    post(&pair.home, "acme/m", "discussions/1/merge", json!({})).expect(200);
    let refs = pair.in_step("m");
    assert!(refs.contains(&format!("{}\trefs/heads/main", proposed.trim())), "{refs}");
    let token = pair.mirror.user("ada", "write");
    let name = "friends/m";
    for (rest, body) in [
        ("discussions", new),
        ("discussions", json!({"title": "A word", "description": "x"})),
        ("discussions/1/comment", json!({"comment": "x"})),
    ] {
        let path = format!("/api/models/{name}/{rest}");
        let answer = pair.mirror.http().post(&path, body.to_string()).bearer(&token.secret).send();
        let told = answer.expect(403).text();
        assert!(told.contains(&format!("{}/acme/m", pair.base())), "{rest}: {told}");
    }
    let url = pair.mirror.repo_url_as(name, &token);
    let told = work.run(&["push", &url, "HEAD~:refs/pr/1"]).fails();
    assert!(told.contains(&format!("{}/acme/m", pair.base())), "{told}");
    pair.mirror.fsck();
}

#[test]
fn a_mirror_goes_on_serving_when_its_home_is_dead_and_catches_up_when_either_comes_back() {
    let mut pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    pair.follow(&["--select", "acme/*"]);
    let before = pair.in_step("m");
    pair.mirror.kill();
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.mirror.serve(None);
    let after = pair.in_step("m");
    assert_ne!(before, after);
    pair.home.kill();
    pair.mirror.kill();
    pair.mirror.serve(None);
    let served = pair.refs(&pair.mirror, &format!("{}/m", pair.namespace)).expect("served");
    assert_eq!(served, after);
    pair.mirror.fsck();
}

#[test]
fn what_is_hidden_or_deleted_at_home_is_hidden_here_and_what_is_not_selected_never_comes() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for name in ["acme/kept", "acme/hidden", "acme/gone", "acme/other"] {
        pair.home.repo(name);
        pair.push(&work, name, &["main"]);
    }
    pair.follow(&["--select", "acme/kept", "--select", "acme/hidden", "--select", "acme/gone"]);
    for name in ["kept", "hidden", "gone"] {
        pair.in_step(name);
    }
    pair.home.cli(&["repo", "visibility", "acme/hidden", "private"]).ok();
    pair.home.cli(&["repo", "delete", "acme/gone"]).ok();
    for name in ["hidden", "gone"] {
        until("it to be hidden", 15, || {
            pair.refs(&pair.mirror, &format!("{}/{name}", pair.namespace)).is_none().then_some(())
        });
        assert_eq!(pair.state(&format!("acme/{name}")).as_deref(), Some("hidden"));
    }
    assert!(pair.refs(&pair.mirror, &format!("{}/other", pair.namespace)).is_none());
    pair.home.cli(&["repo", "visibility", "acme/hidden", "public"]).ok();
    pair.in_step("hidden");
    // A gate lets those in whom the home knows, so a mirror lets nobody in.
    pair.home.cli(&["repo", "gate", "acme/hidden", "auto"]).ok();
    until("it to be hidden behind a gate", 15, || {
        pair.refs(&pair.mirror, &format!("{}/hidden", pair.namespace)).is_none().then_some(())
    });
    pair.home.cli(&["repo", "gate", "acme/hidden", "off"]).ok();
    pair.in_step("hidden");

    let told = pair.mirror.cli(&["sync", "--now"]).ok();
    assert!(told.contains("every mirror serves the newest"), "{told}");
    pair.mirror.cli(&["unfollow", &pair.base()]).ok();
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/kept", &["main"]);
    pair.mirror.cli(&["unfollow", &pair.base()]).fails();
    assert_eq!(pair.mirrors()[0]["state"], "unfollowed");
    assert_eq!(pair.state("acme/kept").as_deref(), Some("ready"));
}

#[test]
fn a_hub_that_nobody_vouches_for_is_not_followed() {
    let pair = Pair::new();
    let port = pair.home.address().port();
    let told =
        pair.mirror.cli(&["follow", &format!("http://localhost:{port}"), "--mode", "everything"]).fails();
    assert!(told.contains("metadata, lazy, full, archive"), "{told}");
    let wrong = "hub.example.org+c9e3f6d1+AUH3Zb4bYG0f6WD1y1Cwbq0M4Xr4UO0Q0t7q5jzqIY3s";
    pair.mirror.cli(&["follow", &pair.base(), "--key", wrong]).fails();
    let told = pair.mirror.cli(&["follow", &format!("http://{}", pair.mirror.address())]).fails();
    assert!(told.contains("does not follow itself"), "{told}");
    assert_eq!(pair.mirrors(), Value::Array(Vec::new()));
}

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

#[test]
fn other_rules_hold_for_what_was_heard_of_before() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for name in ["acme/one", "acme/two"] {
        pair.home.repo(name);
        pair.push(&work, name, &["main"]);
    }
    pair.follow(&["--select", "acme/one"]);
    pair.in_step("one");
    assert_eq!(pair.state("acme/two"), None);
    pair.follow(&["--select", "acme/*"]);
    pair.in_step("two");

    // What is no longer selected stays as it is; what is new, is not.
    pair.follow(&["--select", "acme/three"]);
    let before = pair.refs(&pair.mirror, &format!("{}/one", pair.namespace)).expect("it is here");
    work.commit_file("b", b"b\n");
    pair.home.repo("acme/three");
    for name in ["acme/one", "acme/three"] {
        pair.push(&work, name, &["main"]);
    }
    pair.in_step("three");
    assert_eq!(pair.refs(&pair.mirror, &format!("{}/one", pair.namespace)), Some(before));
    assert_eq!(pair.state("acme/one").as_deref(), Some("known"));
}

#[test]
fn a_hub_is_followed_by_licence_as_the_cards_say() {
    let pair = Pair::new();
    let refused = pair.mirror.cli(&["follow", &pair.base(), "--select", "licence:mit"]).fails();
    assert!(refused.contains("`licence:mit` is no rule"), "{refused}");
    let works = [("m", "mit"), ("n", "apache-2.0")].map(|(name, license)| {
        let work = Work::new();
        pair.home.repo(&format!("acme/{name}"));
        work.commit_file("README.md", format!("---\nlicense: {license}\n---\n").as_bytes());
        pair.push(&work, &format!("acme/{name}"), &["main"]);
        work
    });
    pair.follow(&["--select", "license:mit"]);
    pair.in_step("m");
    let other = format!("{}/n", pair.namespace);
    assert_eq!(pair.refs(&pair.mirror, &other), None);
    works[1].commit_file("README.md", b"---\nlicense: mit\n---\n");
    pair.push(&works[1], "acme/n", &["main"]);
    pair.in_step("n");
}

#[test]
fn a_pack_of_a_mirror_that_is_found_to_be_damaged_is_had_again_from_its_home() {
    let pair = Pair::new();
    let work = Work::new();
    pair.home.repo("acme/m");
    for seed in 1..=3_u32 {
        let noise: Vec<u8> =
            (0..100_000_u32).flat_map(|n| (n * seed).wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        work.commit_file(&format!("noise{seed}.dat"), &noise);
        pair.push(&work, "acme/m", &["main"]);
        if seed == 1 {
            pair.follow(&[]);
        }
        pair.in_step("m");
    }
    let packs = packs_below(&pair.mirror.data().join("store"));
    assert_eq!(packs.len(), 3, "{packs:?}");
    for (n, pack) in packs.iter().enumerate() {
        flip_a_bit(pack, n + 1);
    }
    let found = pair.mirror.cli(&["fsck"]).fails();
    assert_eq!(found.matches(": verifying a pack").count(), 3, "{found}");
    until("the packs to be repaired", 30, || pair.mirror.cli(&["fsck", "--deep"]).success().then_some(()));
    let to = pair.dir.path().join("clone");
    work.ok(&["clone", "-q", &pair.mirror.repo_url(&format!("{}/m", pair.namespace)), to.to_str().unwrap()]);
    pair.git.ok(&to, &["fsck", "--strict", "--full"]);
    assert_eq!(
        pair.git.ok(&to, &["rev-parse", "HEAD"]).trim(),
        work.ok(&["rev-parse", "main"]).trim(),
        "nothing else has changed"
    );
}

/// Flips one bit, in that quarter of a file.
fn flip_a_bit(path: &Path, quarter: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 4 * quarter;
    bytes[at] ^= 1 << quarter;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_at_home_is_had_again_from_a_hub_that_mirrors_it() {
    let mirror = Hub::start();
    let config = format!("[federation]\nmirrors = [\"http://{}\"]\n", mirror.address());
    let pair = polder_tests::Pair::of(Hub::builder().config(&config).start(), mirror);
    let work = Work::with_lfs();
    work.ok(&["lfs", "track", "*.bin"]);
    for name in ["model.bin", "noise.dat"] {
        work.write(name, &LargeObject::random(7, 3_000_000).bytes);
    }
    work.commit("weights, and as much in git");
    work.ok(&["push", "-q", &pair.home.repo_url_as("acme/m", &pair.token), "main"]);
    pair.follow(&[]).ok();
    until("the mirror to be ready", 30, || {
        (pair.upstream()["repositories"][0]["state"] == "ready").then_some(())
    });
    let objects = pair.home.stored_objects().into_iter().map(|name| pair.home.data().join(name));
    let stored: Vec<_> = packs_below(&pair.home.data().join("store")).into_iter().chain(objects).collect();
    assert_eq!(stored.len(), 2, "{stored:?}");
    for path in &stored {
        flip_a_bit(path, 2);
    }
    let found = pair.home.cli(&["fsck", "--deep"]).fails();
    assert!(found.contains(": verifying a pack") && found.contains("object"), "{found}");
    until("it to be repaired", 60, || pair.home.cli(&["fsck", "--deep"]).success().then_some(()));
    work.ok(&["clone", "-q", &pair.home.repo_url("acme/m"), "clone"]);
    for words in [&["install", "--local"][..], &["pull"]] {
        work.ok(&[&["-C", "clone", "lfs"], words].concat());
    }
    let read = |name: &str| std::fs::read(work.path().join(name)).unwrap();
    assert!(read("clone/model.bin") == read("model.bin") && read("clone/noise.dat") == read("noise.dat"));
    work.ok(&["-C", "clone", "fsck", "--strict", "--full"]);
}

fn packs_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pack") {
                found.push(path);
            }
        }
    }
    found
}
