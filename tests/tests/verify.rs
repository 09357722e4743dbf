//! `polder verify`: whoever has a clone from anywhere checks it against the key of its home hub.
#![cfg(test)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use polder_log::{
    BodyProof, Checkpoint, CloneProof, EventType, Frontier, LogName, Meta, RefMap, SecretKey, SignerKey,
    Statement,
};
use polder_tests::{Client, Done, Hub, Work, binary, have, program, run, until, until_ok};
use polder_types::{RepoKind, Sha256, UnixMillis};

/// Bytes of the large file.
const LARGE: usize = 100_000;
const ORIGIN: &str = "hub.example.org";

fn key(seed: u8) -> SignerKey {
    SignerKey::new(ORIGIN, SecretKey::new(&[seed; 32])).unwrap()
}

/// What the hub of `key` signs when a repository has these refs: the only event of its log.
fn proof(key: &SignerKey, refs: &str) -> CloneProof {
    let pair =
        |line: &str| line.split_once(' ').map(|(name, oid)| (name.to_owned(), oid.parse().unwrap())).unwrap();
    let map = RefMap::new("refs/heads/main".to_owned(), refs.lines().map(pair).collect()).unwrap();
    let log: LogName = format!("{ORIGIN}/polder/1").parse().unwrap();
    let mut said = Statement::new(log.clone(), EventType::RepoCreate, UnixMillis(1_790_000_000_000), [1; 16]);
    (said.rseq, said.nsid, said.ns_head) = (1, Some(Sha256::new([1; 32])), Some(Sha256::new([2; 32])));
    said.meta = Some(Meta::new(RepoKind::Model, "acme/m".to_owned(), map.head().to_owned()));
    said.state = Some(map.state());
    let body = said.seal(&[]).unwrap();
    let mut tree = Frontier::default();
    tree.push(body.leaf().hash(), |_, _| ());
    let checkpoint = Checkpoint { log, size: 1, root: tree.root() }.sign(&[key]);
    let event = BodyProof { index: 0, checkpoint, path: Vec::new(), body: body.bytes().to_vec() };
    CloneProof { event, refs: map.encode().into_bytes() }
}

struct Place {
    work: Work,
    proof: PathBuf,
}

impl Place {
    /// A repository with a large file, a second branch and a tag, and what its hub signed of it.
    fn new() -> Self {
        let work = Work::with_lfs();
        work.commit_file("model.bin", &vec![7; LARGE]);
        work.ok(&["tag", "-a", "v1", "-m", "first"]);
        work.ok(&["branch", "dev"]);
        work.commit_file("README.md", b"# acme/m\n");
        let proof_file = work.beside("proof");
        std::fs::write(&proof_file, proof(&key(7), &work.git.refs(&work.path())).encode().unwrap()).unwrap();
        Self { work, proof: proof_file }
    }

    fn clone(&self, name: &str, flags: &[&str]) -> PathBuf {
        let dir = self.work.beside(name);
        let source = format!("file://{}", self.work.path().display());
        let args = [&["clone", "-q", "-c", "gc.auto=0"], flags, &[&source, dir.to_str().unwrap()]].concat();
        self.work.git.ok(self.work.path().parent().unwrap(), &args);
        if !flags.contains(&"--mirror") {
            self.work.git.ok(&dir, &["lfs", "install", "--local"]);
            self.work.git.ok(&dir, &["lfs", "pull"]);
        }
        dir
    }

    fn verify(&self, dir: &Path, flags: &[&str]) -> Done {
        self.verify_by(&key(7), dir, flags)
    }

    fn verify_by(&self, key: &SignerKey, dir: &Path, flags: &[&str]) -> Done {
        self.verify_with(key, dir, &[&["--proof", self.proof.to_str().unwrap()], flags].concat())
    }

    fn verify_with(&self, key: &SignerKey, dir: &Path, flags: &[&str]) -> Done {
        let key = key.verifier().to_string();
        let mut command = program(binary());
        command.args(["verify", dir.to_str().unwrap(), "--key", &key]);
        run(command.args(flags).current_dir(self.work.beside("")))
    }
}

fn first_file(dir: &Path, ending: &str) -> PathBuf {
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                return path;
            }
        }
    }
    panic!("no {ending} in {}", dir.display());
}

