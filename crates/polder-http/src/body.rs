//! Bodies between axum and the hub: streams in, streams out, bounded JSON.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::{Body as _, Frame};
use polder_hub::{BodyEncoding, BodyStream, ByteStream, Error, HeldBody, Hub, Kind, Result};
use polder_types::limits::JSON_BODY_BYTES_MAX;
use serde::de::DeserializeOwned;

/// Largest posted form, in bytes.
const FORM_BODY_BYTES_MAX: u64 = 64 << 10;

/// The body of a request as the hub takes it. A read that fails is the client's doing.
pub fn request_stream(body: Body) -> BodyStream {
    Box::pin(Incoming(body.into_data_stream()))
}

struct Incoming(BodyDataStream);

impl Stream for Incoming {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = Pin::new(&mut self.0).poll_next(context);
        item.map(|item| item.map(|chunk| chunk.map_err(io::Error::other)))
    }
}

/// A response body that the hub makes as it goes.
///
/// Waits for its first chunk, so that a failure before any byte can still have a status of its own.
///
/// # Errors
/// The failure that came instead of a first chunk.
pub async fn response_body(mut stream: ByteStream) -> io::Result<Body> {
    let first = stream.recv().await.transpose()?;
    Ok(Body::new(Outgoing { first, stream }))
}

struct Outgoing {
    first: Option<Bytes>,
    stream: ByteStream,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.stream.poll_recv(context).map(|item| item.map(|chunk| chunk.map(Frame::data)))
    }
}

/// How the request's body is encoded.
///
/// # Errors
/// The encoding's name when it is one that is not known here (415).
pub fn encoding(headers: &HeaderMap) -> Result<BodyEncoding, String> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(BodyEncoding::Identity) };
    let text = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    match (text.as_str(), values.next()) {
        ("" | "identity", None) => Ok(BodyEncoding::Identity),
        ("gzip" | "x-gzip", None) => Ok(BodyEncoding::Gzip),
        _ => Err(text),
    }
}

/// Reads a JSON body of at most [`JSON_BODY_BYTES_MAX`].
///
/// # Errors
/// As [`Hub::hold_body`], and [`Kind::Invalid`] with what is wrong and where.
pub async fn json<T: DeserializeOwned>(hub: &Hub, body: Body) -> Result<T> {
    parsed(&held(hub, body, JSON_BODY_BYTES_MAX).await?)
}

/// The same, of at most `bytes_max`.
///
/// # Errors
/// As [`json`].
pub async fn json_up_to<T: DeserializeOwned>(hub: &Hub, body: Body, bytes_max: u64) -> Result<T> {
    parsed(&held(hub, body, bytes_max).await?)
}

/// The same where there may be no body.
///
/// # Errors
/// As [`json`].
pub async fn maybe_json<T: DeserializeOwned>(hub: &Hub, body: Body) -> Result<Option<T>> {
    let bytes = held(hub, body, JSON_BODY_BYTES_MAX).await?;
    if bytes.is_empty() { Ok(None) } else { parsed(&bytes).map(Some) }
}

/// Reads a posted form, or the like, of at most 64 KiB.
///
/// # Errors
/// As [`Hub::hold_body`], and [`Kind::Invalid`] for what is no UTF-8.
pub async fn form(hub: &Hub, body: Body) -> Result<String> {
    let bytes = held(hub, body, FORM_BODY_BYTES_MAX).await?;
    String::from_utf8(bytes.to_vec()).map_err(|_error| Error::new(Kind::Invalid, "the body is no UTF-8"))
}

async fn held(hub: &Hub, body: Body, bytes_max: u64) -> Result<HeldBody> {
    if body.size_hint().lower() > bytes_max {
        return Err(Error::new(Kind::TooLarge, format!("the body is over {bytes_max} bytes")));
    }
    hub.hold_body(request_stream(body), BodyEncoding::Identity, bytes_max).await
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(Kind::Invalid, format!("the JSON body is not what belongs here: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http_body_util::BodyExt as _;

    #[test]
    fn only_gzip_and_identity_are_known() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            encoding(&headers)
        };
        assert_eq!(of(&[]), Ok(BodyEncoding::Identity));
        assert_eq!(of(&["identity"]), Ok(BodyEncoding::Identity));
        assert_eq!(of(&["GZIP"]), Ok(BodyEncoding::Gzip));
        assert_eq!(of(&["x-gzip"]), Ok(BodyEncoding::Gzip));
        assert_eq!(of(&["br"]), Err("br".to_owned()));
        assert!(of(&["gzip, gzip"]).is_err());
        assert!(of(&["gzip", "gzip"]).is_err());
    }

    #[test]
    fn an_error_in_json_says_where_it_is() {
        assert_eq!(parsed::<Vec<u8>>(b"[1,2]").expect("valid"), [1, 2]);
        let error = parsed::<Vec<u8>>(b"[1,2").expect_err("cut");
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains("line 1 column 4"), "{error}");
    }

    #[tokio::test]
    async fn a_failure_before_the_first_chunk_is_not_a_body() {
        let (sender, stream) = tokio::sync::mpsc::channel(2);
        sender.send(Err(io::Error::other("no"))).await.expect("room");
        assert!(response_body(stream).await.is_err());

        let (sender, stream) = tokio::sync::mpsc::channel(2);
        sender.send(Ok(Bytes::from_static(b"a"))).await.expect("room");
        sender.send(Err(io::Error::other("cut"))).await.expect("room");
        drop(sender);
        let mut body = response_body(stream).await.expect("a first chunk");
        let first = body.frame().await.expect("frame").expect("data").into_data().expect("data");
        assert_eq!(first, "a");
        assert!(body.frame().await.expect("frame").is_err());

        let (sender, stream) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(1);
        drop(sender);
        let empty = response_body(stream).await.expect("empty").collect().await.expect("empty").to_bytes();
        assert!(empty.is_empty());
    }
}
