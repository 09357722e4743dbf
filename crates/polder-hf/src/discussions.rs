//! Discussions and pull requests.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `get_repo_discussions` to `hide_discussion_comment`;
//! `community.py`, `deserialize_event`.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::{Contribution, Discussion, DiscussionEvent, DiscussionQuery, Error, Happened, Kind};
use polder_types::{DiscussionEventId, RepoName};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::{merged, moment};

impl Ask<'_> {
    /// The number of the discussion that the path names.
    pub(crate) fn discussion(&self) -> Result<i64, Failure> {
        let text = &self.at.revision;
        let missing =
            |_why| Error::new(Kind::NotFound, format!("this repository has no discussion `{text}`"));
        Ok(text.parse().map_err(missing)?)
    }

    fn comment(&self) -> Result<DiscussionEventId, Failure> {
        let missing = |_why| Error::new(Kind::NotFound, "this discussion has no such comment");
        let id = u64::from_str_radix(&self.at.path, 16).map_err(missing)?;
        Ok(DiscussionEventId(id.cast_signed()))
    }
}

/// Answers `GET …/discussions`.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let query = DiscussionQuery {
        is_pull_request: match ask.query("type").as_deref() {
            Some("pull_request") => Some(true),
            Some("discussion") => Some(false),
            _ => None,
        },
        is_open: match ask.query("status").as_deref() {
            Some("open") => Some(true),
            Some("closed") => Some(false),
            _ => None,
        },
        author: ask.query("author").filter(|author| !author.is_empty()),
        page: ask.query("p").and_then(|page| page.parse().ok()).unwrap_or_default(),
    };
    let page = ask.hub.discussions(&grant, query).await?;
    let shown: Vec<Value> =
        page.discussions.iter().map(|one| Value::Object(fields(grant.repo(), one))).collect();
    let answer = json!({ "discussions": shown, "count": page.count, "start": page.start });
    Ok(respond::json(StatusCode::OK, &answer))
}

/// Answers `GET …/discussions/{num}`.
pub(crate) async fn details(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let details = ask.hub.discussion(&grant, ask.discussion()?).await?;
    let events: Vec<Value> = details.events.iter().map(event).collect();
    let fields = fields(grant.repo(), &details.discussion);
    let mut answer = merged(Value::Object(fields), json!({ "events": events }));
    if let Some(pull) = &details.discussion.pull {
        let changes = ask.hub.pull_changes(&grant, &details.discussion).await?;
        let conflicts = changes.conflicts.map_or(json!(true), |paths| json!(paths));
        let merge_oid = pull.merge_oid.map(|oid| oid.to_string());
        let of_pull = json!({
            "changes": { "base": pull.base, "mergeCommitId": merge_oid },
            "filesWithConflicts": conflicts,
            "diff": changes.diff,
        });
        answer = merged(answer, of_pull);
    }
    Ok(respond::json(StatusCode::OK, &answer))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewDiscussion {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    pull_request: bool,
}

/// Answers `POST …/discussions`.
pub(crate) async fn open(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.read_as_account().await?;
    let new: NewDiscussion = body::json(ask.hub, body).await?;
    let num = if new.pull_request {
        let target = &ask.at.place.target;
        let may = ask.caller().await?.contribute(target, Contribution::NewPull).await;
        ask.hub.open_pull(&may.map_err(Failure::Repository)?, &new.title, &new.description).await?
    } else {
        ask.hub.open_discussion(&grant, &new.title, &new.description).await?
    };
    let url = url(ask, grant.repo(), num);
    Ok(respond::json(StatusCode::OK, &json!({ "num": num, "url": url, "pullRequest": new.pull_request })))
}

/// The page of a discussion, from which clients read its number.
pub(crate) fn url(ask: &Ask<'_>, repo: &RepoName, num: i64) -> String {
    format!("{}/{repo}/discussions/{num}", ask.hub.public_url())
}

#[derive(Deserialize)]
struct NewComment {
    comment: String,
}

/// Answers `POST …/discussions/{num}/comment`.
pub(crate) async fn comment(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.read_as_account().await?;
    let new: NewComment = body::json(ask.hub, body).await?;
    let said = ask.hub.add_comment(&grant, ask.discussion()?, &new.comment).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "newMessage": event(&said) })))
}

