//! One line in the log for each request, written when its response has ended.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use polder_types::{IdSource, without_secrets};

use crate::app::{Request, Response};
use crate::client_address::ClientAddress;
use crate::peer::Peer;
use crate::respond;

/// What a request is called in the log and in `X-Request-Id`; in every request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `huggingface_hub` sends one of these with every call and shows it in its errors.
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REQUEST_ID_BYTES_MAX: usize = 64;

impl RequestId {
    /// The client's own id when it is one that can be logged, else a new one.
    pub(crate) fn of(headers: &HeaderMap, ids: &IdSource) -> Self {
        let sent = headers.get(REQUEST_ID).or_else(|| headers.get(TRACE_ID));
        let sent = sent.and_then(|value| value.to_str().ok()).filter(|text| is_plain(text));
        Self(sent.map_or_else(|| format!("{:016x}", ids.next()).into(), Into::into))
    }

    /// The id of a request that came through [`crate::App::call`].
    pub fn in_extensions(extensions: &http::Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self("-".into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_plain(text: &str) -> bool {
    (8..=REQUEST_ID_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b';' | b':'))
        && without_secrets(text) == text
}

/// What the log will say of a request. Neither its query nor any header with credentials is kept.
pub(crate) struct Record {
    id: RequestId,
    peer: Option<Peer>,
    client: Option<ClientAddress>,
    method: Method,
    path: String,
    agent: String,
    edge: &'static str,
    route: &'static str,
    started: Instant,
}

/// Longest path and user agent in the log, in characters.
const LOGGED_CHARS_MAX: usize = 512;

impl Record {
    pub(crate) fn begin(id: &RequestId, request: &Request) -> Self {
        let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            id: id.clone(),
            peer: request.extensions().get().copied(),
            client: request.extensions().get().copied(),
            method: request.method().clone(),
            path: shown(request.uri().path()),
            agent: shown(agent.unwrap_or("-")),
            edge: "none",
            route: "none",
            started: Instant::now(),
        }
    }

    pub(crate) fn found(&mut self, found: Option<(&'static str, &'static str)>) {
        if let Some((edge, route)) = found {
            (self.edge, self.route) = (edge, route);
        }
    }

    /// Puts the id on the response and waits for the end of its body.
    pub(crate) fn finish(self, mut response: Response) -> Response {
        response.headers_mut().insert(REQUEST_ID, respond::header_text(self.id.as_str()));
        let status = response.status();
        response.map(|inner| Body::new(Watched { inner, end: Some(End { record: self, status, bytes: 0 }) }))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(LOGGED_CHARS_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

struct End {
    record: Record,
    status: StatusCode,
    bytes: u64,
}

impl End {
    fn write(self, outcome: &'static str) {
        let Self { record, status, bytes } = self;
        let elapsed = record.started.elapsed();
        let labels = [
            ("edge", record.edge.to_owned()),
            ("route", record.route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        metrics::counter!("polder_http_requests_total", &labels).increment(1);
        metrics::counter!("polder_http_response_bytes_total", "edge" => record.edge).increment(bytes);
        metrics::histogram!("polder_http_request_seconds", "edge" => record.edge, "route" => record.route)
            .record(elapsed.as_secs_f64());
        tracing::info!(
            target: "polder::request",
            id = %record.id,
            client = %record.client.map_or_else(|| "-".to_owned(), |client| client.ip().to_string()),
            peer = %record.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string()),
            method = %record.method,
            path = %record.path,
            status = status.as_u16(),
            outcome,
            bytes,
            millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            route = record.route,
            agent = %record.agent,
        );
    }
}

/// A response body that knows when it has ended: whole, cut by us, or left by the client.
struct Watched {
    inner: Body,
    end: Option<End>,
}

impl Watched {
    fn ended(&mut self, outcome: &'static str) {
        if let Some(end) = self.end.take() {
            end.write(outcome);
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                if let Some(end) = &mut self.end {
                    end.bytes = end.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
                }
            }
            Some(Err(error)) => {
                let id = self.end.as_ref().map_or("-", |end| end.record.id.as_str());
                tracing::warn!(request = id, %error, "a response was cut");
                self.ended("cut");
            }
            None => self.ended("whole"),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let whole = self.inner.is_end_stream();
        self.ended(if whole { "whole" } else { "left" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use polder_types::Clock;

    #[test]
    fn a_clients_id_is_taken_only_when_it_can_be_logged() {
        let ids = IdSource::new(Clock::System, 0);
        let of = |name: HeaderName, value: &'static str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            RequestId::of(&headers, &ids).as_str().to_owned()
        };
        let uuid = "0c3f8a52-9f5b-4a4e-8d55-1f0b6a1c2d3e";
        assert_eq!(of(TRACE_ID, uuid), uuid);
        assert_eq!(of(REQUEST_ID, uuid), uuid);
        for bad in ["short", "with space in it", "quote\"quote", "pld_0123456789", "x".repeat(65).leak()] {
            let id = of(REQUEST_ID, bad);
            assert_eq!(id.len(), 16, "{bad}: {id}");
        }
    }
}
