//! The bytes behind the links of a reconstruction.

use axum::body::Body;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use polder_http::{FileBody, FilePart, Response, Selection, body, respond, select_range};
use polder_hub::{Error, Kind, Result, XetBytes};
use polder_xet::{Piece, XorbHash};

use super::Ask;

/// Answers `GET …/data/{xorb}` with a signed query: the bytes that the link is for, no others.
pub(super) async fn answer(ask: &Ask<'_>, xorb: XorbHash) -> Result<Response> {
    let query = ask.parts.uri.query().unwrap_or_default();
    let data = ask.hub.xet_data(xorb, query).await?;
    let (size_bytes, allowed) = (data.size_bytes(), data.allowed());
    let (status, bytes) = match select_range(&ask.parts.headers, size_bytes, "") {
        Selection::Whole => (StatusCode::OK, 0..size_bytes),
        Selection::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Selection::Unsatisfiable => return Err(beyond()),
    };
    if bytes.start < allowed.start || bytes.end > allowed.end {
        return Err(beyond());
    }
    let mut response = match ask.parts.method {
        Method::HEAD => Response::new(Body::empty()),
        _ => response_of(data.bytes(bytes.clone())?).await?,
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{size_bytes}", bytes.start, bytes.end - 1);
        headers.insert(CONTENT_RANGE, respond::header_text(&range));
    }
    Ok(response)
}

async fn response_of(bytes: XetBytes) -> Result<Response> {
    match bytes {
        XetBytes::Known(file, pieces) => {
            let parts = pieces.into_iter().map(|piece| match piece {
                Piece::Header(bytes) => FilePart::Memory(bytes.into()),
                Piece::Object(range) => FilePart::Range(range),
            });
            Ok(FileBody::of_parts(file, parts).into_response())
        }
        XetBytes::Checked(stream) => {
            let body = body::response_body(stream).await;
            body.map(Response::new).map_err(|error| {
                Error::new(Kind::Unavailable, "the object cannot be read now").caused_by(error)
            })
        }
    }
}

fn beyond() -> Error {
    Error::new(Kind::Forbidden, "this link is for other bytes; ask for a new one")
}
