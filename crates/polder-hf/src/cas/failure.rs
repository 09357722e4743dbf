//! Failures in JSON, for clients that look at the status line alone.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use polder_http::{RequestId, Response, log, respond, set_retry_after, status};
use polder_hub::{Error, Kind};
use serde_json::json;

pub(super) fn response(error: &Error, id: &RequestId) -> Response {
    log(error, id);
    // What is answered with 5xx is sent again for minutes.
    let status = match error.kind() {
        Kind::OverQuota => StatusCode::PAYLOAD_TOO_LARGE,
        kind => status(kind),
    };
    let mut response = respond::json(status, &json!({ "error": error.message() }));
    set_retry_after(&mut response, error);
    respond::say_as_reason(&mut response, error.message());
    if error.kind() == Kind::Unauthenticated {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Polder CAS\""));
    }
    response
}
