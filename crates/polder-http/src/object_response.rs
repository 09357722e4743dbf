//! A large object as the answer to a GET or HEAD: from its file, or as it comes.

use std::ops::Range;

use axum::body::Body;
use http::{HeaderMap, Method, Response};
use polder_hub::{Arriving, AwayObject, Error, Kind, OpenObject, Result};

use crate::body;
use crate::file_response::{Answer, FileSource, file_response};

/// Answers as [`file_response`] does, with the SHA-256 as entity tag. What is not here is fetched only for an
/// answer with some of its bytes.
///
/// # Errors
/// [`Kind::Unavailable`] when it cannot be fetched, before anything of it is answered.
pub async fn object_response(
    method: &Method,
    headers: &HeaderMap,
    object: OpenObject,
) -> Result<Response<Body>> {
    let etag = format!("\"{}\"", object.sha256());
    let away = match object {
        OpenObject::Here(blob) => {
            let source = FileSource::File { file: blob.file, size_bytes: blob.size_bytes };
            return Ok(file_response(method, headers, source, &etag));
        }
        OpenObject::Away(away) => away,
    };
    let answer = Answer::to(method, headers, away.size_bytes(), &etag);
    let body = match answer.range() {
        Some(range) => fetched(away, range).await?,
        None => Response::new(Body::empty()),
    };
    Ok(answer.with(body, &etag))
}

async fn fetched(object: AwayObject, range: Range<u64>) -> Result<Response<Body>> {
    let arrival = match object.fetch().await? {
        Arriving::Here(blob) => {
            let source = FileSource::File { file: blob.file, size_bytes: blob.size_bytes };
            return Ok(source.response(range));
        }
        Arriving::Coming(arrival) => arrival,
    };
    let stream = arrival.stream(range).await?;
    let body = body::response_body(stream).await;
    let body =
        body.map_err(|error| Error::new(Kind::Unavailable, "the object did not arrive").caused_by(error))?;
    Ok(Response::new(body))
}
