//! One table from the hub's kinds of failure to HTTP, and the one place where failures are logged.

use http::StatusCode;
use polder_hub::{Error, Kind};

use crate::request_log::RequestId;

/// The status that every edge answers a kind of failure with, unless its clients need another.
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Moved => StatusCode::TEMPORARY_REDIRECT,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Full => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
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
        | Kind::Moved
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::Invalid
        | Kind::Conflict
        | Kind::TooLarge => {
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
        ];
        assert!(ours.iter().all(|kind| status(*kind).is_server_error()));
        assert!(theirs.iter().all(|kind| status(*kind).is_client_error()));
        // 301 and 302 would turn a POST into a GET.
        assert_eq!(status(Kind::Moved).as_u16(), 307);
    }
}
