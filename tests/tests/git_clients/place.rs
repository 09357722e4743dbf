//! A hub with `acme`, and the ways the suite fills and reads it.

use std::path::{Path, PathBuf};

use polder_tests::{Client, Git, Hub, Token, Work, fixtures};

pub(crate) const BOTH: [Client; 2] = [Client::OldGit, Client::NewGit];

pub(crate) struct Place {
    pub(crate) hub: Hub,
    pub(crate) token: Token,
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        Self { hub, token, dir: tempfile::tempdir().unwrap() }
    }

    /// A place with `acme/history`, pushed by stock git.
    pub(crate) fn with_history() -> Self {
        let place = Self::new();
        place.hub.repo("acme/history");
        let source = fixtures().join("acme/history.git");
        Git::new(place.path()).ok(&source, &["push", "-q", "--mirror", &place.url("acme/history")]);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self, repo: &str) -> String {
        self.hub.repo_url_as(repo, &self.token)
    }

    /// A new repository with one commit on `main`, and the working repository it came from.
    pub(crate) fn with_work(&self, repo: &str) -> Work {
        self.hub.repo(repo);
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["remote", "add", "origin", &self.url(repo)]);
        work.ok(&["push", "-q", "-u", "origin", "main"]);
        work
    }

    pub(crate) fn clone(&self, git: &Git, flags: &[&str], repo: &str, name: &str) -> PathBuf {
        let dir = self.path().join(name);
        let url = self.hub.repo_url(repo);
        let args = [&["clone", "-q"], flags, &[&url, name]].concat();
        git.ok(self.path(), &args);
        dir
    }

    pub(crate) fn refs(&self, repo: &str) -> String {
        Git::new(self.path()).ok(self.path(), &["ls-remote", &self.hub.repo_url(repo)])
    }
}
