//! Small whole responses and texts that are safe in headers.

use axum::body::Body;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::app::Response;

/// A plain-text response that no cache keeps.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response {
    whole(status, "text/plain; charset=utf-8", text.into())
}

/// A JSON response that no cache keeps.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    json_as(status, "application/json", value)
}

/// A JSON response with a media type of its own.
pub fn json_as(status: StatusCode, content_type: &'static str, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => whole(status, content_type, body),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the hub failed to answer\n")
        }
    }
}

/// 204, an answer without anything in it.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// 405 with the methods that the path has, e.g. `GET, HEAD`.
pub fn wrong_method(allow: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("this address answers {allow} only\n"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Says `text` in the status line, too, for clients that show nothing else of a refusal. Over HTTP/2 it is not there.
///
/// Source: RFC 9112 §4; `hf_xet` 1.8.0 shows status and reason of what its `reqwest` 0.13.2 got, and reads no body.
pub fn say_as_reason(response: &mut Response, text: &str) {
    let text = header_text(text).as_bytes().to_vec();
    if let Ok(reason) = hyper::ext::ReasonPhrase::try_from(text) {
        response.extensions_mut().insert(reason);
    }
}

/// `text` as a header value: what is not printable ASCII becomes `?`, so nothing a client or a
/// repository wrote can end a header.
pub fn header_text(text: &str) -> HeaderValue {
    let safe: String = text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_header_early() {
        assert_eq!(header_text("a\r\nSet-Cookie: b\u{e9}\u{7f}"), "a??Set-Cookie: b??");
    }

    #[test]
    fn a_reason_is_one_line() {
        let mut response = no_content();
        say_as_reason(&mut response, "no\r\nroom \u{e9}");
        let reason = response.extensions().get::<hyper::ext::ReasonPhrase>().unwrap();
        assert_eq!(reason.as_bytes(), b"no??room ?");
    }
}
