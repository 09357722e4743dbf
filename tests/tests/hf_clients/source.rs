//! Another hub as the source of imports and mirrors, by git and through a proxy that has only the API.

use std::path::Path;

use polder_tests::{Client, Done, Git, HfProxy, Hub, HubClient, LargeObject, Work, have, until};
use serde_json::json;

use crate::Place;

/// A hub to import from, and one to import to.
pub(super) struct Two {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) proxy: HfProxy,
    pub(super) git: Git,
}

impl Two {
    pub(super) fn new() -> Self {
        let from = Place::new();
        let proxy = HfProxy::start(from.hub.address());
        let config = format!("[import]\nhugging-face-endpoint = \"{}\"", proxy.url());
        let to = Place::with(Hub::builder().config(&config).start());
        let git = Git::new(to.dir.path());
        Self { from, to, proxy, git }
    }

    /// By way of the proxy.
    pub(super) fn import(&self, args: &[&str]) -> Done {
        self.to.hub.cli(&[&["repo", "import"], args].concat())
    }

    /// Commits files to a repository of the source.
    pub(super) fn commit(
        &self,
        id: &str,
        files: &[(&str, &str)],
        large: &[(&str, &LargeObject)],
        gone: &[&str],
    ) -> String {
        let mut lines = vec![json!({"key": "header", "value": {"summary": "Change", "description": ""}})];
        for path in gone {
            lines.push(json!({"key": "deletedFile", "value": {"path": path}}));
        }
        for (path, content) in files {
            let file = json!({"path": path, "content": content, "encoding": "utf-8"});
            lines.push(json!({"key": "file", "value": file}));
        }
        for (path, object) in large {
            object.upload(self.from.hub.http(), id, &self.from.ada);
            let file = json!({"path": path, "algo": "sha256", "oid": object.oid, "size": object.bytes.len()});
            lines.push(json!({"key": "lfsFile", "value": file}));
        }
        let body: String = lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
        let (kind, id) = id.strip_prefix("datasets/").map_or(("models", id), |id| ("datasets", id));
        let path = format!("/api/{kind}/{id}/commit/main");
        let answer = self.from.hub.http().post(&path, body).bearer(&self.from.ada.secret).send().expect(200);
        answer.json()["commitOid"].as_str().unwrap().to_owned()
    }

    /// Refs as one of the hubs shows them.
    pub(super) fn refs(&self, hub: &Hub, id: &str) -> String {
        self.git.ok(self.to.dir.path(), &["ls-remote", &hub.repo_url(id)])
    }

    /// The message of the newest commit.
    pub(super) fn newest(&self, id: &str) -> String {
        let answer = self.to.hub.http().get(&format!("/api/models/{id}/commits/main")).send().expect(200);
        format!(
            "{}\n{}",
            answer.json()[0]["title"].as_str().unwrap(),
            answer.json()[0]["message"].as_str().unwrap()
        )
    }
}

/// Every file below a directory, with its bytes; what clients keep for themselves is left out.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".cache") {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_hub_with_git_is_taken_over_with_its_history() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let two = Two::new();
    two.from.create("model", "m");
    let object = LargeObject::random(1, 300_000);
    two.commit("acme/m", &[("a.txt", "a")], &[("w.bin", &object)], &[]);
    two.commit("acme/m", &[("b.txt", "b")], &[], &[]);
    let work = Work::new();
    work.commit_file("c", b"c\n");
    work.ok(&["tag", "-a", "v1", "-m", "v1"]);
    let url = two.from.hub.repo_url_as("acme/m", &two.from.ada);
    work.ok(&["push", "-q", &url, "main:refs/heads/side", "v1"]);
    let endpoint = two.from.hub.url("");
    let told = two.import(&["hf:acme/m", "--endpoint", &endpoint]).ok();
    assert!(told.contains("as `acme/m`"), "{told}");
    assert_eq!(two.refs(&two.to.hub, "acme/m"), two.refs(&two.from.hub, "acme/m"));
    assert_eq!(two.to.hub.stored_objects().len(), 1);
    let told = two.import(&["hf:acme/m", "--endpoint", &endpoint]).ok();
    assert!(told.contains("0 refs changed, 0 new objects"), "{told}");
    // By the clock, under the name that says both server and kind.
    two.import(&["hf:acme/m", "acme/m", "--endpoint", &endpoint, "--every", "10s"]).ok();
    let listed = two.to.hub.cli(&["repo", "mirrors"]).ok();
    assert!(listed.contains(&format!("hf+{endpoint}acme/m")), "{listed}");
    two.commit("acme/m", &[("c.txt", "c")], &[], &[]);
    until("the next pull", 40, || {
        (two.refs(&two.to.hub, "acme/m") == two.refs(&two.from.hub, "acme/m")).then_some(())
    });
    two.to.hub.fsck();
}

