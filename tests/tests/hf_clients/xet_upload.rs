//! `hf upload` with `hf_xet` 1.8.0: chunk by chunk.

use std::path::Path;

use polder_tests::{Client, Door, Hub, HubClient, LargeObject, Token, Work, have};

use crate::Place;

fn noise(seed: u64, length: usize) -> Vec<u8> {
    LargeObject::random(seed, length).bytes
}

/// How many requests of the hub's log have that in their path.
fn requests(place: &Place, part: &str) -> usize {
    place.hub.log().lines().filter(|line| line.contains("path=/") && line.contains(part)).count()
}

/// A client whose home, and so whose memory of what it sent, is a directory of its own.
struct Uploader {
    url: String,
    ada: Token,
    client: HubClient,
    home: tempfile::TempDir,
}

impl Uploader {
    fn new(place: &Place) -> Option<Self> {
        // A hub that is gone is not waited for.
        let client = HubClient::of("2.4.0")?.variable("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "1");
        let mut uploader =
            Self { url: String::new(), ada: place.ada.clone(), client, home: tempfile::tempdir().unwrap() };
        uploader.turn_to(place);
        Some(uploader)
    }

    /// Goes on with the hub where it is now.
    fn turn_to(&mut self, place: &Place) {
        place.hub.url("").trim_end_matches('/').clone_into(&mut self.url);
    }

    fn hf(&self, args: &[&str]) -> polder_tests::Done {
        self.client.hf(&self.url, Some(&self.ada), self.home.path(), args)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.home.path().join("folder").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn upload(&self, repo: &str) {
        self.hf(&["upload", repo, "folder"]).ok();
    }
}

/// What a clone with LFS and downloads with Xet and without have of a repository is the folder.
fn assert_is_folder(uploader: &Uploader, repo: &str, files: &[(&str, &[u8])]) {
    let back = tempfile::tempdir().unwrap();
    let plain = HubClient::of("2.4.0").unwrap().without_xet();
    let args = ["download", repo, "--local-dir", "back"];
    plain.hf(&uploader.url, Some(&uploader.ada), back.path(), &args).ok();
    let same = |dir: &Path| {
        for (name, bytes) in files {
            assert!(std::fs::read(dir.join(name)).unwrap() == *bytes, "{name} of {}", dir.display());
        }
    };
    same(&back.path().join("back"));
    let chunked = HubClient::of("2.4.0").unwrap();
    let args = ["download", repo, "--local-dir", "chunked"];
    chunked.hf(&uploader.url, Some(&uploader.ada), back.path(), &args).ok();
    same(&back.path().join("chunked"));
    if have(&[Client::GitLfs]) {
        let work = Work::new();
        work.git.ok(&work.beside(""), &["lfs", "install"]);
        let (target, url) = (work.beside("cloned"), format!("{}/{repo}", uploader.url));
        work.git.ok(&work.beside(""), &["clone", "-q", &url, target.to_str().unwrap()]);
        same(&target);
    }
}

/// X1, and what a client that remembers does: an edit of a file sends the edit.
#[test]
fn what_hf_upload_sends_in_chunks_git_and_plain_downloads_have_too() {
    let place = Place::new();
    let Some(uploader) = Uploader::new(&place) else { return };
    let (large, small) = (noise(1, 25_000_000), noise(2, 100_000));
    uploader.write("w.safetensors", &large);
    uploader.write("sub/s.safetensors", &small);
    uploader.hf(&["repos", "create", "acme/xet"]).ok();
    uploader.upload("acme/xet");
    assert!(requests(&place, "/v1/xorbs/") >= 1, "{}", place.hub.log());
    assert_eq!(requests(&place, "/v2/shards"), 1, "{}", place.hub.log());
    assert_is_folder(&uploader, "acme/xet", &[("w.safetensors", &large), ("sub/s.safetensors", &small)]);

    let edited = [&large[..20_000_000], &noise(3, 300_000), &large[20_000_000..]].concat();
    uploader.write("w.safetensors", &edited);
    uploader.upload("acme/xet");
    assert_is_folder(&uploader, "acme/xet", &[("w.safetensors", &edited)]);
    // Without a memory, and into another repository: the hub tells of what the sender may read elsewhere.
    let sent = requests(&place, "/v1/xorbs/");
    let other = Uploader::new(&place).unwrap();
    other.write("w.safetensors", &edited);
    other.hf(&["repos", "create", "acme/again"]).ok();
    other.upload("acme/again");
    assert_eq!(requests(&place, "/v1/xorbs/"), sent, "{}", place.hub.log());
    assert_is_folder(&other, "acme/again", &[("w.safetensors", &edited)]);
    place.hub.fsck();
}

/// X15: the process dies when the bytes of a shard are durable and no row says so.
#[test]
fn an_upload_whose_hub_dies_is_completed_by_uploading_again() {
    let mut place = Place::new();
    place.hub.kill();
    place.hub.serve(Some("xet.files_placed"));
    let Some(mut uploader) = Uploader::new(&place) else { return };
    let bytes = noise(4, 5_000_000);
    uploader.write("w.safetensors", &bytes);
    uploader.hf(&["repos", "create", "acme/xet"]).ok();
    uploader.hf(&["upload", "acme/xet", "folder"]).fails();
    place.hub.wait_crash();
    place.hub.serve(None);
    uploader.turn_to(&place);
    uploader.upload("acme/xet");
    assert_is_folder(&uploader, "acme/xet", &[("w.safetensors", &bytes)]);
    place.hub.fsck();
}

/// X8 and X10 as a client sees them: refused by the status, or in a line of an answer that has begun.
#[test]
fn what_is_not_true_is_refused_in_the_form_that_was_asked_for() {
    let place = Place::new();
    place.create("model", "xet");
    let path = "/api/models/acme/xet/xet-write-token/main";
    let token = place.hub.http().get(path).bearer(&place.ada.secret).send().expect(200).json();
    let token = token["accessToken"].as_str().unwrap();
    let post = |path: &str| place.hub.http().post(path, "not that").bearer(token).send();
    let told = post(&format!("/cas/v1/xorbs/default/{}", "0".repeat(64))).expect(400).text();
    assert!(told.contains(&"0".repeat(64)), "{told}");
    post("/cas/v1/shards").expect(400);
    let lines = post("/cas/v2/shards").expect(200);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<serde_json::Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "validating");
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["retryable"]), (&"error".into(), &false.into()), "{last}");
}

