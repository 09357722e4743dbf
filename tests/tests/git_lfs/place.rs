//! What every test here starts with.

use polder_tests::{Hub, LargeObject, Response, Token, Work};

/// A hub with `acme`, and a token that may write there.
pub(crate) struct Place {
    pub(crate) hub: Hub,
    pub(crate) token: Token,
}

impl Place {
    pub(crate) fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        Self { hub, token }
    }

    pub(crate) fn private(&self, repo: &str) {
        self.hub.cli(&["repo", "add", repo, "--private"]).ok();
    }

    /// A work tree whose remote is `repo`, with git-lfs on.
    pub(crate) fn work(&self, repo: &str) -> Work {
        let work = Work::with_lfs();
        work.ok(&["remote", "add", "origin", &self.hub.repo_url_as(repo, &self.token)]);
        work
    }

    /// The error that the batch API gives for a download, or 0 if it offers the object.
    pub(crate) fn refusal(&self, object: &LargeObject, repo: &str, token: Option<&Token>) -> u64 {
        let answer = object.batch(self.hub.http(), repo, "download", token).expect(200).json();
        answer.pointer("/objects/0/error/code").and_then(serde_json::Value::as_u64).unwrap_or(0)
    }

    pub(crate) fn href(&self, object: &LargeObject, repo: &str, action: &str) -> String {
        object.action(self.hub.http(), repo, action, Some(&self.token)).expect("an action")
    }

    pub(crate) fn put(&self, object: &LargeObject, repo: &str, bytes: &[u8]) -> Response {
        self.hub.http().put(&self.href(object, repo, "upload"), bytes).send()
    }

    /// Inode, time of the last change and length of the one large object that is stored.
    pub(crate) fn blob_file(&self) -> (u64, i64, u64) {
        use std::os::unix::fs::MetadataExt;
        let files = self.hub.stored_objects();
        let [one] = files.as_slice() else { panic!("not one object: {files:?}") };
        let file = std::fs::metadata(self.hub.data().join(one)).unwrap();
        (file.ino(), file.mtime_nsec() + file.mtime() * 1_000_000_000, file.len())
    }

    pub(crate) fn quarantine_is_empty(&self) -> bool {
        !self.hub.stored_files().iter().any(|name| name.contains("quarantine/"))
    }
}
