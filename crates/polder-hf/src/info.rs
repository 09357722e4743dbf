//! What there is to know about a repository at a revision.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `ModelInfo`, `DatasetInfo`, `SpaceInfo`.

use http::StatusCode;
use polder_http::{Response, respond};
use polder_hub::{EntryKind, Grant, OpenError, Read};
use polder_types::{ObjectId, RepoKind, UnixMillis};
use serde_json::{Map, Value, json};

use crate::ask::{Ask, set_commit};
use crate::failure::Failure;
use crate::tree::sibling;

/// Most files that are listed here; the clients page through the tree when there are more than 50,000.
const SIBLINGS_MAX: usize = 50_001;

/// Answers `GET /api/{kind}/{repo}`: at the default branch.
pub(crate) async fn info(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let commit_id = match ask.hub.find_revision(&grant, "HEAD").await {
        Err(OpenError::Revision(_)) => None,
        found => found?,
    };
    answer(ask, &grant, commit_id).await
}

/// Answers `GET …/revision/{revision}`.
pub(crate) async fn revision(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let commit_id = ask.hub.find_revision(&grant, &ask.at.revision).await?;
    answer(ask, &grant, commit_id).await
}

/// Which fields were asked for: all but the costly ones, or those of `expand` alone.
struct Wanted(Vec<String>);

impl Wanted {
    fn has(&self, key: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| wanted == key)
    }
}

async fn answer(
    ask: &Ask<'_>,
    grant: &Grant<Read>,
    commit_id: Option<ObjectId>,
) -> Result<Response, Failure> {
    let wanted = Wanted(ask.queries("expand"));
    let name = grant.repo();
    let id = format!("{}/{}", name.namespace(), name.name());
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| {
        if wanted.has(key) {
            fields.insert(key.to_owned(), value);
        }
    };
    if name.kind() == RepoKind::Model {
        put("modelId", json!(id));
    }
    put("author", json!(name.namespace().as_str()));
    put("private", json!(!grant.is_public()));
    put("visibility", json!(if grant.is_public() { "public" } else { "private" }));
    put("gated", json!(false));
    put("disabled", json!(false));
    put("downloads", json!(0));
    put("likes", json!(0));
    put("createdAt", json!(moment(grant.created())));
    put("sha", json!(commit_id.map(|id| id.to_string())));
    let changed = match commit_id {
        Some(commit_id) => ask.hub.commit_info(grant, commit_id).await?.time,
        None => grant.created(),
    };
    put("lastModified", json!(moment(changed)));
    let card = match commit_id {
        Some(commit_id) => ask.hub.card(grant, commit_id).await?,
        None => polder_hub::Card::default(),
    };
    put("tags", json!(card.tags(name.kind())));
    put("cardData", Value::Object(card.data.clone()));
    if name.kind() == RepoKind::Model {
        put("pipeline_tag", json!(card.text("pipeline_tag")));
        put("library_name", json!(card.text("library_name")));
    }
    if name.kind() == RepoKind::Space {
        put("sdk", json!(card.text("sdk")));
    }
    if wanted.has("siblings") {
        put("siblings", siblings(ask, grant, commit_id).await?);
    }
    fields.insert("id".to_owned(), json!(id));
    let mut response = respond::json(StatusCode::OK, &Value::Object(fields));
    if let Some(commit_id) = commit_id {
        set_commit(&mut response, &commit_id.to_string());
    }
    Ok(response)
}

async fn siblings(ask: &Ask<'_>, grant: &Grant<Read>, commit_id: Option<ObjectId>) -> Result<Value, Failure> {
    let Some(commit_id) = commit_id else { return Ok(json!([])) };
    let page = ask.hub.list_tree(grant, commit_id, "", true, None, SIBLINGS_MAX).await?;
    let blobs = ask.flag("blobs");
    let files = page.entries.iter().filter(|entry| entry.kind != EntryKind::Directory);
    Ok(Value::Array(files.map(|entry| sibling(entry, blobs)).collect()))
}

/// A moment as the clients parse it: to the millisecond.
pub(crate) fn moment(time: UnixMillis) -> String {
    let millis = time.0.rem_euclid(1000);
    time.rfc3339().replace('Z', &format!(".{millis:03}Z"))
}
