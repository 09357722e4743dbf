//! Checking a card before it is committed.
//!
//! Source: `huggingface_hub` 2.4.0 `_commit_api.py` / `repocard.py`, `validate`: the answer is read as
//! JSON whatever its status.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::Card;
use polder_types::limits::{JSON_BODY_BYTES_MAX, REGULAR_FILE_BYTES_MAX};
use serde::Deserialize;
use serde_json::json;

use crate::ask::Ask;
use crate::card_rules;
use crate::failure::Failure;

/// Largest question of who has an account, in bytes: the whole of a `README.md` that may be committed as it is, as
/// clients write it in JSON, which makes twelve bytes of four and six of two.
const QUESTION_BYTES_MAX: u64 = 3 * REGULAR_FILE_BYTES_MAX + (64 << 10);
const NO_DATA: &str = "empty or missing yaml metadata in repo card";

#[derive(Deserialize)]
struct Question {
    content: String,
}

/// Answers `POST /api/validate-yaml`, which clients ask before they commit a `README.md`. Only what stands before its
/// text is parsed.
pub(crate) async fn validate_yaml(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let bytes_max = match ask.signed_in().await {
        Ok(_) => QUESTION_BYTES_MAX,
        Err(_) => JSON_BODY_BYTES_MAX,
    };
    let question: Question = body::json_up_to(ask.hub, body, bytes_max).await?;
    let (errors, has_data) = match Card::parse(&question.content) {
        Ok(card) => (card_rules::errors(&card.data), !card.data.is_empty()),
        Err(why) => (vec![why], true),
    };
    let messages = |texts: &[String]| texts.iter().map(|text| json!({ "message": text })).collect::<Vec<_>>();
    let warnings = if has_data { Vec::new() } else { vec![NO_DATA.to_owned()] };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let body = json!({ "errors": messages(&errors), "warnings": messages(&warnings) });
    Ok(respond::json(status, &body))
}
