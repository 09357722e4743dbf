//! One table from the hub's kinds of failure to HTTP, and the one place where failures are logged.

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use polder_hub::{Error, Kind};

use crate::app::Response;
use crate::request_log::RequestId;

/// The status that every edge answers a kind of failure with, unless its clients need another.
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Gone => StatusCode::GONE,
        Kind::Moved => StatusCode::TEMPORARY_REDIRECT,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden | Kind::Mirrored => StatusCode::FORBIDDEN,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        // The word that git-lfs's API documentation has for a quota too: `docs/api/batch.md`.
        Kind::OverQuota | Kind::Full => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What is left of a share, and when it is whole again.
///
/// Source: draft-ietf-httpapi-ratelimit-headers-09; `huggingface_hub` 2.4.0 `utils/_http.py` waits by it.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Says when to try again, where that may help.
pub fn set_retry_after(response: &mut Response, error: &Error) {
    let Some(seconds) = error.retry_after_seconds() else { return };
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    let share = HeaderValue::from_str(&format!("\"transfers\";r=0;t={seconds}"));
    if error.kind() == Kind::Throttled
        && let Ok(share) = share
    {
        response.headers_mut().insert(RATE_LIMIT, share);
    }
}

/// Logs a failure with its whole chain of causes: ours loudly, the client's only when asked for.
pub fn log(error: &Error, request: &RequestId) {
    let chain = error.chain();
    match error.kind() {
        Kind::Internal => tracing::error!(%request, kind = ?error.kind(), error = %chain, "request failed"),
        Kind::Full | Kind::Unavailable => {
            tracing::warn!(%request, kind = ?error.kind(), error = %chain, "request failed");
        }
        Kind::NotFound
        | Kind::Gone
        | Kind::Moved
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::Mirrored
        | Kind::Invalid
        | Kind::Conflict
        | Kind::TooLarge
        | Kind::Throttled
        | Kind::OverQuota => {
            tracing::debug!(%request, kind = ?error.kind(), error = %chain, "request refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_fault_is_5xx_and_theirs_is_4xx() {
        let ours = [Kind::Full, Kind::Unavailable, Kind::Internal];
        let theirs = [
            Kind::NotFound,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::Invalid,
            Kind::Conflict,
            Kind::TooLarge,
            Kind::Throttled,
        ];
        assert!(ours.iter().all(|kind| status(*kind).is_server_error()));
        assert!(theirs.iter().all(|kind| status(*kind).is_client_error()));
        // 301 and 302 would turn a POST into a GET.
        assert_eq!(status(Kind::Moved).as_u16(), 307);
    }

    #[test]
    fn overload_says_when_to_come_back_and_nothing_else_does() {
        for kind in [Kind::Throttled, Kind::Unavailable, Kind::Full, Kind::Forbidden] {
            let mut response = crate::respond::text(status(kind), "busy");
            set_retry_after(&mut response, &Error::new(kind, "busy"));
            let seconds = response.headers().get(RETRY_AFTER).map(HeaderValue::as_bytes);
            let expected = matches!(kind, Kind::Throttled | Kind::Unavailable).then_some(b"5".as_slice());
            assert_eq!(seconds, expected, "{kind:?}");
            let share = response.headers().get(RATE_LIMIT).map(HeaderValue::as_bytes);
            let expected = (kind == Kind::Throttled).then_some(b"\"transfers\";r=0;t=5".as_slice());
            assert_eq!(share, expected, "{kind:?}");
        }
    }
}
