//! Before and at a commit: which files go where, and the commit itself.
//!
//! Source: `huggingface_hub` 2.4.0 `_commit_api.py`, `_fetch_upload_modes`, `_prepare_commit_payload`.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::{Contribute, Error, Grant, Kind, OpenError, UploadCandidate, UploadMode};
use polder_types::{ObjectId, RepoName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::commit_lines::read_commit;
use crate::discussions;
use crate::failure::Failure;
use crate::shown::merged;

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
    let grant = ask.contribute().await?;
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
    let revision = if ask.opens_pull() { "HEAD" } else { &ask.at.revision };
    let answers = ask.hub.preupload(&grant, revision, files, question.git_ignore).await?;
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
    let grant = ask.contribute().await?;
    if ask.opens_pull() {
        return propose(ask, &grant, body).await;
    }
    let branch = ask.at.revision.strip_prefix("refs/heads/").unwrap_or(&ask.at.revision);
    let stream = body::request_stream(body);
    let commit_id =
        ask.hub.commit_stream(&grant, branch, stream, read_commit).await.map_err(|error| match error {
            OpenError::Other(error) if error.kind() == Kind::Conflict => Failure::Stale(error),
            error => error.into(),
        })?;
    Ok(respond::json(StatusCode::OK, &committed(ask, grant.repo(), commit_id)))
}

/// A commit that opens a pull request for the default branch, whatever revision the path says.
async fn propose(ask: &Ask<'_>, grant: &Grant<Contribute>, body: Body) -> Result<Response, Failure> {
    let proposed = ask.hub.propose_stream(grant, body::request_stream(body), read_commit).await?;
    let answer = committed(ask, grant.repo(), proposed.commit_id);
    let url = discussions::url(ask, grant.repo(), proposed.num);
    Ok(respond::json(StatusCode::OK, &merged(answer, json!({ "pullRequestUrl": url }))))
}

fn committed(ask: &Ask<'_>, repo: &RepoName, commit_id: ObjectId) -> Value {
    let url = format!("{}/{repo}/commit/{commit_id}", ask.hub.public_url());
    json!({ "success": true, "commitOid": commit_id.to_string(), "commitUrl": url, "hookOutput": "" })
}
