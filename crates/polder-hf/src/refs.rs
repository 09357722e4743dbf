//! Branches, tags and commits.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `list_repo_refs`, `create_branch`, `create_tag`,
//! `list_repo_commits`, `super_squash_history`.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::NamedCommit;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::moment;

/// Commits in one page, and most that a client may ask for.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Answers `GET …/refs`.
pub(crate) async fn refs(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let refs = ask.hub.list_refs(&grant).await?;
    let below = |prefix: &str| -> Vec<Value> {
        let named = |named: &NamedCommit| {
            let name = named.name.strip_prefix(prefix)?;
            let target = named.commit_id.to_string();
            Some(json!({ "name": name, "ref": named.name, "targetCommit": target }))
        };
        refs.iter().filter_map(named).collect()
    };
    let mut answer = json!({
        "branches": below("refs/heads/"),
        "converts": below("refs/convert/"),
        "tags": below("refs/tags/"),
    });
    if ask.flag("include_prs")
        && let Some(fields) = answer.as_object_mut()
    {
        fields.insert("pullRequests".to_owned(), Value::Array(below("refs/pr/")));
    }
    Ok(respond::json(StatusCode::OK, &answer))
}

/// Answers `GET …/commits/{revision}`; the cursor is how many commits the pages before had.
pub(crate) async fn commits(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let Some(commit_id) = ask.hub.find_revision(&grant, &ask.at.revision).await? else {
        return Ok(respond::json(StatusCode::OK, &json!([])));
    };
    let skip: usize = ask.query("cursor").and_then(|text| text.parse().ok()).unwrap_or_default();
    let limit = ask.limit(PAGE, PAGE_MAX);
    let page = ask.hub.list_commits(&grant, commit_id, skip, limit).await?;
    let is_formatted = ask.queries("expand").iter().any(|key| key == "formatted");
    let commit = |info: &polder_hub::CommitInfo| {
        let (title, message) = (info.title(), info.body());
        let mut fields = json!({
            "id": info.commit_id.to_string(),
            "title": title,
            "message": message,
            "authors": [{ "user": info.author }],
            "date": moment(info.time),
            "parents": info.parents.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        if is_formatted && let Some(fields) = fields.as_object_mut() {
            fields.insert(
                "formatted".to_owned(),
                json!({ "title": escaped(title), "message": escaped(message) }),
            );
        }
        fields
    };
    let mut response = respond::json(StatusCode::OK, &page.commits.iter().map(commit).collect::<Vec<_>>());
    if page.has_more {
        ask.link_next(&mut response, "cursor", &skip.saturating_add(limit).to_string());
    }
    Ok(response)
}

/// `formatted` is HTML: the text itself, so that nothing in it is markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewBranch {
    starting_point: Option<String>,
    #[serde(default)]
    empty_branch: bool,
}

/// Answers `POST …/branch/{branch}`. An empty one begins with a commit of its own.
pub(crate) async fn create_branch(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let new: NewBranch = body::json(ask.hub, body).await?;
    if new.empty_branch {
        ask.hub.create_empty_branch(&grant, &ask.at.revision).await?;
    } else {
        let start = new.starting_point.as_deref().unwrap_or("HEAD");
        ask.hub.create_branch(&grant, &ask.at.revision, start).await?;
    }
    Ok(done())
}

/// Answers `DELETE …/branch/{branch}`.
pub(crate) async fn delete_branch(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    ask.hub.delete_branch(&grant, &ask.at.revision).await?;
    Ok(done())
}

#[derive(Deserialize)]
struct NewTag {
    tag: String,
    message: Option<String>,
}

/// Answers `POST …/tag/{revision}`.
pub(crate) async fn create_tag(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let new: NewTag = body::json(ask.hub, body).await?;
    ask.hub.create_tag(&grant, &new.tag, &ask.at.revision, new.message.as_deref()).await?;
    Ok(done())
}

/// Answers `DELETE …/tag/{tag}`.
pub(crate) async fn delete_tag(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    ask.hub.delete_tag(&grant, &ask.at.revision).await?;
    Ok(done())
}

#[derive(Deserialize)]
struct Squash {
    #[serde(default)]
    message: String,
}

/// Answers `POST …/super-squash/{branch}`.
pub(crate) async fn super_squash(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let squash: Squash = body::json(ask.hub, body).await?;
    ask.hub.squash(&grant, &ask.at.revision, &squash.message).await?;
    Ok(done())
}

fn done() -> Response {
    respond::json(StatusCode::OK, &json!({ "success": true }))
}
