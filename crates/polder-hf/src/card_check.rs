//! Checking a card before it is committed.
//!
//! Source: `huggingface_hub` 2.4.0 `_commit_api.py` / `repocard.py`, `validate`: the answer is read as
//! JSON whatever its status.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::Card;
use serde::Deserialize;
use serde_json::json;

use crate::ask::Ask;
use crate::failure::Failure;

#[derive(Deserialize)]
struct Question {
    content: String,
}

/// Answers `POST /api/validate-yaml`.
pub(crate) async fn validate_yaml(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let question: Question = body::json(ask.hub, body).await?;
    Ok(match Card::parse(&question.content) {
        Ok(_) => respond::json(StatusCode::OK, &json!({ "errors": [], "warnings": [] })),
        Err(why) => {
            respond::json(StatusCode::BAD_REQUEST, &json!({ "errors": [{ "message": why }], "warnings": [] }))
        }
    })
}
