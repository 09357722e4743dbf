//! A hub with one pushed repository, and what must hold after every refusal.

use polder_tests::{Hub, Request, Response, Token, Work, sideband_text};

pub(crate) const PUSH_TYPE: &str = "application/x-git-receive-pack-request";
pub(crate) const FETCH_TYPE: &str = "application/x-git-upload-pack-request";
pub(crate) const LFS_JSON: &str = "application/vnd.git-lfs+json";
pub(crate) const CAPABILITIES: &str = "report-status side-band-64k delete-refs atomic object-format=sha1";

pub(crate) struct Place {
    pub(crate) hub: Hub,
    pub(crate) token: Token,
    pub(crate) work: Work,
    pub(crate) tip: String,
    pub(crate) refs: String,
    pub(crate) files: Vec<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        hub.repo("acme/m");
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        let tip = work.commit_file("dir/file", b"content\n");
        work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
        let refs = work.ok(&["ls-remote", &hub.repo_url("acme/m")]);
        let files = hub.stored_files();
        Self { hub, token, work, tip, refs, files }
    }

    pub(crate) fn post(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Request {
        let request = self.hub.http().post(&format!("/acme/m.git/{path}"), body).header("Content-Type", kind);
        request.basic(&self.token.user, &self.token.secret)
    }

    pub(crate) fn push(&self, body: impl Into<Vec<u8>>) -> Response {
        self.post("git-receive-pack", PUSH_TYPE, body).send()
    }

    pub(crate) fn fetch(&self, protocol: u8, body: impl Into<Vec<u8>>) -> Response {
        let request = self.post("git-upload-pack", FETCH_TYPE, body);
        request.header("Git-Protocol", &format!("version={protocol}")).send()
    }

    /// Asserts that nothing changed and the server is well.
    #[track_caller]
    pub(crate) fn is_unchanged(&self) {
        assert_eq!(self.work.ok(&["ls-remote", &self.hub.repo_url("acme/m")]), self.refs);
        assert_eq!(self.hub.stored_files(), self.files, "nothing was left behind");
        self.hub.http().get("/readyz").send().expect(200);
        let log = self.hub.log();
        assert!(!log.contains("panicked") && !log.contains("a request panicked"), "{log}");
    }
}

/// Asserts that the answer refuses, in words, and that it is not our fault.
#[track_caller]
pub(crate) fn refuses(what: &str, answer: &Response) {
    let text = sideband_text(&answer.body);
    let told = ["ERR ", "ng ", "unpack "].iter().any(|word| text.contains(word)) && !all_ok(&text);
    let refused = (400..500).contains(&answer.status) || answer.status == 200 && told;
    assert!(refused, "{what}: {} {:?}", answer.status, &text[..text.len().min(2000)]);
    assert!(text.trim().len() > 5, "{what}: {} without a word of why", answer.status);
}

pub(crate) fn all_ok(text: &str) -> bool {
    text.contains("unpack ok") && !text.contains("ng ")
}