fn flip_a_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // The file may be a hard link to that of another clone.
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_clone_is_what_its_hub_signed_wherever_it_came_from() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let ordinary = place.clone("ordinary", &[]);
    let said = place.verify(&ordinary, &[]).ok();
    assert!(
        said.contains("`acme/m` as hub.example.org signed it: event 0 of 1, 2026-09-21T14:13:20Z"),
        "{said}"
    );
    assert!(said.contains("refs: 3 as signed, 0 not cloned"), "{said}");
    assert!(said.contains("large files: 2 as signed, 0 not downloaded"), "{said}");
    assert!(said.ends_with("verified"), "{said}");

    // What its owner does there is nobody's lie.
    place.work.git.ok(&ordinary, &["branch", "mine"]);
    place.verify(&ordinary, &[]).ok();

    let bare = place.clone("bare", &["--mirror"]);
    let said = place.verify(&bare, &["--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&json["refs"], &json["files_not_downloaded"]), (&3.into(), &1.into()), "{json}");
    assert_eq!(json["problems"], serde_json::json!([]));

    let single = place.clone("single", &["--single-branch", "--no-tags"]);
    let said = place.verify(&single, &[]).ok();
    assert!(said.contains("refs: 1 as signed, 2 not cloned"), "{said}");
}

/// A mirror serves another commit, another file, another tag; or the disk has rotted.
#[test]
fn whatever_is_not_as_signed_is_named() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let git = &place.work.git;
    let wrong = |name: &str, spoil: &dyn Fn(&Path), word: &str| {
        let dir = place.clone(name, &[]);
        spoil(&dir);
        let done = place.verify(&dir, &[]);
        let said = done.fails();
        assert_eq!(done.code, Some(1));
        assert!(said.contains("WRONG: ") && said.contains(word), "{name}: {said}");
        assert!(said.contains("not verified"), "{name}: {said}");
    };
    wrong(
        "branch",
        &|dir| drop(git.ok(dir, &["update-ref", "refs/remotes/origin/main", "v1^0"])),
        "origin/main",
    );
    wrong("tag", &|dir| drop(git.ok(dir, &["tag", "v2"])), "refs/tags/v2");
    wrong(
        "head",
        &|dir| drop(git.ok(dir, &["commit", "-q", "--allow-empty", "-m", "x"])),
        "what is checked out",
    );
    wrong("file", &|dir| std::fs::write(dir.join("model.bin"), vec![8; LARGE]).unwrap(), "model.bin");
    wrong("store", &|dir| flip_a_byte(&first_file(&dir.join(".git/lfs/objects"), "")), "lfs/objects");
    // What cannot even be opened is told at once.
    let dir = place.clone("pack", &[]);
    flip_a_byte(&first_file(&dir.join(".git/objects/pack"), ".pack"));
    let said = place.verify(&dir, &[]).fails();
    assert!(said.contains("cannot open the clone") && said.contains("damaged"), "{said}");
}

#[test]
fn a_proof_of_another_key_or_of_nothing_says_nothing_of_a_clone() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let dir = place.clone("clone", &[]);
    let said = place.verify_by(&key(8), &dir, &[]).fails();
    assert!(said.contains("not signed by the origin's key"), "{said}");
    flip_a_byte(&place.proof);
    let said = place.verify(&dir, &[]).fails();
    assert!(!said.contains("refs:"), "{said}");
    std::fs::write(&place.proof, b"").unwrap();
    assert!(place.verify(&dir, &[]).fails().contains("is no proof"));
}

/// A mirror that has one proof and answers one request; what it was asked.
fn mirror(proof: Vec<u8>) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/datasets/acme.hub.example.org/d.git", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        BufReader::new(&stream).read_line(&mut asked).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", proof.len())
            .unwrap();
        stream.write_all(&proof).unwrap();
        asked
    });
    (url, answering)
}

#[test]
fn a_proof_that_was_asked_for_is_kept_and_good_without_a_network() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let dir = place.clone("clone", &[]);
    let (url, answering) = mirror(std::fs::read(&place.proof).unwrap());
    let kept = place.work.beside("kept");
    place.verify_with(&key(7), &dir, &["--from", &url, "--write-proof", kept.to_str().unwrap()]).ok();
    let asked = answering.join().unwrap();
    assert!(asked.starts_with("GET /polder/v1/proof/datasets/acme.hub.example.org/d HTTP/1.1"), "{asked}");
    place.verify_with(&key(7), &dir, &["--proof", kept.to_str().unwrap()]).ok();

    // Nothing is kept of what another key signed.
    let unsigned = place.work.beside("unsigned");
    let (url, answering) = mirror(std::fs::read(&place.proof).unwrap());
    place.verify_with(&key(8), &dir, &["--from", &url, "--write-proof", unsigned.to_str().unwrap()]).fails();
    answering.join().unwrap();
    assert!(!unsigned.exists());
}

/// From a push to a verified clone, and on after the hub has taken another key.
#[test]
fn a_clone_of_a_hub_is_verified_by_the_key_that_the_hub_shows() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let work = Work::new();
    work.commit_file("README.md", b"# A model\n");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
    let dir = work.beside("clone");
    work.git.ok(&work.path(), &["clone", "-q", &hub.repo_url("acme/m"), dir.to_str().unwrap()]);
    let shown = |words: &[&str]| hub.cli(words).ok().lines().next().unwrap().to_owned();
    let first = until("the log to begin", 60, || {
        hub.cli(&["key", "show"]).success().then(|| shown(&["key", "show"]))
    });
    let verify = |key: &str, flags: &[&str]| {
        run(program(binary())
            .args(["verify", dir.to_str().unwrap(), "--key", key])
            .args(flags)
            .current_dir(work.beside("")))
    };
    let kept = work.beside("kept");
    let keep = ["--write-proof", kept.to_str().unwrap()];
    let said = until_ok("the log to tell of it", 60, || verify(&first, &keep));
    assert!(said.contains("refs: 1 as signed, 0 not cloned") && said.ends_with("verified"), "{said}");

    let second = shown(&["key", "rotate"]);
    assert_ne!(first, second);
    assert_eq!(shown(&["key", "show"]), second);
    verify(&second, &[]).ok();
    assert!(verify(&first, &[]).fails().contains("not signed by the origin's key"));
    verify(&first, &["--proof", kept.to_str().unwrap()]).ok();

    hub.cli(&["repo", "visibility", "acme/m", "private"]).ok();
    assert!(verify(&second, &[]).fails().contains("proves no such repository"));
}
