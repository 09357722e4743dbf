//! Before and at a commit: which files go where, and the commit itself.
//!
//! Source: `huggingface_hub` 2.4.0 `_commit_api.py`, `_fetch_upload_modes`, `_prepare_commit_payload`.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::{Error, Kind, OpenError, UploadCandidate, UploadMode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::commit_lines::read_commit;
use crate::failure::Failure;

/// Most files in one question; the client sends 256.
const FILES_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    files: Vec<File>,
    git_ignore: Option<String>,
}

#[derive(Deserialize)]
struct File {
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    sample: String,
}

/// Answers `POST …/preupload/{revision}`.
pub(crate) async fn preupload(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let question: Question = body::json(ask.hub, body).await?;
    if question.files.len() > FILES_MAX {
        return Err(Error::new(Kind::Invalid, format!("ask about at most {FILES_MAX} files at once")).into());
    }
    let candidate = |file: File| UploadCandidate {
        path: file.path,
        size_bytes: file.size,
        sample: STANDARD.decode(file.sample).unwrap_or_default(),
    };
    let files = question.files.into_iter().map(candidate).collect();
    let answers = ask.hub.preupload(&grant, &ask.at.revision, files, question.git_ignore).await?;
    let files: Vec<Value> = answers
        .into_iter()
        .map(|answer| {
            let mode = match answer.mode {
                UploadMode::Regular => "regular",
                UploadMode::Lfs => "lfs",
            };
            let (path, ignored) = (answer.path, answer.ignored);
            json!({ "path": path, "uploadMode": mode, "shouldIgnore": ignored, "oid": answer.oid })
        })
        .collect();
    Ok(respond::json(StatusCode::OK, &json!({ "files": files })))
}

/// Answers `POST …/commit/{branch}`.
pub(crate) async fn commit(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    if ask.flag("create_pr") {
        let message = "pull requests are not served here yet; commit to a branch";
        return Err(Error::new(Kind::Invalid, message).into());
    }
    let branch = ask.at.revision.strip_prefix("refs/heads/").unwrap_or(&ask.at.revision);
    let stream = body::request_stream(body);
    let commit_id =
        ask.hub.commit_stream(&grant, branch, stream, read_commit).await.map_err(|error| match error {
            OpenError::Other(error) if error.kind() == Kind::Conflict => Failure::Stale(error),
            error => error.into(),
        })?;
    let url = format!("{}/{}/commit/{commit_id}", ask.hub.public_url(), grant.repo());
    let oid = commit_id.to_string();
    let answer = json!({ "success": true, "commitOid": oid, "commitUrl": url, "hookOutput": "" });
    Ok(respond::json(StatusCode::OK, &answer))
}
