//! Large objects and the LFS requests that move them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Http, Response, Token};

/// The media type of every LFS request and answer.
const LFS_JSON: &str = "application/vnd.git-lfs+json";

/// Bytes with their LFS name.
#[derive(Debug, Clone)]
pub struct LargeObject {
    /// The SHA-256, in hexadecimal.
    pub oid: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes it");
        text
    })
}

impl LargeObject {
    /// Wraps bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { oid: sha256_hex(&bytes), bytes }
    }

    /// `length` bytes that no other `seed` gives.
    pub fn random(seed: u64, length: usize) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        Self::new(bytes)
    }

    /// The pointer file that stands for it in git.
    pub fn pointer(&self) -> String {
        format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
            self.oid,
            self.bytes.len()
        )
    }

    /// Asks the batch API about this object; `operation` is `upload` or `download`.
    pub fn batch(&self, http: Http, repo: &str, operation: &str, token: Option<&Token>) -> Response {
        let body = json!({
            "operation": operation, "transfers": ["basic"], "hash_algo": "sha256",
            "objects": [{"oid": self.oid, "size": self.bytes.len()}],
        });
        let request = http
            .post(&format!("/{repo}.git/info/lfs/objects/batch"), body.to_string())
            .header("Accept", LFS_JSON)
            .header("Content-Type", LFS_JSON);
        match token {
            Some(token) => request.basic(&token.user, &token.secret).send(),
            None => request.send(),
        }
    }

    /// The href of `action` (`upload`, `download`, `verify`), if the batch API offers it.
    pub fn action(&self, http: Http, repo: &str, action: &str, token: Option<&Token>) -> Option<String> {
        let operation = if action == "download" { "download" } else { "upload" };
        let answer: Value = self.batch(http, repo, operation, token).expect(200).json();
        let href = answer.pointer(&format!("/objects/0/actions/{action}/href"))?;
        Some(href.as_str().expect("an href is text").to_owned())
    }

    /// Uploads it as a client does: batch, PUT, verify if asked for.
    #[track_caller]
    pub fn upload(&self, http: Http, repo: &str, token: &Token) {
        let Some(href) = self.action(http, repo, "upload", Some(token)) else { return };
        http.put(&href, self.bytes.clone())
            .header("Content-Type", "application/octet-stream")
            .send()
            .expect(200);
        self.verify(http, repo, token).expect(200);
    }

    /// Asks the hub whether it has it.
    pub fn verify(&self, http: Http, repo: &str, token: &Token) -> Response {
        http.post(
            &format!("/{repo}.git/info/lfs/verify"),
            json!({"oid": self.oid, "size": self.bytes.len()}).to_string(),
        )
        .header("Accept", LFS_JSON)
        .header("Content-Type", LFS_JSON)
        .basic(&token.user, &token.secret)
        .send()
    }
}