/// A hub behind a door that counts what clients send through it.
struct Counted {
    place: Place,
    url: String,
    told: std::sync::mpsc::Receiver<Vec<u8>>,
}

impl Counted {
    fn new() -> Self {
        let door = Door::open();
        let place = Place::with(Hub::builder().config(&format!("public-url = \"{}\"", door.url())).start());
        let url = door.url();
        let told = door.lead_to(place.hub.address(), None);
        Self { place, url, told }
    }

    /// How many bytes a client that remembers nothing sends to have a file in `acme/again`.
    fn sent(&self, name: &str, bytes: &[u8]) -> Option<usize> {
        let mut fresh = Uploader::new(&self.place)?;
        fresh.url.clone_from(&self.url);
        fresh.write(name, bytes);
        let _before = self.told.try_iter().count();
        fresh.upload("acme/again");
        Some(self.told.try_iter().map(|piece| piece.len()).sum())
    }
}

/// X4 to X6: a client that remembers nothing sends of a file that the repository has, or nearly has, what is new.
#[test]
fn a_client_without_a_memory_sends_what_is_new() {
    let hub = Counted::new();
    let sent = |bytes: &[u8]| hub.sent("w.safetensors", bytes);
    let whole = noise(9, 25_000_000);
    let Some(first) = sent(&whole) else { return };
    assert!(first > 25_000_000, "{first}");
    let xorbs = requests(&hub.place, "/v1/xorbs/");
    let again = sent(&whole).unwrap();
    assert!(again < 10_000 && requests(&hub.place, "/v1/xorbs/") == xorbs, "{again} bytes of what is there");
    let headed = [b"another header, longer than the one before it", &whole[8..]].concat();
    let edited = sent(&headed).unwrap();
    assert!(edited < 200_000, "{edited} bytes of another header");
    let appended = sent(&[&headed[..], &noise(10, 300_000)].concat()).unwrap();
    assert!((300_000..500_000).contains(&appended), "{appended} bytes of 300,000 more");
}

/// As variants of one model do, that have the same metadata.
#[test]
fn an_edit_of_a_file_that_begins_like_a_newer_one_is_sent_as_an_edit() {
    let hub = Counted::new();
    let start = noise(11, 1_000_000);
    let (older, newer) =
        ([&start[..], &noise(12, 9_000_000)].concat(), [&start[..], &noise(13, 9_000_000)].concat());
    let Some(first) = hub.sent("older.safetensors", &older) else { return };
    let second = hub.sent("newer.safetensors", &newer).unwrap();
    assert!(first > 10_000_000 && (9_000_000..9_800_000).contains(&second), "{first} {second}");
    let edited = [&older[..5_000_000], b"an insertion", &older[5_000_000..]].concat();
    let edit = hub.sent("older.safetensors", &edited).unwrap();
    assert!(edit < 400_000, "{edit} bytes of an insertion");
}
