//! The transfer in parts.
//!
//! Source: `huggingface_hub` 2.4.0 `lfs.py` (`_upload_multi_part`) and `cli/lfs.py`, the agent that git-lfs
//! runs as the custom transfer `multipart`. Neither sends credentials: the links are the permission.

use axum::body::Body;
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use polder_http::{Request, Response, body, respond};
use polder_hub::Hub;
use polder_types::limits::UPLOAD_PARTS_MAX;
use serde::Deserialize;

use crate::lfs::{link_name, plain_length};
use crate::lfs_failure::LfsFailure;
use crate::lfs_json::LFS_MEDIA_TYPE;
use crate::lfs_scalar::list_up_to;
use crate::route::LfsLink;

#[derive(Deserialize)]
struct CompleteRequest {
    oid: String,
    #[serde(deserialize_with = "list_up_to::<UPLOAD_PARTS_MAX, _, _>")]
    parts: Vec<PartName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartName {
    part_number: u64,
    etag: String,
}

/// Answers `PUT` to a part's signed address.
pub(crate) async fn upload_part(
    hub: &Hub,
    link: &LfsLink,
    number: u64,
    request: Request,
) -> Result<Response, LfsFailure> {
    let name = link_name(link)?;
    let (parts, body) = request.into_parts();
    let length = plain_length(&parts.headers, &body)?;
    let body = body::request_stream(body);
    let tag = hub.lfs_upload_part(name, link.oid, number, &link.query, length, body).await?;
    let mut response = Response::new(Body::empty());
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// Answers `POST` to the signed address that puts the parts together.
pub(crate) async fn complete(hub: &Hub, link: &LfsLink, request: Request) -> Result<Response, LfsFailure> {
    let name = link_name(link)?;
    let CompleteRequest { oid, parts } = body::json(hub, request.into_body()).await?;
    if oid.parse() != Ok(link.oid) {
        return Err(LfsFailure::new(StatusCode::UNPROCESSABLE_ENTITY, "this link is of another object"));
    }
    let parts: Vec<(u64, String)> = parts.into_iter().map(|part| (part.part_number, part.etag)).collect();
    hub.lfs_complete(name, link.oid, &link.query, &parts).await?;
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &serde_json::json!({})))
}
