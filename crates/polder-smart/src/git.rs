//! The four requests of git's smart-HTTP.
//!
//! Source: git `Documentation/gitprotocol-http.adoc` and `http-backend.c` (2.47.3).

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderMap, HeaderValue};
use polder_http::{Caller, Place, Request, Response, body};
use polder_hub::{BodyEncoding, ByteStream, Contribution, Error, Hub, Kind, Protocol};

use crate::git_failure::GitFailure;

/// Answers `GET info/refs?service=git-upload-pack`.
pub(crate) async fn advertise_fetch(
    hub: &Hub,
    place: &Place,
    request: Request,
) -> Result<Response, GitFailure> {
    let (parts, _) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.read(&place.target).await?;
    let refs = hub.advertise(&grant, protocol(&parts.headers)).await?;
    Ok(answer(Body::from(refs), "application/x-git-upload-pack-advertisement"))
}

/// Answers `GET info/refs?service=git-receive-pack`.
pub(crate) async fn advertise_push(
    hub: &Hub,
    place: &Place,
    request: Request,
) -> Result<Response, GitFailure> {
    let (parts, _) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.contribute(&place.target, Contribution::AnyPull).await?;
    let refs = hub.advertise_push(&grant, protocol(&parts.headers)).await?;
    Ok(answer(Body::from(refs), "application/x-git-receive-pack-advertisement"))
}

/// Answers `POST git-upload-pack`.
pub(crate) async fn upload_pack(hub: &Hub, place: &Place, request: Request) -> Result<Response, GitFailure> {
    let (parts, body) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.read(&place.target).await?;
    let encoding = check_body(&parts.headers, "application/x-git-upload-pack-request")?;
    let body = body::request_stream(body);
    let stream = hub.upload_pack(&grant, protocol(&parts.headers), body, encoding).await?;
    streamed(stream, "application/x-git-upload-pack-result").await
}

/// Answers `POST git-receive-pack`.
pub(crate) async fn receive_pack(hub: &Hub, place: &Place, request: Request) -> Result<Response, GitFailure> {
    let (parts, body) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.contribute(&place.target, Contribution::AnyPull).await?;
    let encoding = check_body(&parts.headers, "application/x-git-receive-pack-request")?;
    let stream = hub.receive_pack(&grant, body::request_stream(body), encoding).await?;
    streamed(stream, "application/x-git-receive-pack-result").await
}

fn protocol(headers: &HeaderMap) -> Protocol {
    Protocol::from_header(headers.get("git-protocol").and_then(|value| value.to_str().ok()))
}

/// The body must be what it is called: a form posted from a web page can never be a push.
fn check_body(headers: &HeaderMap, expected: &'static str) -> Result<BodyEncoding, GitFailure> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if sent != Some(expected) {
        return Err(GitFailure::UnsupportedMediaType(format!("the content type must be `{expected}`")));
    }
    body::encoding(headers).map_err(|encoding| {
        GitFailure::UnsupportedMediaType(format!(
            "the content encoding `{encoding}` is not known here; use gzip"
        ))
    })
}

async fn streamed(stream: ByteStream, content_type: &'static str) -> Result<Response, GitFailure> {
    let body = body::response_body(stream).await.map_err(|error| {
        Error::new(Kind::Internal, "the hub failed to answer; it has been logged").caused_by(error)
    })?;
    Ok(answer(body, content_type))
}

/// A response with the headers of git's own server, which forbid every cache.
pub(crate) fn answer(body: Body, content_type: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(EXPIRES, HeaderValue::from_static("Fri, 01 Jan 1980 00:00:00 GMT"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CONTENT_ENCODING;

    #[test]
    fn a_body_must_be_what_it_is_called() {
        let check = |content_type: Option<&'static str>, encoding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            }
            if let Some(value) = encoding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            check_body(&headers, "application/x-git-upload-pack-request").ok()
        };
        let right = Some("application/x-git-upload-pack-request");
        assert_eq!(check(right, None), Some(BodyEncoding::Identity));
        assert_eq!(check(right, Some("gzip")), Some(BodyEncoding::Gzip));
        assert_eq!(check(right, Some("br")), None);
        assert_eq!(check(None, None), None);
        assert_eq!(check(Some("application/x-git-receive-pack-request"), None), None);
        assert_eq!(check(Some("application/x-www-form-urlencoded"), None), None);
    }

    /// `http-backend.c`, `hdr_nocache`.
    #[test]
    fn no_cache_may_keep_an_answer() {
        let response = answer(Body::empty(), "application/x-git-upload-pack-result");
        let mut headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect();
        headers.sort();
        assert_eq!(
            headers,
            [
                "cache-control: no-cache, max-age=0, must-revalidate",
                "content-type: application/x-git-upload-pack-result",
                "expires: Fri, 01 Jan 1980 00:00:00 GMT",
                "pragma: no-cache",
            ]
        );
    }
}
