//! A hub with `acme/m`, pushed from a working repository.

use polder_tests::{Client, Hub, Response, Token, Work};

pub(crate) const BOTH: [Client; 2] = [Client::OldGit, Client::NewGit];
pub(crate) const CAPABILITIES: &str = "report-status side-band-64k delete-refs atomic object-format=sha1";

pub(crate) struct Place {
    pub(crate) hub: Hub,
    pub(crate) token: Token,
    pub(crate) work: Work,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::on(Hub::start())
    }

    /// The same on a hub that is there already.
    pub(crate) fn on(hub: Hub) -> Self {
        let token = hub.acme();
        hub.repo("acme/m");
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["remote", "add", "origin", &hub.repo_url_as("acme/m", &token)]);
        work.ok(&["push", "-q", "-u", "origin", "main"]);
        Self { hub, token, work }
    }

    /// Every ref that clients see.
    pub(crate) fn refs(&self) -> String {
        self.work.ok(&["ls-remote", "origin"])
    }

    /// Sends a push as it is.
    pub(crate) fn push(&self, body: impl Into<Vec<u8>>) -> Response {
        let request = self.hub.http().post("/acme/m.git/git-receive-pack", body);
        let request = request.header("Content-Type", "application/x-git-receive-pack-request");
        request.basic(&self.token.user, &self.token.secret).send().expect(200)
    }
}
