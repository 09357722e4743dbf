//! What `hf_xet` remembers of earlier uploads, and uploads with a home in which all of it is kept.

use std::path::Path;

use polder_tests::{Hub, HubClient, LargeObject, Token};

use crate::Place;

const SEND: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work, repo = sys.argv[1:5]
HfApi(endpoint=endpoint, token=token).upload_file(path_or_fileobj='w.bin', path_in_repo='w.bin', repo_id=repo)
";
const FORGET: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work, repo = sys.argv[1:5]
api = HfApi(endpoint=endpoint, token=token)
api.permanently_delete_lfs_files(repo, list(api.list_lfs_files(repo)), rewrite_history=True)
";

/// One machine: whoever uploads on it has the same home.
struct Machine {
    client: HubClient,
    home: tempfile::TempDir,
    object: LargeObject,
}

impl Machine {
    fn new(seed: u64) -> Option<Self> {
        let client = HubClient::of("2.4.0")?.variable("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "1");
        let (home, object) = (tempfile::tempdir().unwrap(), LargeObject::random(seed, 3_000_000));
        std::fs::write(home.path().join("w.bin"), &object.bytes).unwrap();
        Some(Self { client, home, object })
    }

    fn run(&self, hub: &Hub, token: &Token, script: &str, repo: &str) {
        self.client.script(hub, token, self.home.path(), script, &[repo]).ok();
    }

    /// Uploads the file; how many xorbs went by.
    fn sends(&self, hub: &Hub, token: &Token, repo: &str) -> usize {
        let xorbs = || hub.log().lines().filter(|line| line.contains("/v1/xorbs/")).count();
        let before = xorbs();
        self.run(hub, token, SEND, repo);
        let path = format!("/{repo}/resolve/main/w.bin");
        let got = hub.http().get(&path).bearer(&token.secret).send().expect(200).body;
        assert!(got == self.object.bytes, "{repo} has other bytes");
        xorbs() - before
    }

    /// How many places it keeps what it sent in.
    fn memories(&self) -> usize {
        let xet = self.home.path().join(".cache/huggingface/xet");
        let is_memory = |path: &Path| path.join("shard-cache").exists();
        std::fs::read_dir(xet).unwrap().filter(|entry| is_memory(&entry.as_ref().unwrap().path())).count()
    }
}

#[test]
fn what_was_deleted_is_sent_again() {
    let (place, Some(machine)) = (Place::new(), Machine::new(21)) else { return };
    for name in ["a", "b"] {
        place.create("model", name);
    }
    assert_eq!(machine.sends(&place.hub, &place.ada, "acme/a"), 1);
    assert_eq!(machine.sends(&place.hub, &place.ada, "acme/a"), 0, "it is remembered");
    place.hub.cli(&["repo", "delete", "acme/a"]).ok();
    assert_eq!(machine.sends(&place.hub, &place.ada, "acme/b"), 1);
    assert_eq!(machine.memories(), 2);

    // Out of the history, and into the same repository once more.
    machine.run(&place.hub, &place.ada, FORGET, "acme/b");
    assert_eq!(machine.sends(&place.hub, &place.ada, "acme/b"), 1);
    assert_eq!(machine.memories(), 3);
    place.hub.fsck();
}

#[test]
fn what_another_token_sent_is_sent_again_unless_this_one_may_read_it() {
    let (place, Some(machine)) = (Place::new(), Machine::new(22)) else { return };
    for name in ["a", "b", "c"] {
        place.hub.cli(&["repo", "add", &format!("acme/{name}"), "--private"]).ok();
    }
    assert_eq!(machine.sends(&place.hub, &place.ada, "acme/a"), 1);
    assert_eq!(machine.sends(&place.hub, &place.ada, "acme/b"), 0, "the hub tells of it");
    let narrow = place.hub.cli(&["token", "add", "--user", "ada", "--repo", "acme/c"]).ok();
    let narrow = Token { secret: narrow, ..place.ada.clone() };
    assert_eq!(machine.sends(&place.hub, &narrow, "acme/c"), 1);

    let bob = place.hub.user("bob", "write");
    place.hub.cli(&["repo", "add", "bob/d"]).ok();
    assert_eq!(machine.sends(&place.hub, &bob, "bob/d"), 1);
    place.hub.fsck();
}
