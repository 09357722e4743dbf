//! Files in comments.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `upload_attachment`: the answer is the address as plain text.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use polder_http::{Response, body, object_response, respond};
use polder_hub::OpenObject;

use crate::ask::Ask;
use crate::failure::Failure;
use crate::presentation::present;

/// Whoever has the address may have the bytes, which never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Answers `POST /uploads`.
pub(crate) async fn add(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let length = ask.parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let url = ask.hub.attach(caller.principal(), length, body::request_stream(body)).await?;
    Ok(respond::text(StatusCode::OK, url))
}

/// Answers `GET` and `HEAD` of an attachment, which needs no credentials.
pub(crate) async fn one(ask: &Ask<'_>) -> Result<Response, Failure> {
    let (media, blob) = ask.hub.open_attachment(&ask.at.revision).await?;
    let mut response = object_response(&ask.parts.method, &ask.parts.headers, OpenObject::Here(blob)).await?;
    let headers = response.headers_mut();
    present(headers, &ask.at.revision, false);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media.media_type()));
    headers.insert(CACHE_CONTROL, FOR_EVER);
    Ok(response)
}

/// Answers `DELETE` of an attachment.
pub(crate) async fn delete(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    ask.hub.delete_attachment(caller.principal(), &ask.at.revision).await?;
    Ok(respond::no_content())
}
