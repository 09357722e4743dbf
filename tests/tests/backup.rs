//! The restore drill: a backup made while pushes and uploads go on is whole when it is brought back
//! elsewhere; what is no whole backup is never taken for one.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polder_tests::{Client, Git, Hub, LargeObject, Token, Work, have};

struct Place {
    hub: Hub,
    token: Token,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        Self { hub, token }
    }

    fn push(&self, work: &Work, repo: &str) {
        work.ok(&["push", "-q", &self.hub.repo_url_as(repo, &self.token), "main"]);
    }

    fn dir(&self) -> PathBuf {
        self.hub.beside("backup")
    }

    fn backup(&self) -> String {
        self.hub.cli(&["backup", self.dir().to_str().unwrap()]).ok()
    }

    /// Brings the backup back in a data directory of its own and serves it.
    fn restored(&self) -> Hub {
        let mut hub = Hub::builder().prepare();
        hub.cli(&["restore", self.dir().to_str().unwrap()]).ok();
        hub.fsck();
        hub.serve(None);
        hub
    }
}

fn clone(hub: &Hub, git: &Git, repo: &str, into: &Path) {
    let parent = into.parent().unwrap();
    git.ok(parent, &["clone", "-q", "--mirror", &hub.repo_url(repo), into.to_str().unwrap()]);
    git.fsck(into);
}

/// F19: real pushes and LFS uploads go on while the backup is made.
#[test]
fn a_backup_made_under_load_comes_back_with_every_object_of_every_ref() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    for repo in ["acme/quiet", "acme/busy"] {
        place.hub.repo(repo);
    }
    place.hub.cli(&["repo", "add", "acme/secret", "--private"]).ok();
    let quiet = Work::with_lfs();
    quiet.write("weights.bin", &LargeObject::random(1, 3 << 20).bytes);
    quiet.write("noise.txt", &LargeObject::random(2, 300_000).bytes);
    quiet.commit("Add weights");
    place.push(&quiet, "acme/quiet");

    let busy = Work::with_lfs();
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let round = rounds.load(Ordering::Relaxed);
                busy.write("weights.bin", &LargeObject::random(100 + round, 200_000).bytes);
                busy.write("noise.txt", &LargeObject::random(5_000 + round, 150_000).bytes);
                busy.commit(&format!("Round {round}"));
                place.push(&busy, "acme/busy");
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        // The last backup begins when some pushes are there, and others go on.
        while rounds.load(Ordering::Relaxed) < 3 {
            place.backup();
        }
        place.backup();
        stop.store(true, Ordering::Relaxed);
    });

    let restored = place.restored();
    let git = Git::new(&busy.beside(""));
    for repo in ["acme/quiet", "acme/busy"] {
        let copy = busy.beside(&repo.replace('/', "-"));
        clone(&restored, &git, repo, &copy);
        git.ok(&copy, &["lfs", "fetch", "--all"]);
        git.ok(&copy, &["lfs", "fsck", "--objects"]);
    }
    let original = busy.beside("original");
    clone(&place.hub, &git, "acme/quiet", &original);
    let copy = busy.beside("acme-quiet");
    assert_eq!(git.refs(&copy), git.refs(&original));
    assert_eq!(git.objects(&copy), git.objects(&original));
    // What was pushed to the busy one is there up to some push, whole.
    let tip = git.ok(&busy.beside("acme-busy"), &["rev-parse", "refs/heads/main"]);
    busy.ok(&["merge-base", "--is-ancestor", &tip, "main"]);
    // Accounts, tokens, visibility and the audit log came along, and the hub is still the same one.
    let key = |hub: &Hub| {
        let lines = hub.cli(&["audit", "export"]).ok();
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        last["key"].clone()
    };
    assert_eq!(key(&restored), key(&place.hub));
    let answer = restored.http().get("/acme/secret.git/info/refs?service=git-upload-pack");
    answer.basic(&place.token.user, &place.token.secret).send().expect(200);
    restored.cli(&["audit", "verify"]).ok();
    // And it takes pushes.
    busy.ok(&["push", "-q", &restored.repo_url_as("acme/busy", &place.token), "main"]);
}

