//! `git http-backend` as a web server would run it, without the web server.

use std::path::Path;
use std::time::Duration;

use crate::cpu;
use crate::tools::{GIT_ENVIRONMENT, Result, Tools, output_of, program};

/// One request in the words of CGI and of our own client.
#[derive(Debug, Clone)]
pub(crate) struct GitRequest {
    pub(crate) method: &'static str,
    /// Path and query below the repository, such as `/info/refs?service=git-upload-pack`.
    pub(crate) tail: &'static str,
    /// The value of `Git-Protocol`, if any.
    pub(crate) protocol: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

impl GitRequest {
    pub(crate) fn content_type(&self) -> Option<String> {
        let service = self.tail.strip_prefix('/').filter(|_| self.method == "POST")?;
        Some(format!("application/x-{service}-request"))
    }
}

/// Runs one request and returns the body of the answer.
pub(crate) fn answer(tools: &Tools, root: &Path, repo: &str, request: &GitRequest) -> Result<Vec<u8>> {
    let (path, query) = request.tail.split_once('?').unwrap_or((request.tail, ""));
    let mut command = program(&tools.http_backend);
    command
        .env_clear()
        .env("PATH", tools.git.parent().unwrap_or(root))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request.method)
        .env("PATH_INFO", format!("/{repo}{path}"))
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("REMOTE_USER", "bench")
        .env("REMOTE_ADDR", "127.0.0.1");
    for (name, value) in GIT_ENVIRONMENT {
        command.env(name, value);
    }
    if let Some(content_type) = request.content_type() {
        command.env("CONTENT_TYPE", content_type);
    }
    if let Some(protocol) = request.protocol {
        command.env("GIT_PROTOCOL", protocol);
    }
    let answer = output_of(&mut command, &request.body)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("the answer has no head")?;
    let (head, body) = answer.split_at(end + 4);
    if head.starts_with(b"Status:") {
        return Err(format!("git http-backend: {}", String::from_utf8_lossy(head)).into());
    }
    Ok(body.to_vec())
}

/// Processor time of the whole process chain while `work` runs.
pub(crate) fn chain_cpu(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = cpu::of_children()?;
    work()?;
    Ok(cpu::of_children()?.saturating_sub(before))
}
