//! Failures in JSON, for clients that look at the status alone.

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use polder_http::{RequestId, Response, log, respond, set_retry_after, status};
use polder_hub::{Error, Kind};
use serde_json::json;

pub(super) fn response(error: &Error, id: &RequestId) -> Response {
    log(error, id);
    let mut response = respond::json(status(error.kind()), &json!({ "error": error.message() }));
    set_retry_after(&mut response, error);
    if error.kind() == Kind::Unauthenticated {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Polder CAS\""));
    }
    response
}