#[derive(Deserialize)]
struct NewTitle {
    title: String,
}

/// Answers `POST …/discussions/{num}/title`.
pub(crate) async fn rename(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.read_as_account().await?;
    let new: NewTitle = body::json(ask.hub, body).await?;
    let renamed = ask.hub.rename_discussion(&grant, ask.discussion()?, &new.title).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "newTitle": event(&renamed) })))
}

#[derive(Deserialize)]
struct NewStatus {
    status: String,
    comment: Option<String>,
}

/// Answers `POST …/discussions/{num}/status`.
pub(crate) async fn set_status(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.read_as_account().await?;
    let new: NewStatus = body::json(ask.hub, body).await?;
    let is_closed = match new.status.as_str() {
        "open" => false,
        "closed" => true,
        other => {
            let message = format!("`{other}` is no status to set; say `open` or `closed`");
            return Err(Error::new(Kind::Invalid, message).into());
        }
    };
    let comment = new.comment.as_deref().filter(|text| !text.trim().is_empty());
    let changed = ask.hub.close_discussion(&grant, ask.discussion()?, is_closed, comment).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "newStatus": event(&changed) })))
}

#[derive(Deserialize)]
struct NewContent {
    content: String,
}

/// Answers `POST …/discussions/{num}/comment/{id}/edit`.
pub(crate) async fn edit(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.read_as_account().await?;
    let new: NewContent = body::json(ask.hub, body).await?;
    let edited = ask.hub.edit_comment(&grant, ask.discussion()?, ask.comment()?, &new.content).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "updatedComment": event(&edited) })))
}

/// Answers `POST …/discussions/{num}/comment/{id}/hide`.
pub(crate) async fn hide(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read_as_account().await?;
    let hidden = ask.hub.hide_comment(&grant, ask.discussion()?, ask.comment()?).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "updatedComment": event(&hidden) })))
}

#[derive(Default, Deserialize)]
struct Merging {
    comment: Option<String>,
}

/// Answers `POST …/discussions/{num}/merge`, whose body may be empty.
pub(crate) async fn merge(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let merging: Option<Merging> = body::maybe_json(ask.hub, body).await?;
    let comment = merging.unwrap_or_default().comment.filter(|text| !text.trim().is_empty());
    let merge_oid = ask.hub.merge_pull(&grant, ask.discussion()?, comment.as_deref()).await?;
    let answer = json!({ "status": "merged", "mergeCommitId": merge_oid.to_string() });
    Ok(respond::json(StatusCode::OK, &answer))
}

fn fields(repo: &RepoName, discussion: &Discussion) -> Map<String, Value> {
    let id = format!("{}/{}", repo.namespace(), repo.name());
    let fields = json!({
        "num": discussion.num,
        "title": discussion.title,
        "author": author(&discussion.author_name),
        "createdAt": moment(discussion.created),
        "status": discussion.status.as_str(),
        "isPullRequest": discussion.pull.is_some(),
        "repo": { "name": id, "type": repo.kind().as_str() },
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn author(name: &str) -> Value {
    json!({ "name": name, "fullname": name, "type": "user", "avatarUrl": "" })
}

fn event(event: &DiscussionEvent) -> Value {
    let (kind, data) = match &event.what {
        Happened::Comment { text, edited, hidden, history } => ("comment", {
            let said = |text: &str, at| {
                let html = crate::refs::escaped(text);
                json!({ "raw": text, "html": html, "updatedAt": moment(at), "author": author(&event.author_name) })
            };
            json!({
                "edited": edited.is_some(),
                "hidden": hidden,
                "latest": said(text, edited.unwrap_or(event.created)),
                "history": history.iter().map(|(text, until)| said(text, *until)).collect::<Vec<_>>(),
            })
        }),
        Happened::Status(status) => ("status-change", json!({ "status": status.as_str() })),
        Happened::Commit { oid, subject } => {
            ("commit", json!({ "subject": subject, "oid": oid.to_string() }))
        }
        Happened::Title { from, to } => ("title-change", json!({ "from": from, "to": to })),
    };
    json!({
        "id": format!("{:016x}", event.id.0),
        "type": kind,
        "createdAt": moment(event.created),
        "author": author(&event.author_name),
        "data": data,
    })
}
