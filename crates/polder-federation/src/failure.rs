//! Failures as JSON: `{"error": "…"}`.

use http::StatusCode;
use polder_http::{RequestId, Response, respond, set_retry_after, status};
use polder_hub::Error;

/// The answer that tells of a failure.
pub(crate) fn response(error: &Error, id: &RequestId) -> Response {
    polder_http::log(error, id);
    let mut response = told(status(error.kind()), error.message());
    set_retry_after(&mut response, error);
    response
}

/// A refusal in words.
pub(crate) fn told(status: StatusCode, message: &str) -> Response {
    respond::json(status, &serde_json::json!({ "error": message }))
}