#[test]
fn a_proxy_of_the_api_is_enough_for_models_and_datasets_and_hf_downloads_the_same() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let two = Two::new();
    two.from.create("model", "m");
    two.from.create("dataset", "d");
    let (one, other) = (LargeObject::random(1, 9 << 20), LargeObject::random(2, 100_000));
    let sha = two.commit(
        "acme/m",
        &[
            ("README.md", "---\nlicense: mit\n---\n# M\n"),
            ("sub/dir with space/fi#le%é.txt", "odd"),
            ("empty", ""),
        ],
        &[("w.bin", &one), ("sub/v.bin", &other)],
        &[],
    );
    two.commit("datasets/acme/d", &[("data.csv", "a,b\n1,2\n")], &[("data.bin", &other)], &[]);
    // The id is what it is called there, unless another is given.
    two.import(&["hf:acme/m"]).ok();
    two.import(&["hf:datasets/acme/d", "datasets/acme/other", "--private"]).ok();
    assert!(
        two.newest("acme/m").contains(&format!("Import of acme/m at {sha}\n")),
        "{}",
        two.newest("acme/m")
    );
    let asked = two.proxy.seen();
    assert!(asked.iter().all(|line| !line.contains("info/lfs") && !line.contains("/cas/")), "{asked:?}");

    let download = |place: &Place, id: &str, kind: &str, into: &str| {
        let dir = two.to.dir.path().join(into);
        let args = ["download", id, "--repo-type", kind, "--local-dir", dir.to_str().unwrap()];
        client.hf(place.hub.url("").trim_end_matches('/'), Some(&place.ada), two.to.dir.path(), &args).ok();
        tree(&dir)
    };
    let there = download(&two.from, "acme/m", "model", "there");
    assert_eq!(there.len(), 6, "{:?}", there.iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert_eq!(download(&two.to, "acme/m", "model", "here"), there);
    assert_eq!(
        download(&two.to, "acme/other", "dataset", "here-d"),
        download(&two.from, "acme/d", "dataset", "there-d")
    );

    // Nothing new is two requests: who may read it, and the refs.
    two.proxy.seen();
    let told = two.import(&["hf:acme/m"]).ok();
    assert!(told.contains("0 refs changed, 0 new objects"), "{told}");
    assert_eq!(two.proxy.seen(), ["GET /api/models/acme/m", "GET /api/models/acme/m/refs"]);

    // By the clock: what changed there, what went, and no push here.
    two.import(&["hf:acme/m", "--every", "10s"]).ok();
    let sha = two.commit("acme/m", &[("README.md", "# New\n")], &[], &["empty", "sub/v.bin"]);
    until("the next pull", 40, || two.newest("acme/m").contains(&sha).then_some(()));
    let now = download(&two.to, "acme/m", "model", "later");
    assert_eq!(now, download(&two.from, "acme/m", "model", "later-there"));
    assert_eq!(now.len(), 4);
    let told =
        two.to.commit("acme/m", &[json!({"key": "header", "value": {"summary": "x"}})]).expect(403).text();
    assert!(told.contains(&format!("push to {}/acme/m instead", two.proxy.url())), "{told}");
    two.to.hub.cli(&["repo", "mirrors", "--stop", "acme/m"]).ok();

    // One revision, for good.
    two.import(&[&format!("hf:acme/m@{sha}"), "acme/pinned"]).ok();
    two.commit("acme/m", &[("more", "x")], &[], &[]);
    let told = two.import(&[&format!("hf:acme/m@{sha}"), "acme/pinned"]).ok();
    assert!(told.contains("0 refs changed"), "{told}");
    two.to.hub.fsck();
}

#[test]
fn a_killed_import_goes_on_where_it_was() {
    let mut two = Two::new();
    two.from.create("model", "m");
    let (one, other) = (LargeObject::random(1, 4 << 20), LargeObject::random(2, 160 << 20));
    two.commit("acme/m", &[("a.txt", "a")], &[("one.bin", &one), ("two.bin", &other)], &[]);
    two.proxy.behave(|passes| passes.held = Some(("two.bin", 110 << 20)));
    let mut importing = two.to.hub.command(&["repo", "import", "hf:acme/m"]);
    let mut importing = importing.stderr(std::process::Stdio::null()).spawn().unwrap();
    until("one object and most of the other, noted", 60, || {
        let is_sent = two.proxy.sent("two.bin") >= 110 << 20;
        let is_noted = two.to.hub.noted_transfers().iter().any(|name| name.contains(&other.oid));
        (is_sent && is_noted && two.to.hub.stored_objects().len() == 1).then_some(())
    });
    two.to.hub.kill();
    assert!(!importing.wait().unwrap().success());
    two.proxy.behave(|passes| passes.held = None);
    two.proxy.forget_sent();
    two.to.hub.serve(None);
    two.import(&["hf:acme/m"]).ok();
    assert_eq!(two.proxy.sent("one.bin"), 0);
    // What is good is remembered every 64 MiB.
    let again = two.proxy.sent("two.bin");
    assert!(again <= 96 << 20, "{again} of {} bytes came again", 160 << 20);
    assert_eq!(two.to.hub.stored_objects().len(), 2);
    two.to.hub.fsck();
}
