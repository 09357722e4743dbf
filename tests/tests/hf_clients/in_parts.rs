//! `hf lfs-enable-largefiles`: git-lfs sends large files in parts, with the command line as its agent.
//!
//! Source: `huggingface_hub` 0.36.2 `commands/lfs.py` and `cli/lfs.py`, 2.4.0 `cli/lfs.py`.

use std::path::PathBuf;

use polder_tests::{Client, Done, Hub, HubClient, LargeObject, Work, have, poll, program, run};

use crate::Place;

/// What a hub asks for in one request; larger objects come in parts.
const PART: usize = 1 << 20;

/// A clone whose git-lfs has the agent of a client.
struct Enabled {
    place: Place,
    client: HubClient,
    work: Work,
    clone: PathBuf,
}

impl Enabled {
    /// Made by `NAME lfs-enable-largefiles .`, as the command line has had two names.
    fn by(client: HubClient, name: &str) -> Self {
        let place = Place::with(Hub::builder().config("[lfs]\npart-mib = 1\n").start());
        place.hub.repo("acme/parts");
        let work = Work::new();
        let clone = work.beside("clone");
        let url = place.hub.repo_url_as("acme/parts", &place.ada);
        work.git.ok(&work.path(), &["lfs", "install"]);
        work.git.ok(&work.path(), &["clone", "-q", &url, clone.to_str().unwrap()]);
        let enabled = Self { place, client, work, clone };
        let mut command = program(name);
        command.args(["lfs-enable-largefiles", "."]).current_dir(&enabled.clone);
        command.env("HOME", enabled.work.beside("home"));
        run(enabled.client.on_path(&mut command)).ok();
        let agent = enabled.git(&["config", "--get-regexp", "lfs.customtransfer"]).ok();
        assert!(agent.contains(&format!("multipart.path {name}\n")), "{agent}");
        enabled.git(&["lfs", "track", "*.bin"]).ok();
        enabled
    }

    fn git(&self, args: &[&str]) -> Done {
        let mut command = self.work.git.command(&self.clone, args);
        command.env("GIT_TRACE", "1").env("GIT_CURL_VERBOSE", "1");
        run(self.client.on_path(&mut command))
    }

    /// Pushes files, for which git-lfs offers both ways.
    fn push(&self, files: &[(&str, &LargeObject)]) {
        for (name, object) in files {
            std::fs::write(self.clone.join(name), &object.bytes).unwrap();
        }
        self.git(&["add", "-A"]).ok();
        self.git(&["commit", "-qm", "Weights"]).ok();
        let done = self.git(&["push", "origin", "HEAD:main"]);
        done.ok();
        let offered = done.stderr.split_once(r#""transfers":["#).and_then(|(_, rest)| rest.split_once(']'));
        let (offered, _) = offered.unwrap_or_else(|| panic!("{}", done.stderr));
        assert!(offered.contains(r#""basic""#) && offered.contains(r#""multipart""#), "{offered}");
    }

    /// The requests that brought the object are these: a request is in the log when its answer is over, which the
    /// client may be first to know.
    #[track_caller]
    fn came_by(&self, object: &LargeObject, mut expected: Vec<String>) {
        expected.sort();
        let mut found = Vec::new();
        poll(30, || {
            found = self.requests(object);
            (found == expected).then_some(())
        });
        assert_eq!(found, expected);
    }

    /// Method, what follows the id in the path, and status of the requests for an object's bytes.
    fn requests(&self, object: &LargeObject) -> Vec<String> {
        fn word<'a>(text: &'a str, before: &str) -> &'a str {
            text.split_once(before).unwrap().1.split(' ').next().unwrap()
        }
        let log = self.place.hub.log();
        let of_object = log.lines().filter_map(|line| line.split_once(&object.oid));
        let mut found: Vec<String> = of_object
            .map(|(head, tail)| {
                format!("{} {} {}", word(head, "method="), word(tail, ""), word(tail, "status="))
            })
            .filter(|request| !request.contains("/verify "))
            .collect();
        found.sort();
        found
    }

    /// Another clone, `hf download` and a fetch of this clone, which offers both ways for that, too, give these bytes.
    fn comes_back(&self, files: &[(&str, &LargeObject)]) {
        let (fresh, dir) = (self.work.beside("fresh"), self.place.dir.path());
        let url = self.place.hub.repo_url("acme/parts");
        self.work.git.ok(&self.work.path(), &["clone", "-q", &url, fresh.to_str().unwrap()]);
        let endpoint = self.place.hub.url("");
        let args = ["download", "acme/parts", "--local-dir", "back"];
        self.client.hf(endpoint.trim_end_matches('/'), None, dir, &args).ok();
        std::fs::remove_dir_all(self.clone.join(".git/lfs/objects")).unwrap();
        for (name, _) in files {
            std::fs::remove_file(self.clone.join(name)).unwrap();
        }
        self.git(&["checkout", "-q", "."]).ok();
        for (name, object) in files {
            for place in [&fresh, &dir.join("back"), &self.clone] {
                let path = place.join(name);
                assert!(std::fs::read(&path).unwrap() == object.bytes, "{}", path.display());
            }
        }
    }
}

/// The requests for an object of so many parts.
fn in_parts(count: usize) -> Vec<String> {
    let parts = (1..=count).map(|number| format!("PUT /parts/{number} 200"));
    parts.chain(["POST /complete 200".to_owned()]).collect()
}

fn pushes_in_parts(version: &str, name: &str) {
    let Some(client) = HubClient::of(version) else { return };
    if !have(&[Client::GitLfs]) {
        return;
    }
    let enabled = Enabled::by(client, name);
    let one_request = LargeObject::random(71, PART);
    enabled.push(&[("one.bin", &one_request)]);
    enabled.came_by(&one_request, vec!["PUT  200".to_owned()]);

    // git-lfs has one agent for all of a batch, so what is small goes the way of what is large.
    let (large, larger, small) = (
        LargeObject::random(72, 11 * PART + 5),
        LargeObject::random(73, PART + 1),
        LargeObject::random(74, 10),
    );
    let files = [("large.bin", &large), ("larger.bin", &larger), ("small.bin", &small)];
    enabled.push(&files);
    for (object, count) in [(&large, 12), (&larger, 2), (&small, 1)] {
        enabled.came_by(object, in_parts(count));
    }
    enabled.comes_back(&[&files[..], &[("one.bin", &one_request)]].concat());
    let left = enabled.place.hub.stored_files();
    assert!(!left.iter().any(|file| file.contains("uploads/") || file.contains("quarantine/")), "{left:?}");
    enabled.place.hub.fsck();
}

#[test]
fn git_lfs_sends_in_parts_by_huggingface_cli_0_36() {
    pushes_in_parts("0.36.2", "huggingface-cli");
}

#[test]
fn git_lfs_sends_in_parts_by_hf_0_36() {
    pushes_in_parts("0.36.2", "hf");
}

#[test]
fn git_lfs_sends_in_parts_by_hf_1_19() {
    pushes_in_parts("1.19.0", "hf");
}

#[test]
fn git_lfs_sends_in_parts_by_hf_1_33() {
    pushes_in_parts("1.33.0", "hf");
}

#[test]
fn git_lfs_sends_in_parts_by_hf_2_4() {
    pushes_in_parts("2.4.0", "hf");
}