#[test]
fn a_backup_again_copies_only_what_is_new_and_forgets_what_is_gone() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = |seed| LargeObject::random(seed, 100_000);
    object(1).upload(place.hub.http(), "acme/m", &place.token);
    assert!(place.backup().contains("1 of 1 files"), "{}", place.backup());
    let said = place.backup();
    assert!(said.contains("0 of 1 files"), "{said}");
    object(2).upload(place.hub.http(), "acme/m", &place.token);
    let said = place.backup();
    assert!(said.contains("1 of 2 files"), "{said}");
    place.hub.cli(&["repo", "delete", "acme/m"]).ok();
    let said = place.backup();
    assert!(said.contains("0 of 0 files"), "{said}");
    let mut stored = Vec::new();
    list(&place.dir().join("store/blobs"), &mut stored);
    assert!(stored.is_empty(), "{stored:?}");
    place.restored();
}

fn list(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() { list(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

#[test]
fn what_is_no_whole_backup_is_not_restored() {
    let mut place = Place::new();
    place.hub.repo("acme/m");
    LargeObject::random(1, 100_000).upload(place.hub.http(), "acme/m", &place.token);
    let dir = place.dir();
    // The server dies when all is copied and only the manifest is missing.
    place.hub.stop();
    place.hub.serve(Some("backup.before_manifest"));
    place.hub.cli(&["backup", dir.to_str().unwrap()]).fails();
    place.hub.wait_crash();
    let refused = |args: &[&str], words: &str| {
        let fresh = Hub::builder().prepare();
        let said = fresh.cli(&[&["restore", dir.to_str().unwrap()], args].concat()).fails();
        assert!(said.contains(words), "{said}");
    };
    refused(&[], "no whole backup");
    place.hub.serve(None);
    let said = place.backup();
    assert!(said.contains("0 of 1 files"), "what was copied before is not copied again: {said}");

    // A data directory that has something in it, and a backup place that is something else.
    let said = place.hub.cli(&["restore", dir.to_str().unwrap()]).fails();
    assert!(said.contains("is not empty"), "{said}");
    let other = place.hub.beside("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.tex"), "").unwrap();
    let said = place.hub.cli(&["backup", other.to_str().unwrap()]).fails();
    assert!(said.contains("holds no backup"), "{said}");
    let stranger = Place::new();
    let said = stranger.hub.cli(&["backup", dir.to_str().unwrap()]).fails();
    assert!(said.contains("another hub"), "{said}");

    // A flipped bit, in a file and in the rows.
    let mut files = Vec::new();
    list(&dir.join("store/blobs"), &mut files);
    // Not a list of chunks: one that is damaged is left out, and made again.
    files.retain(|path| path.extension().is_none());
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    flip(&files[0]);
    refused(&[], "damaged");
    flip(&files[0]);
    place.restored();
    let database = std::fs::read_dir(&dir).unwrap().flatten().map(|entry| entry.path());
    let database = database.into_iter().find(|path| path.to_string_lossy().contains("database-")).unwrap();
    flip(&database.join("repo.jsonl"));
    refused(&[], "damaged");
}

/// The guard of a database that is older than the store: nothing of the newer one is swept.
#[test]
fn an_older_database_over_a_newer_store_is_noticed_until_the_operator_accepts_it() {
    let mut place = Place::new();
    place.hub.repo("acme/m");
    let work = Work::new();
    work.commit_file("noise", &LargeObject::random(1, 300_000).bytes);
    place.push(&work, "acme/m");
    place.hub.stop();
    let database = place.hub.data().join("polder.db");
    let older = std::fs::read(&database).unwrap();
    place.hub.serve(None);
    work.commit_file("noise", &LargeObject::random(2, 300_000).bytes);
    place.push(&work, "acme/m");
    let files = place.hub.stored_files();
    place.hub.stop();
    std::fs::write(&database, older).unwrap();

    place.hub.serve(None);
    assert!(place.hub.log().contains("older than the store"), "{}", place.hub.log());
    let said = place.hub.cli(&["fsck"]).fails();
    assert!(said.contains("--accept-database"), "{said}");
    assert_eq!(place.hub.stored_files(), files);
    place.hub.cli(&["fsck", "--accept-database"]).ok();
    place.hub.fsck();
    place.hub.stop();
    place.hub.serve(None);
    assert!(!place.hub.log().contains("older than the store"), "{}", place.hub.log());
    place.push(&work, "acme/m");
    place.hub.fsck();
}
