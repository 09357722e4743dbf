//! A hub and one that is to follow it.

use polder_tests::{Git, Hub, Token, Work, until, until_followable};
use serde_json::Value;

pub(crate) struct Pair {
    pub(crate) home: Hub,
    pub(crate) token: Token,
    pub(crate) mirror: Hub,
    /// `acme`, with the origin of its home.
    pub(crate) namespace: String,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) git: Git,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let (home, mirror) = (Hub::start(), Hub::start());
        [&home, &mirror].into_iter().for_each(until_followable);
        let token = home.acme();
        let namespace = format!("acme.{}", home.address().to_string().replace(':', "_"));
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(dir.path());
        Self { home, token, mirror, namespace, dir, git }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.home.address())
    }

    pub(crate) fn push(&self, work: &Work, repo: &str, refs: &[&str]) {
        let url = self.home.repo_url_as(repo, &self.token);
        work.ok(&[&["push", "-q", "--force", &url][..], refs].concat());
    }

    pub(crate) fn follow(&self, more: &[&str]) -> String {
        self.mirror.cli(&[&["follow", &self.base()][..], more].concat()).ok()
    }

    /// The home's, as it shows it.
    pub(crate) fn key(&self) -> Value {
        serde_json::from_str(&self.home.cli(&["key", "show", "--json"]).ok()).unwrap()
    }

    /// The home listens elsewhere since it was started again.
    pub(crate) fn moved(&mut self) {
        self.follow(&["--key", self.key()["key"].as_str().unwrap()]);
        self.mirror.kill();
        self.mirror.serve(None);
    }

    /// Puts a database back that is older than what the home has signed, and starts it again.
    pub(crate) fn restore(&mut self, backup: &[u8]) {
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
    pub(crate) fn about(&self) -> Value {
        serde_json::from_slice(&self.home.http().get("/.well-known/polder").send().body).unwrap_or_default()
    }

    pub(crate) fn mirrors(&self) -> Value {
        serde_json::from_str(&self.mirror.cli(&["mirrors", "--json"]).ok()).unwrap()
    }

    pub(crate) fn refs(&self, hub: &Hub, repo: &str) -> Option<String> {
        let done = self.git.run(self.dir.path(), &["ls-remote", &hub.repo_url(repo)]);
        done.success().then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// Waits until the mirror serves what its home does.
    pub(crate) fn in_step(&self, name: &str) -> String {
        let there = format!("{}/{name}", self.namespace);
        until("the mirror to be in step", 30, || {
            let (home, here) =
                (self.refs(&self.home, &format!("acme/{name}"))?, self.refs(&self.mirror, &there)?);
            (home == here).then_some(here)
        })
    }

    pub(crate) fn state(&self, id: &str) -> Option<String> {
        let listed = self.mirrors();
        let rows = listed[0]["repositories"].as_array()?.clone();
        let row = rows.into_iter().find(|row| row["id"] == id)?;
        row["state"].as_str().map(str::to_owned)
    }
}
