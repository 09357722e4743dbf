//! Where and with what the chunks of a repository are moved.
//!
//! Source: `huggingface_hub` 2.4.0 `utils/_xet.py` reads the headers; `hf_xet` 1.8.0 `hub_client` reads JSON.

use http::{HeaderName, HeaderValue, StatusCode};
use polder_http::{Response, respond};
use polder_hub::{Hub, XetToken};
use polder_types::{ObjectId, RepoName};
use serde_json::json;

use crate::ask::Ask;
use crate::cas::cas_url;
use crate::failure::Failure;

const X_XET_CAS_URL: HeaderName = HeaderName::from_static("x-xet-cas-url");
const X_XET_ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-xet-access-token");
const X_XET_TOKEN_EXPIRATION: HeaderName = HeaderName::from_static("x-xet-token-expiration");

/// Answers `GET …/xet-read-token/{revision}`. The token is good for every revision.
pub(crate) async fn read(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    Ok(answer(ask, &ask.hub.xet_read_token(&grant)))
}

/// Answers `GET …/xet-write-token/{revision}`. The token is good for every branch.
pub(crate) async fn write(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.contribute().await?;
    Ok(answer(ask, &ask.hub.xet_write_token(&grant).await?))
}

/// Where a token to read a repository at a commit is asked for.
pub(crate) fn link(hub: &Hub, repo: &RepoName, commit_id: ObjectId) -> String {
    let (kind, namespace, name) = (repo.kind().plural(), repo.namespace(), repo.name());
    format!("{}/api/{kind}/{namespace}/{name}/xet-read-token/{commit_id}", hub.public_url())
}

fn answer(ask: &Ask<'_>, token: &XetToken) -> Response {
    let (cas_url, text) = (cas_url(ask.hub, token.memory.as_deref()), token.secret.reveal());
    let expires = token.expires.0 / 1000;
    let body = json!({ "casUrl": cas_url, "exp": expires, "accessToken": text });
    let mut response = respond::json(StatusCode::OK, &body);
    let headers = response.headers_mut();
    headers.insert(X_XET_CAS_URL, respond::header_text(&cas_url));
    headers.insert(X_XET_ACCESS_TOKEN, respond::header_text(text));
    headers.insert(X_XET_TOKEN_EXPIRATION, HeaderValue::from(expires));
    response
}
