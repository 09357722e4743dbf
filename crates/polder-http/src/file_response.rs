//! Content of known length as the answer to a GET or HEAD, with ranges and conditions.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::file_body::FileBody;
use crate::range::{Selection, is_not_modified, select_range};

/// Where the bytes are.
#[derive(Debug, Clone)]
pub enum FileSource {
    /// In memory.
    Memory(Bytes),
    /// The first `size_bytes` bytes of a file.
    File {
        /// The file, read by position.
        file: Arc<File>,
        /// How many bytes are served.
        size_bytes: u64,
    },
}

impl FileSource {
    /// How many bytes there are.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File { size_bytes, .. } => *size_bytes,
        }
    }

    /// A response with the bytes `range`, and no headers yet.
    pub(crate) fn response(self, range: Range<u64>) -> Response<Body> {
        match self {
            Self::File { file, .. } => FileBody::new(file, range).into_response(),
            Self::Memory(bytes) => {
                let at = |position| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                Response::new(Body::from(bytes.slice(at(range.start)..at(range.end))))
            }
        }
    }
}

/// Answers a GET or HEAD: 200, 206, 304 or 416 with `ETag`, `Accept-Ranges`, `Content-Length` and
/// `Content-Range`. The caller adds what else its dialect wants.
///
/// `etag` is a strong entity tag with its quotes. A HEAD ignores `Range` (RFC 9110 §14.2).
pub fn file_response(method: &Method, headers: &HeaderMap, source: FileSource, etag: &str) -> Response<Body> {
    let answer = Answer::to(method, headers, source.size_bytes(), etag);
    let body = match answer.range() {
        Some(range) => source.response(range),
        None => Response::new(Body::empty()),
    };
    answer.with(body, etag)
}

/// What a GET or HEAD is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    NotModified,
    /// The length of a whole that is not sent.
    Head(u64),
    Whole(u64),
    /// A part, and the length of the whole.
    Part(Range<u64>, u64),
    /// No part of something of this length.
    Unsatisfiable(u64),
}

impl Answer {
    /// What to answer for something of `size_bytes` bytes.
    pub(crate) fn to(method: &Method, headers: &HeaderMap, size_bytes: u64, etag: &str) -> Self {
        if is_not_modified(headers, etag) {
            return Self::NotModified;
        }
        if *method == Method::HEAD {
            return Self::Head(size_bytes);
        }
        match select_range(headers, size_bytes, etag) {
            Selection::Whole => Self::Whole(size_bytes),
            Selection::Part(part) => Self::Part(part, size_bytes),
            Selection::Unsatisfiable => Self::Unsatisfiable(size_bytes),
        }
    }

    /// The bytes that the body must be, if it is to have any.
    pub(crate) fn range(&self) -> Option<Range<u64>> {
        match self {
            Self::NotModified | Self::Head(_) | Self::Unsatisfiable(_) => None,
            Self::Whole(size_bytes) => Some(0..*size_bytes),
            Self::Part(part, _) => Some(part.clone()),
        }
    }

    /// The answer with its body.
    pub(crate) fn with(self, mut response: Response<Body>, etag: &str) -> Response<Body> {
        let (status, length, range) = match self {
            Self::NotModified => (StatusCode::NOT_MODIFIED, None, None),
            Self::Head(size_bytes) | Self::Whole(size_bytes) => (StatusCode::OK, Some(size_bytes), None),
            Self::Part(part, size_bytes) => {
                let range = format!("bytes {}-{}/{size_bytes}", part.start, part.end - 1);
                (StatusCode::PARTIAL_CONTENT, Some(part.end - part.start), Some(range))
            }
            Self::Unsatisfiable(size_bytes) => {
                (StatusCode::RANGE_NOT_SATISFIABLE, Some(0), Some(format!("bytes */{size_bytes}")))
            }
        };
        *response.status_mut() = status;
        let out = response.headers_mut();
        out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Ok(etag) = HeaderValue::from_str(etag) {
            out.insert(ETAG, etag);
        }
        if let Some(length) = length {
            out.insert(CONTENT_LENGTH, length.into());
        }
        if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
            out.insert(CONTENT_RANGE, range);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{IF_NONE_MATCH, RANGE};
    use http_body_util::BodyExt;
    use std::io::Write;

    const TAG: &str = "\"t\"";

    fn sources() -> Vec<FileSource> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789 and what was not meant to be served").unwrap();
        vec![
            FileSource::Memory(Bytes::from_static(b"0123456789")),
            FileSource::File { file: Arc::new(file), size_bytes: 10 },
        ]
    }

    async fn answer(
        method: Method,
        headers: &HeaderMap,
        source: FileSource,
    ) -> (u16, String, String, String) {
        let response = file_response(&method, headers, source, TAG);
        assert_eq!(response.headers()[ETAG], TAG);
        assert_eq!(response.headers()[ACCEPT_RANGES], "bytes");
        let header = |name| response.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
        let (status, length, range) =
            (response.status().as_u16(), header(CONTENT_LENGTH), header(CONTENT_RANGE));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, length, range, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_condition_gets_its_status_headers_and_bytes() {
        let range = |value| HeaderMap::from_iter([(RANGE, HeaderValue::from_static(value))]);
        let seen = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(TAG))]);
        for source in sources() {
            for (method, headers, status, length, content_range, body) in [
                (Method::GET, HeaderMap::new(), 200, "10", "", "0123456789"),
                (Method::HEAD, HeaderMap::new(), 200, "10", "", ""),
                (Method::HEAD, range("bytes=2-3"), 200, "10", "", ""),
                (Method::GET, range("bytes=2-3"), 206, "2", "bytes 2-3/10", "23"),
                (Method::GET, range("bytes=-4"), 206, "4", "bytes 6-9/10", "6789"),
                (Method::GET, range("bytes=10-"), 416, "0", "bytes */10", ""),
                (Method::GET, range("bytes=0-1,4-5"), 200, "10", "", "0123456789"),
                (Method::GET, seen.clone(), 304, "", "", ""),
                (Method::HEAD, seen.clone(), 304, "", "", ""),
            ] {
                let got = answer(method.clone(), &headers, source.clone()).await;
                let expected = (status, length.to_owned(), content_range.to_owned(), body.to_owned());
                assert_eq!(got, expected, "{method} {headers:?}");
            }
        }
    }
}
