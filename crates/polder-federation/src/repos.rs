//! Answers about repositories and their large objects.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use polder_http::{Request, Response, body, object_response};
use polder_hub::{Error, Hub, Kind, OpenObject, Protocol, Result, Via};
use polder_types::Sha256;

use crate::log::{BYTES, NOT_AT_ALL, ONE_MINUTE, bytes};
use crate::route::Log;

/// Most bytes of a request for extents.
const EXTENTS_BODY_BYTES_MAX: usize = 64 << 10;
const UPLOAD_PACK: &str = "application/x-git-upload-pack-request";

fn protocol(headers: &HeaderMap) -> Protocol {
    Protocol::from_header(headers.get("git-protocol").and_then(|value| value.to_str().ok()))
}

/// Answers `GET …/info/refs?service=git-upload-pack`.
pub(crate) async fn advertise(hub: &Hub, rid: Sha256, headers: &HeaderMap) -> Result<Response> {
    let grant = hub.read_logged(rid).await?;
    let refs = hub.advertise(&grant, protocol(headers)).await?;
    Ok(bytes(refs, "application/x-git-upload-pack-advertisement", NOT_AT_ALL))
}

/// Answers `POST …/git-upload-pack`.
pub(crate) async fn upload_pack(hub: &Hub, rid: Sha256, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let grant = hub.read_logged(rid).await?;
    if parts.headers.get(CONTENT_TYPE).is_none_or(|kind| kind != UPLOAD_PACK) {
        return Err(Error::new(Kind::Invalid, format!("the content type must be `{UPLOAD_PACK}`")));
    }
    let encoding = body::encoding(&parts.headers).map_err(|encoding| {
        Error::new(Kind::Invalid, format!("the content encoding `{encoding}` is not known here; use gzip"))
    })?;
    let body = body::request_stream(body);
    let stream = hub.upload_logged_pack(&grant, protocol(&parts.headers), body, encoding).await?;
    let body = body::response_body(stream).await.map_err(failed)?;
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-git-upload-pack-result"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(NOT_AT_ALL));
    Ok(response)
}

/// Answers `GET …/objects/sha256/<oid>`. What a lazy mirror lacks is fetched for who asks for its hub's.
pub(crate) async fn object(hub: &Hub, at: Log, oid: Sha256, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let object = match (hub.public_object(oid).await, at, Via::of(&parts.headers)) {
        (Ok(blob), ..) => OpenObject::Here(blob),
        (Err(error), Log::Mirror(origin), Some(via)) if error.kind() == Kind::NotFound => {
            hub.lazy_object_for(origin, oid, via).await?
        }
        (Err(error), ..) => return Err(error),
    };
    let is_away = matches!(object, OpenObject::Away(_));
    let answer = object_response(&parts.method, &parts.headers, object).await;
    let mut response = answer.map_err(|error| if is_away { not_to_be_had(oid, error) } else { error })?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(ONE_MINUTE));
    Ok(response)
}

/// Answers `GET …/objects/sha256/<oid>/chunks`.
pub(crate) async fn chunks(hub: &Hub, oid: Sha256, from: u32, count: u32) -> Result<Response> {
    Ok(bytes(hub.public_chunks(oid, from, count).await?, BYTES, ONE_MINUTE))
}

/// Answers `POST …/objects/sha256/<oid>/extents`.
pub(crate) async fn extents(hub: &Hub, oid: Sha256, request: Request) -> Result<Response> {
    let wanted = axum::body::to_bytes(request.into_body(), EXTENTS_BODY_BYTES_MAX).await;
    let wanted = wanted.map_err(|error| {
        Error::new(Kind::Invalid, "the list of extents did not come whole, or is too long").caused_by(error)
    })?;
    let held = hub.public_extents(oid, &wanted).await?;
    let mut response = Response::new(Body::from(Bytes::from_owner(held)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(NOT_AT_ALL));
    Ok(response)
}

/// Who asks need not ask again at once, as it would of one that is only busy: those asked on have been.
fn not_to_be_had(oid: Sha256, error: Error) -> Error {
    if error.kind() == Kind::Internal {
        return error;
    }
    let message = format!("object `{oid}` is not here, and cannot be had now: {}", error.message());
    Error::new(Kind::NotFound, message).caused_by(error)
}

fn failed(error: std::io::Error) -> Error {
    Error::new(Kind::Internal, "the hub failed to answer; it has been logged").caused_by(error)
}
