//! What strangers may not bring is refused to whatever they bring it with, in words that it shows, and leaves nothing.

use polder_tests::{Client, Done, Hub, HubClient, LargeObject, Token, Work, have};
use serde_json::{Value, json};

use crate::Place;

/// More than bob may bring.
const BYTES: usize = 1_200_000;
const WHY: &str = "until a pull request of yours is merged";

/// A repository of acme's with a commit, and bob, who may not write to it and brings a megabyte.
struct Acme {
    place: Place,
    bob: Token,
    work: Work,
}

impl Acme {
    fn new(work: Work) -> Self {
        let place = Place::with(Hub::builder().config("[limits]\ncontributed-bytes = \"1000KB\"").start());
        let bob = place.hub.user("bob", "write");
        place.hub.repo("acme/m");
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.ada), "main"]);
        Self { place, bob, work }
    }

    /// A pull request of bob's, which has what `main` has.
    fn pull(&self) {
        let body = json!({"title": "Mine", "description": "Please.", "pullRequest": true}).to_string();
        let asked = self.place.hub.http().post("/api/models/acme/m/discussions", body);
        let num = asked.bearer(&self.bob.secret).send().expect(200).json()["num"].clone();
        assert_eq!(num, 1);
    }

    fn bobs_url(&self) -> String {
        self.place.hub.repo_url_as("acme/m", &self.bob)
    }

    /// Every ref, discussion and stored file, and what counts for acme.
    fn world(&self) -> (String, Value, Vec<String>, String) {
        let hub = &self.place.hub;
        let refs = self.work.ok(&["ls-remote", &hub.repo_url("acme/m")]);
        let talks = hub.http().get("/api/models/acme/m/discussions").send().expect(200).json();
        (refs, talks["count"].clone(), hub.stored_files(), hub.cli(&["quota", "show", "acme", "--json"]).ok())
    }

    /// What a client says that is refused, which leaves all as it was.
    fn refused(&self, act: impl FnOnce() -> Done) -> String {
        let before = self.world();
        let done = act();
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
        assert!(done.code.is_some_and(|code| code != 0), "taken: {said}");
        assert!(said.contains(WHY), "{said}");
        assert_eq!(self.world(), before, "{said}");
        self.place.hub.fsck();
        said
    }
}

#[test]
fn git_push_to_a_pull_request_says_that_it_is_too_much() {
    let acme = Acme::new(Work::new());
    acme.pull();
    acme.work.commit_file("large.txt", &LargeObject::random(1, BYTES).bytes);
    let said = acme.refused(|| acme.work.run(&["push", &acme.bobs_url(), "HEAD:refs/pr/1"]));
    assert!(said.contains("refs/pr/1"), "{said}");
    // What is less is taken, so that it was the size.
    acme.work.ok(&["reset", "-q", "--hard", "HEAD~"]);
    acme.work.commit_file("small.txt", b"small\n");
    acme.work.ok(&["push", "-q", &acme.bobs_url(), "HEAD:refs/pr/1"]);
}

#[test]
fn git_lfs_says_that_it_is_too_much_before_it_sends_any() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let acme = Acme::new(Work::with_lfs());
    acme.pull();
    let large = LargeObject::random(2, BYTES);
    acme.work.commit_file("large.bin", &large.bytes);
    let url = acme.bobs_url();
    acme.refused(|| acme.work.run(&["push", &url, "HEAD:refs/pr/1"]));
    let settings =
        [["remote.bob.url", &url], ["branch.main.remote", "bob"], ["branch.main.merge", "refs/pr/1"]];
    for [name, value] in settings.into_iter().chain([["push.default", "upstream"]]) {
        acme.work.ok(&["config", name, value]);
    }
    let said = acme.refused(|| acme.work.run(&["lfs", "push", "bob", "main"]));
    assert!(said.contains(&large.oid), "{said}");
    let log = acme.place.hub.log();
    let puts = log.lines().filter(|line| line.contains("method=PUT")).count();
    assert_eq!(puts, 0, "{log}");
}

fn upload(client: &HubClient) {
    let acme = Acme::new(Work::new());
    let dir = acme.place.dir.path();
    std::fs::write(dir.join("large.bin"), LargeObject::random(3, BYTES).bytes).unwrap();
    let url = acme.place.hub.url("").trim_end_matches('/').to_owned();
    let hf = |file: &str| client.hf(&url, Some(&acme.bob), dir, &["upload", "acme/m", file, "--create-pr"]);
    let said = acme.refused(|| hf("large.bin"));
    assert!(said.contains("acme"), "{said}");
    std::fs::write(dir.join("small.bin"), LargeObject::random(4, 200_000).bytes).unwrap();
    hf("small.bin").ok();
}

#[test]
fn hf_upload_create_pr_says_that_it_is_too_much() {
    if let Some(client) = HubClient::of("2.4.0") {
        upload(&client.without_xet());
    }
}

#[test]
fn hf_upload_create_pr_with_xet_says_that_it_is_too_much() {
    if let Some(client) = HubClient::of("2.4.0") {
        upload(&client);
    }
}
