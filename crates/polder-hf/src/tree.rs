//! Listing files: a folder page by page, or chosen paths.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `list_repo_tree`, `get_paths_info`, `RepoFile`, `RepoFolder`.

use std::collections::HashMap;

use axum::body::Body;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use polder_http::{Response, body, query_parameters, respond};
use polder_hub::{BodyEncoding, EntryKind, Error, Grant, Kind, OpenError, See, TreeEntry};
use polder_types::limits::JSON_BODY_BYTES_MAX;
use polder_types::{ObjectId, Sha256};
use polder_xet::FileHash;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::{Ask, is_true, set_commit};
use crate::failure::Failure;
use crate::shown::moment;

/// Entries in one page, and most that a client may ask for.
const PAGE: usize = 1_000;
/// Most paths in one request; the client sends 500.
const PATHS_MAX: usize = 1_000;

/// Answers `GET …/tree/{revision}[/{path}]`.
pub(crate) async fn tree(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let path = ask.at.path.as_str();
    let Some(commit_id) = ask.hub.find_revision(&grant, &ask.at.revision).await? else {
        return if path.is_empty() {
            Ok(respond::json(StatusCode::OK, &json!([])))
        } else {
            Err(missing(ObjectId::ZERO, format!("folder `{path}` not found")))
        };
    };
    let (recursive, cursor) = (ask.flag("recursive"), ask.query("cursor"));
    let limit = ask.limit(PAGE, PAGE);
    let page = ask.hub.list_tree(&grant, commit_id, path, recursive, cursor.as_deref(), limit).await;
    let page = page.map_err(|error| match error.kind() {
        Kind::NotFound => Failure::Open(OpenError::Entry { commit_id, error }),
        _ => error.into(),
    })?;
    let entries = shown(ask, &grant, commit_id, page.entries, ask.flag("expand")).await?;
    let mut response = respond::json(StatusCode::OK, &entries);
    set_commit(&mut response, &commit_id.to_string());
    if let Some(next) = page.next {
        ask.link_next(&mut response, "cursor", &next);
    }
    Ok(response)
}

#[derive(Deserialize)]
struct Paths {
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    expand: bool,
}

/// Answers `POST …/paths-info/{revision}`: a form from Python, JSON from JavaScript.
pub(crate) async fn paths_info(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let content_type = ask.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (mut paths, expand) = if content_type.is_some_and(|value| value.starts_with("application/json")) {
        let asked = body::json::<Paths>(ask.hub, body).await?;
        (asked.paths, asked.expand)
    } else {
        let stream = body::request_stream(body);
        let held = ask.hub.hold_body(stream, BodyEncoding::Identity, JSON_BODY_BYTES_MAX).await?;
        let form = String::from_utf8_lossy(&held);
        let expand = query_parameters(&form, "expand").last().is_some_and(|value| is_true(value));
        (query_parameters(&form, "paths"), expand)
    };
    if paths.len() > PATHS_MAX {
        let message = format!("ask for at most {PATHS_MAX} paths at once");
        return Err(Error::new(Kind::Invalid, message).into());
    }
    for path in &mut paths {
        path.truncate(path.trim_end_matches('/').len());
    }
    // The root is a folder that no listing has.
    paths.retain(|path| !path.is_empty());
    let Some(commit_id) = ask.hub.find_revision(&grant, &ask.at.revision).await? else {
        return Ok(respond::json(StatusCode::OK, &json!([])));
    };
    let found = ask.hub.entries(&grant, commit_id, paths).await?;
    let entries = shown(ask, &grant, commit_id, found, expand).await?;
    let mut response = respond::json(StatusCode::OK, &entries);
    set_commit(&mut response, &commit_id.to_string());
    Ok(response)
}

/// Entries of one commit; each with the commit that last changed it if `expand` asks for it. Clients fetch whatever
/// is listed, and give up on all of it where that fails: what cannot be asked for is left out.
async fn shown(
    ask: &Ask<'_>,
    grant: &Grant<See>,
    commit_id: ObjectId,
    mut entries: Vec<TreeEntry>,
    expand: bool,
) -> Result<Vec<Value>, Failure> {
    entries.retain(TreeEntry::can_be_asked_for);
    let oids: Vec<Sha256> =
        entries.iter().filter_map(|entry| entry.pointer.map(|pointer| pointer.oid)).collect();
    let chunked = ask.hub.xet_hashes(grant, &oids).await?;
    let mut shown: Vec<Value> = entries.iter().map(|each| entry(each, &chunked)).collect();
    if !expand {
        return Ok(shown);
    }
    let paths = entries.iter().map(|entry| entry.path.clone()).collect();
    let last = ask.hub.last_commits(grant, commit_id, paths).await?;
    for (fields, info) in shown.iter_mut().filter_map(Value::as_object_mut).zip(last) {
        // Clients build this from three keys, all of which must be there.
        let last = info.map(|info| json!({ "id": info.commit_id.to_string(), "title": info.title(), "date": moment(info.time) }));
        fields.insert("lastCommit".to_owned(), json!(last));
        fields.insert("securityFileStatus".to_owned(), Value::Null);
    }
    Ok(shown)
}

fn missing(commit_id: ObjectId, message: String) -> Failure {
    Failure::Open(OpenError::Entry { commit_id, error: Error::new(Kind::NotFound, message) })
}

/// One path as the clients know it. A link is a file that holds its target.
fn entry(entry: &TreeEntry, chunked: &HashMap<Sha256, FileHash>) -> Value {
    let (path, oid) = (&entry.path, entry.oid.to_string());
    if entry.kind == EntryKind::Directory {
        return json!({ "type": "directory", "oid": oid, "size": 0, "path": path });
    }
    match lfs(entry) {
        Some((size, lfs)) => {
            let mut fields = json!({ "type": "file", "oid": oid, "size": size, "lfs": lfs, "path": path });
            let hash = entry.pointer.and_then(|pointer| chunked.get(&pointer.oid));
            // Clients drop the whole listing if it is there and is none.
            if let (Some(hash), Some(fields)) = (hash, fields.as_object_mut()) {
                fields.insert("xetHash".to_owned(), json!(hash.to_string()));
            }
            fields
        }
        None => {
            json!({ "type": "file", "oid": oid, "size": entry.size_bytes.unwrap_or_default(), "path": path })
        }
    }
}

/// Size of a large object, and what is said of it under the word `lfs`.
fn lfs(entry: &TreeEntry) -> Option<(u64, Value)> {
    let pointer = entry.pointer?;
    let pointer_size = entry.size_bytes.unwrap_or_default();
    let lfs =
        json!({ "oid": pointer.oid.to_string(), "size": pointer.size_bytes, "pointerSize": pointer_size });
    Some((pointer.size_bytes, lfs))
}

/// One file in the list of a repository's files; with its size and hashes if `blobs` are asked for.
pub(crate) fn sibling(entry: &TreeEntry, blobs: bool) -> Value {
    let name = &entry.path;
    if !blobs {
        return json!({ "rfilename": name });
    }
    let (oid, size) = (entry.oid.to_string(), entry.size_bytes.unwrap_or_default());
    match entry.pointer {
        None => json!({ "rfilename": name, "blobId": oid, "size": size }),
        Some(pointer) => {
            let lfs =
                json!({ "sha256": pointer.oid.to_string(), "size": pointer.size_bytes, "pointerSize": size });
            json!({ "rfilename": name, "blobId": oid, "size": pointer.size_bytes, "lfs": lfs })
        }
    }
}
