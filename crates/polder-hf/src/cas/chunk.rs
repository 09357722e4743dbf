//! What a client need not send.

use axum::body::Body;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use polder_http::Response;
use polder_hub::{Error, Kind, Result};
use polder_xet::ChunkHash;

use super::Ask;

/// Answers `GET …/chunks/{prefix}/{hash}` with a shard of chunks that the token's repository has. It need not
/// have that one: clients look for the rest of theirs in it, too.
pub(super) async fn answer(ask: &Ask<'_>, chunk: ChunkHash) -> Result<Response> {
    let grant = ask.read().await?;
    let hint = ask.hub.xet_hint(&grant, &ask.token()?, chunk).await?;
    let shard = hint.ok_or_else(|| Error::new(Kind::NotFound, "nothing is known of this chunk"))?;
    let mut response = Response::new(Body::from(shard));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
