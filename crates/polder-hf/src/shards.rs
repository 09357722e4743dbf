//! What the shards of a model hold.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `get_sharded_safetensors_metadata`.

use http::StatusCode;
use polder_http::{Response, respond};
use serde::Serialize;

use crate::ask::{Ask, set_commit};
use crate::failure::Failure;

#[derive(Serialize)]
struct Told<H, M> {
    headers: H,
    index: Index<M>,
}

/// Without its map of tensors, which the headers repeat.
#[derive(Serialize)]
struct Index<M> {
    metadata: M,
}

/// Answers `GET …/safetensors-metadata/{path}`, where the path is that of an index.
pub(crate) async fn headers(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let found = ask.hub.shard_headers(&grant, &ask.at.path).await?;
    let told = Told { headers: found.headers, index: Index { metadata: found.metadata } };
    let mut response = respond::json(StatusCode::OK, &told);
    set_commit(&mut response, &found.commit_id.to_string());
    Ok(response)
}
