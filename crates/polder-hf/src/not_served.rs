//! What clients may ask for that this hub does not do, told so that they pass it on.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`; `utils/_http.py` `hf_raise_for_status` makes of a 404 what the
//! address is about.

use http::{HeaderValue, Method, StatusCode};
use polder_http::{Response, Url, respond};

use crate::ask::Ask;
use crate::failure::{X_ERROR_CODE, X_ERROR_MESSAGE};

/// What there is not, if the words after `/api/` are about it.
pub(crate) fn missing(words: &[&str]) -> Option<&'static str> {
    match words {
        ["jobs" | "scheduled-jobs", ..] => Some("this hub runs no jobs"),
        ["buckets", ..] => Some("this hub has no buckets"),
        ["papers" | "daily_papers", ..] => Some("this hub lists no papers"),
        ["spaces", "semantic-search"] => Some("this hub finds Spaces by their words only"),
        ["spaces", "hardware" | "templates"]
        | ["spaces", "zero-gpu", "quota"]
        | [
            "spaces",
            _,
            _,
            "runtime" | "secrets" | "variables" | "hardware" | "logs" | "sleeptime" | "pause" | "restart"
            | "volumes" | "dev-mode",
            ..,
        ] => Some("this hub runs no Spaces"),
        ["datasets", _, _, "leaderboard"] => Some("this hub has no leaderboards"),
        _ => None,
    }
}

/// Answers 404. A bucket that is looked at is one that does not exist: callers ask whether one does.
pub(crate) fn not_served(ask: &Ask<'_>) -> Response {
    let url = Url::parse(&ask.parts.uri);
    let words: Vec<&str> = url.iter().flat_map(Url::segments).skip(1).map(AsRef::as_ref).collect();
    let message = missing(&words).unwrap_or("this hub has no such API");
    let mut response = respond::json(StatusCode::NOT_FOUND, &serde_json::json!({ "error": message }));
    let headers = response.headers_mut();
    headers.insert(X_ERROR_MESSAGE, HeaderValue::from_static(message));
    let is_read = matches!(ask.parts.method, Method::GET | Method::HEAD);
    if is_read && matches!(words.as_slice(), ["buckets", _, _, ..]) {
        headers.insert(X_ERROR_CODE, HeaderValue::from_static("RepoNotFound"));
    }
    response
}
