//! Failures in the form that git shows its user.
//!
//! Observed with git 2.47.3: for `info/refs` it prints a `text/plain` body line by line after `remote: `;
//! for a POST it prints the status alone, but an `ERR` packet in a 200 as `fatal: remote error: …`.

use axum::body::Body;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use polder_http::{Place, RequestId, Response, log, respond, set_retry_after, status};
use polder_hub::{Error, Hub, Kind};
use polder_types::without_secrets;

use crate::git;

/// Why a git POST has no answer.
#[derive(Debug)]
pub(crate) enum GitFailure {
    /// The hub's answer.
    Hub(Error),
    /// The body is not what this address takes (415).
    UnsupportedMediaType(String),
}

impl From<Error> for GitFailure {
    fn from(error: Error) -> Self {
        Self::Hub(error)
    }
}

/// A failure as a status and a text.
pub(crate) fn response(hub: &Hub, place: &Place, failure: &GitFailure, id: &RequestId) -> Response {
    match failure {
        GitFailure::Hub(error) => hub_response(hub, place, error, id),
        GitFailure::UnsupportedMediaType(message) => {
            respond::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{message}\n"))
        }
    }
}

/// The same for a fetch, but what is wrong with the request itself is said in a packet.
pub(crate) fn fetch_response(hub: &Hub, place: &Place, failure: &GitFailure, id: &RequestId) -> Response {
    match failure {
        GitFailure::Hub(error) if matches!(error.kind(), Kind::Invalid | Kind::TooLarge) => {
            log(error, id);
            git::answer(Body::from(error_packet(error.message())), "application/x-git-upload-pack-result")
        }
        failure => response(hub, place, failure, id),
    }
}

fn hub_response(hub: &Hub, place: &Place, error: &Error, id: &RequestId) -> Response {
    log(error, id);
    let mut response = respond::text(status(error.kind()), format!("{error}\n"));
    set_retry_after(&mut response, error);
    let headers = response.headers_mut();
    if error.kind() == Kind::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Polder\""));
    }
    if let Some(to) = error.moved_to() {
        headers.insert(LOCATION, place.moved(hub.public_url(), to));
    }
    response
}

/// Longest message in an `ERR` packet, in bytes; a packet holds 65516.
const MESSAGE_BYTES_MAX: usize = 1000;

fn error_packet(message: &str) -> String {
    let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
    let message = message.get(..end).unwrap_or_default();
    // "ERR ", the message and a line feed after four digits of length.
    format!("{:04x}ERR {message}\n", message.len().saturating_add(9))
}

/// The answer to `info/refs` without a service that exists.
pub(crate) fn unknown_service(service: Option<&str>) -> Response {
    let text = match service {
        Some(service) => {
            let shown: String =
                service.chars().take(100).map(|c| if c.is_control() { '?' } else { c }).collect();
            format!("Unsupported service: '{}'\n", without_secrets(&shown))
        }
        None => "the dumb HTTP protocol is not spoken here; use git 1.6.6 or newer\n".to_owned(),
    };
    respond::text(StatusCode::FORBIDDEN, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_packet_has_its_own_length_and_never_cuts_a_character() {
        assert_eq!(error_packet("no"), "000bERR no\n");
        let packet = error_packet(&"é".repeat(5000));
        assert_eq!(usize::from_str_radix(&packet[..4], 16), Ok(packet.len()));
        assert_eq!(packet.len(), MESSAGE_BYTES_MAX + 9);
    }

    #[test]
    fn the_dumb_protocol_is_refused_in_words() {
        for service in [None, Some("git-upload-archive"), Some("x\r\ny")] {
            let response = unknown_service(service);
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        }
    }
}
