//! Answers about logs.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use polder_http::{ClientAddress, Request, Response, Stop, is_not_modified};
use polder_hub::{Error, Hub, Kind, LOG_WAIT_MAX, LogTip, PageQuery, Result};
use polder_types::Sha256;
use serde_json::json;

use crate::polls::Polls;
use crate::route::Log;

/// For what never changes.
pub(crate) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For what may have to disappear.
pub(crate) const ONE_MINUTE: &str = "public, max-age=60";
/// For what grows.
pub(crate) const NOT_AT_ALL: &str = "no-store";
/// For bytes of no other type.
pub(crate) const BYTES: &str = "application/octet-stream";

/// The end of a log.
pub(crate) async fn tip(hub: &Hub, log: Log) -> Result<LogTip> {
    match log {
        Log::Own => hub.own_log_tip(),
        Log::Mirror(origin) => hub.mirrored_log_tip(origin).await,
    }
}

/// Bytes with what caches may do with them.
pub(crate) fn bytes(bytes: Bytes, content_type: &'static str, cache: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The same with the hash that they are known by, which a client may have them under already.
pub(crate) fn tagged(
    headers: &HeaderMap,
    tag: &impl std::fmt::Display,
    content: Bytes,
    cache: &'static str,
) -> Response {
    let etag = format!("\"{tag}\"");
    let known = is_not_modified(headers, &etag);
    let mut response = bytes(if known { Bytes::new() } else { content }, BYTES, cache);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Who this hub is.
pub(crate) async fn well_known(hub: &Hub) -> Result<Response> {
    let tip = hub.own_log_tip()?;
    let about = hub.federation_about().await?;
    let body = json!({
        "origin": tip.name.origin.as_str(),
        "epoch": tip.name.epoch,
        "keys": [about.key.to_string()],
        "log": "/polder/v1/",
        "size": tip.size,
        "snapshot": hub.newest_log_snapshot(&tip).await?,
        "limits": {
            "page_leaves": polder_log::PAGE_LEAVES_MAX,
            "page_bytes": polder_log::PAGE_BYTES_MAX,
            "wait_seconds": LOG_WAIT_MAX.as_secs(),
        },
        "contact": about.contact,
        "policy": about.policy,
        "software": format!("polder/{}", hub.version()),
    });
    let text = serde_json::to_vec(&body).unwrap_or_default();
    Ok(bytes(text.into(), "application/json", ONE_MINUTE))
}

/// Where the newest snapshot is.
pub(crate) async fn snapshot(hub: &Hub, tip: &LogTip) -> Result<Response> {
    let index = hub.newest_log_snapshot(tip).await?;
    let index = index.ok_or_else(|| Error::new(Kind::NotFound, "there is no snapshot of this log here"))?;
    let text = serde_json::to_vec(&json!({ "index": index, "size": tip.size })).unwrap_or_default();
    Ok(bytes(text.into(), "application/json", NOT_AT_ALL))
}

/// The body of a request, of at most so many bytes.
pub(crate) async fn whole(request: Request, bytes_max: usize) -> Result<Bytes> {
    axum::body::to_bytes(request.into_body(), bytes_max).await.map_err(|error| {
        Error::new(Kind::Invalid, "the request did not come whole, or is too long").caused_by(error)
    })
}

/// Many bodies at once, by the hashes that the request has.
pub(crate) async fn bodies(hub: &Hub, request: Request) -> Result<Response> {
    let wanted = whole(request, polder_log::BODIES_MAX * Sha256::BYTES).await?;
    Ok(bytes(hub.log_body_list(&wanted).await?, BYTES, NOT_AT_ALL))
}

/// The signed note.
pub(crate) fn checkpoint(tip: &LogTip) -> Response {
    bytes(Bytes::copy_from_slice(tip.note.as_bytes()), "text/plain; charset=utf-8", NOT_AT_ALL)
}

/// A page of events; 204 when nothing came for as long as was to be waited, or until the server is to end.
pub(crate) async fn events(
    hub: &Hub,
    polls: &Arc<Polls>,
    log: Log,
    query: PageQuery,
    wait: u64,
    request: &Parts,
) -> Result<Response> {
    let mut tip = tip(hub, log).await?;
    if query.from == tip.size && wait > 0 {
        let place = polls.enter(ClientAddress::to_count_for(request))?;
        let wait = Duration::from_secs(wait).min(LOG_WAIT_MAX);
        let ending = request.extensions.get::<Stop>().cloned().unwrap_or_default();
        tip = tokio::select! {
            grown = hub.wait_for_log(tip.clone(), query.from, wait) => grown?,
            () = ending.pressed() => tip,
        };
        drop(place);
        if tip.size == query.from {
            let mut response = bytes(Bytes::new(), BYTES, NOT_AT_ALL);
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().remove(CONTENT_TYPE);
            return Ok(response);
        }
    }
    Ok(bytes(hub.log_page(&tip, query).await?, BYTES, NOT_AT_ALL))
}
