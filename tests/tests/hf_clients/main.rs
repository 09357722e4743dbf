//! Hugging Face's unmodified Python clients, with Xet unless it says otherwise: `huggingface_hub` in four versions, its
//! command line, `datasets` and `transformers`.
#![cfg(test)]

mod attachments;
mod beginnings;
mod by_git;
mod collections;
mod command_line;
mod commits;
mod conditions;
mod copies;
mod described;
mod disabled;
mod discussions;
mod filters;
mod folders;
mod gated;
mod hf_xet;
mod in_parts;
mod kernels;
mod large;
mod libraries;
mod listings;
mod logins;
mod mirrors;
mod proxy;
mod publishers;
mod requests;
mod search;
mod shards;
mod source;
mod source_closed;
mod source_revisions;
mod strangers;
mod strangers_clients;
mod versions;
mod webhooks;
mod xet;
mod xet_memory;
mod xet_upload;

use polder_tests::{Hub, Token};

/// A hub with `acme`, whose owner `ada` has the token, and a directory for clients.
struct Place {
    hub: Hub,
    ada: Token,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with(Hub::start())
    }

    fn with(hub: Hub) -> Self {
        let ada = hub.acme();
        Self { hub, ada, dir: tempfile::tempdir().unwrap() }
    }

    /// A request of the API with ada's token and a JSON body.
    fn ask(&self, method: &str, path: &str, body: &serde_json::Value) -> polder_tests::Response {
        let body = body.to_string();
        self.hub.http().request(method, path).body(body).bearer(&self.ada.secret).send()
    }

    /// Makes a repository as the clients do.
    fn create(&self, kind: &str, name: &str) {
        let body = serde_json::json!({"name": name, "organization": "acme", "type": kind});
        self.ask("POST", "/api/repos/create", &body).expect(200);
    }

    /// Sends a commit of these lines to `main`.
    fn commit(&self, repo: &str, lines: &[serde_json::Value]) -> polder_tests::Response {
        let body: String = lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
        let path = format!("/api/models/{repo}/commit/main");
        self.hub.http().post(&path, body).bearer(&self.ada.secret).send()
    }
}
