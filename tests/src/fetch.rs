//! Fetch requests as git sends them.

use crate::{FLUSH, Http, Request, pkt};

impl Http {
    /// A request (protocol v2) for everything that `tip` leads to.
    pub fn fetch(self, repo: &str, tip: &str) -> Request {
        let body = [
            &pkt("command=fetch\n")[..],
            b"0001",
            &pkt(format!("want {tip}\n"))[..],
            &pkt("done\n")[..],
            FLUSH,
        ];
        self.post(&format!("/{repo}.git/git-upload-pack"), body.concat())
            .header("Content-Type", "application/x-git-upload-pack-request")
            .header("Git-Protocol", "version=2")
    }

    /// A request (protocol v2) for the list of refs.
    pub fn ls_refs(self, repo: &str) -> Request {
        let body = [&pkt("command=ls-refs\n")[..], FLUSH];
        self.post(&format!("/{repo}.git/git-upload-pack"), body.concat())
            .header("Content-Type", "application/x-git-upload-pack-request")
            .header("Git-Protocol", "version=2")
    }
}
