//! The batch API and the basic transfer of git-lfs.

use std::collections::BTreeMap;

use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;
use polder_http::{Caller, Place, Request, Response, Target, body, object_response, respond};
use polder_hub::{Contribution, Error, Hub, LfsAction, LfsAnswer, LfsObject, LfsParts, LfsTransfer};
use polder_types::RepoName;
use polder_types::limits::{LFS_BATCH_OBJECTS_MAX, LFS_OBJECT_BYTES_MAX};

use crate::lfs_failure::LfsFailure;
use crate::lfs_json::{
    Action, BatchAnswer, BatchRequest, LFS_MEDIA_TYPE, ObjectAnswer, ObjectError, Transfers, WireObject,
};
use crate::route::LfsLink;

/// Answers `POST objects/batch`.
///
/// Whether the caller may read the repository is settled before the body is looked at.
pub(crate) async fn batch(hub: &Hub, place: &Place, request: Request) -> Result<Response, LfsFailure> {
    let (parts, body) = request.into_parts();
    let caller = Caller::of(hub, &parts).await?;
    let read = caller.read(&place.target).await?;
    crate::lfs_accept::require(&parts.headers)?;
    let asked: BatchRequest = body::json(hub, body).await?;
    let to = asked.contribution();
    let BatchRequest { operation, objects, hash_algo, transfers, .. } = asked;
    if hash_algo.is_some_and(|name| name != "sha256") {
        return Err(LfsFailure::new(StatusCode::CONFLICT, "only the hash algorithm `sha256` is known here"));
    }
    if objects.len() > LFS_BATCH_OBJECTS_MAX {
        let message = format!("a batch may name at most {LFS_BATCH_OBJECTS_MAX} objects; send several");
        return Err(LfsFailure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let sound: Vec<LfsObject> = objects.iter().filter_map(|object| object.read().ok()).collect();
    let (transfer, answers) = match operation.as_str() {
        "download" => (LfsTransfer::Basic, hub.lfs_batch_download(&read, &sound).await?),
        "upload" => {
            let write = caller.contribute(&place.target, to).await?;
            let transfer = hub.lfs_transfer(transfers.iter().flat_map(Transfers::names), &sound);
            (transfer, hub.lfs_batch_upload(&write, &sound, transfer).await?)
        }
        _ => {
            let message = "`operation` must be `download` or `upload`";
            return Err(LfsFailure::new(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
    };
    let answer = BatchAnswer {
        transfer: match transfer {
            LfsTransfer::Basic => "basic",
            LfsTransfer::Multipart => "multipart",
        },
        objects: merged(hub.public_url(), &objects, answers),
        hash_algo: "sha256",
    };
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &answer))
}

/// Puts the hub's answers beside the entries they belong to, in the client's order.
///
/// All are `authenticated`: the links need nothing else, so git-lfs sends no credentials to them
/// (git-lfs 3.3.0 `tq/verify.go`).
fn merged(public_url: &str, objects: &[WireObject], answers: Vec<LfsAnswer>) -> Vec<ObjectAnswer> {
    let mut answers = answers.into_iter();
    let answer = |object: &WireObject| {
        let mut merged = ObjectAnswer {
            oid: object.shown_oid(),
            size: object.shown_size(),
            authenticated: None,
            actions: BTreeMap::new(),
            error: None,
        };
        let answer = match object.read() {
            Ok(_) => answers.next(),
            Err(message) => {
                merged.error = Some(ObjectError { code: 422, message: message.to_owned() });
                return merged;
            }
        };
        let Some(LfsAnswer { action, verify, parts, error, .. }) = answer else {
            merged.error = Some(ObjectError { code: 500, message: "the hub has no answer".to_owned() });
            return merged;
        };
        merged.error = error.map(|(code, message)| ObjectError { code, message });
        let linked = |action: LfsAction| Action {
            href: format!("{public_url}{}", action.path_and_query),
            header: BTreeMap::new(),
            expires_in: action.expires_in_seconds,
        };
        if let Some(action) = action {
            merged.authenticated = Some(true);
            let transfer = if verify.is_some() { "upload" } else { "download" };
            let mut action = linked(action);
            action.header.extend(parts.map(|parts| part_headers(public_url, parts)).unwrap_or_default());
            merged.actions.insert(transfer, action);
        }
        if let Some(verify) = verify {
            merged.actions.insert("verify", linked(verify));
        }
        merged
    };
    objects.iter().map(answer).collect()
}

/// Where each part goes, as Hugging Face clients read it: in the map of headers. The numbers have leading
/// zeros because git-lfs sorts the keys as texts on the way to its transfer agent.
///
/// Source: `huggingface_hub` 2.4.0 `lfs.py` `_get_sorted_parts_urls`, `cli/lfs.py`; Go's `encoding/json`.
fn part_headers(public_url: &str, parts: LfsParts) -> BTreeMap<String, String> {
    let urls = parts.paths_and_queries.into_iter().zip(1..);
    let mut headers: BTreeMap<String, String> =
        urls.map(|(path, number)| (format!("{number:05}"), format!("{public_url}{path}"))).collect();
    headers.insert("chunk_size".to_owned(), parts.part_bytes.to_string());
    headers
}

/// Answers `GET` and `HEAD` of an object's signed address.
pub(crate) async fn download(hub: &Hub, link: &LfsLink, request: Request) -> Result<Response, LfsFailure> {
    let name = link_name(link)?;
    let object = hub.lfs_download(name, link.oid, &link.query).await?;
    let mut response = object_response(request.method(), request.headers(), object).await?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// Answers `PUT` to an object's signed address.
pub(crate) async fn upload(hub: &Hub, link: &LfsLink, request: Request) -> Result<Response, LfsFailure> {
    let name = link_name(link)?;
    let (parts, body) = request.into_parts();
    let length = plain_length(&parts.headers, &body)?;
    if length > LFS_OBJECT_BYTES_MAX {
        let message = format!("an object may have at most {LFS_OBJECT_BYTES_MAX} bytes");
        return Err(LfsFailure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    hub.lfs_upload(name, link.oid, &link.query, Some(length), body::request_stream(body)).await?;
    Ok(Response::new(Body::empty()))
}

/// The length of a body that is sent as it is.
pub(crate) fn plain_length(headers: &HeaderMap, body: &Body) -> Result<u64, LfsFailure> {
    if headers.contains_key(CONTENT_ENCODING) {
        let message = "the object's bytes must be sent as they are, without a content encoding";
        return Err(LfsFailure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let unknown = || LfsFailure::new(StatusCode::LENGTH_REQUIRED, "send the object with a `Content-Length`");
    body.size_hint().exact().ok_or_else(unknown)
}

/// A link to a repository that cannot exist is answered like a forged one.
pub(crate) fn link_name(link: &LfsLink) -> Result<&RepoName, LfsFailure> {
    match &link.place.target {
        Target::Name(name) => Ok(name),
        Target::Impossible(_) => Err(Error::bad_link().into()),
    }
}

/// Answers `POST verify`.
pub(crate) async fn verify(hub: &Hub, place: &Place, request: Request) -> Result<Response, LfsFailure> {
    let (parts, body) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.contribute(&place.target, Contribution::AnyPull).await?;
    crate::lfs_accept::require(&parts.headers)?;
    let object: WireObject = body::json(hub, body).await?;
    let object =
        object.read().map_err(|message| LfsFailure::new(StatusCode::UNPROCESSABLE_ENTITY, message))?;
    hub.lfs_verify(&grant, object).await?;
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &serde_json::json!({})))
}

/// Answers `POST verify` at an upload's signed address.
pub(crate) async fn verify_link(hub: &Hub, link: &LfsLink, request: Request) -> Result<Response, LfsFailure> {
    let name = link_name(link)?;
    let object: WireObject = body::json(hub, request.into_body()).await?;
    let object =
        object.read().map_err(|message| LfsFailure::new(StatusCode::UNPROCESSABLE_ENTITY, message))?;
    if object.oid != link.oid {
        return Err(LfsFailure::new(StatusCode::UNPROCESSABLE_ENTITY, "this link is of another object"));
    }
    hub.lfs_verify_link(name, object, &link.query).await?;
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &serde_json::json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::Sha256;
    use serde_json::json;

    fn entry(oid: &str, size: i64) -> WireObject {
        serde_json::from_value(json!({ "oid": oid, "size": size })).expect("an object")
    }

    fn answered(byte: u8, action: Option<&str>, error: Option<(u16, &str)>) -> LfsAnswer {
        LfsAnswer {
            object: LfsObject { oid: Sha256::new([byte; 32]), size_bytes: 1 },
            action: action.map(|path| LfsAction { path_and_query: path.to_owned(), expires_in_seconds: 900 }),
            verify: None,
            parts: None,
            error: error.map(|(code, message)| (code, message.to_owned())),
        }
    }

    /// git-lfs `docs/api/batch.md`: entries come back in any order, each with what belongs to it; here in
    /// the client's, so that a bad entry cannot shift another's answer.
    #[test]
    fn each_entry_gets_its_own_answer() {
        let [a, b] = ["aa".repeat(32), "bb".repeat(32)];
        let objects = [entry(&a, 1), entry("nonsense", 1), entry(&b, 1)];
        let answers = vec![answered(0xaa, Some("/x?sig=1"), None), answered(0xbb, None, Some((404, "no")))];
        let merged = merged("https://h/hub", &objects, answers);
        assert_eq!(
            serde_json::to_value(merged).expect("JSON"),
            json!([
                {
                    "oid": a, "size": 1, "authenticated": true,
                    "actions": { "download": { "href": "https://h/hub/x?sig=1", "header": {}, "expires_in": 900 } }
                },
                {
                    "oid": "nonsense", "size": 1,
                    "error": { "code": 422, "message": "`oid` must be 64 lower-case hexadecimal digits" }
                },
                { "oid": b, "size": 1, "error": { "code": 404, "message": "no" } },
            ])
        );
    }

    #[test]
    fn an_upload_is_told_where_to_verify_and_what_is_here_has_no_actions() {
        let [a, b] = ["aa".repeat(32), "bb".repeat(32)];
        let mut answers = vec![answered(0xaa, Some("/x?sig=1"), None), answered(0xbb, None, None)];
        answers[0].verify = answered(0xaa, Some("/v?sig=2"), None).action;
        let merged = merged("http://h", &[entry(&a, 1), entry(&b, 1)], answers);
        assert_eq!(
            serde_json::to_value(merged).expect("JSON"),
            json!([
                { "oid": a, "size": 1, "authenticated": true, "actions": {
                    "upload": { "href": "http://h/x?sig=1", "header": {}, "expires_in": 900 },
                    "verify": { "href": "http://h/v?sig=2", "header": {}, "expires_in": 900 },
                } },
                { "oid": b, "size": 1 },
            ])
        );
    }
}
