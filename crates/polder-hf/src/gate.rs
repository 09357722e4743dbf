//! Gated repositories: asking for access, and who may have it.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `list_pending_access_requests`, `accept_access_request`,
//! `grant_access`. Clients have no call for asking: they send people to a page, whose form goes to `ask-access`.

use axum::body::Body;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use polder_http::{Response, body, query_pairs, respond};
use polder_hub::{AccessRequest, AccessStatus, Asked, BodyEncoding, Error, Kind};
use polder_types::{AccessRequestId, AccountName};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::moment;

/// Requests in one page, and most that a client may ask for.
const PAGE: usize = 1_000;
/// Most fields of a form.
const FIELDS_MAX: usize = 64;
/// Most bytes of a posted form: encoded, each takes three.
const FORM_BYTES_MAX: u64 = 24 << 10;

/// Answers `POST …/user-access-request` and `POST /{repo}/ask-access`: with a form, an object, or nothing.
pub(crate) async fn ask_access(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    ask.signed_in().await?;
    let seen = ask.see().await?;
    let stream = body::request_stream(body);
    let held = ask.hub.hold_body(stream, BodyEncoding::Identity, FORM_BYTES_MAX).await?;
    let content_type = ask.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
    let fields = if is_json && !held.is_empty() {
        let bad = |_why| Error::new(Kind::Invalid, "what the form asks is sent as a JSON object");
        serde_json::from_slice(&held).map_err(bad)?
    } else {
        let form = String::from_utf8_lossy(&held);
        query_pairs(&form).map(|(key, value)| (key, Value::String(value))).collect::<Map<_, _>>()
    };
    if fields.len() > FIELDS_MAX {
        return Err(Error::new(Kind::TooLarge, format!("a form has at most {FIELDS_MAX} fields")).into());
    }
    let asked = ask.hub.ask_access(&seen, fields).await?;
    let (id, status) = (asked.id.to_string(), asked.status.as_str());
    Ok(respond::json(StatusCode::OK, &json!({ "requestId": id, "status": status })))
}

/// Answers `GET …/user-access-request/{status}`.
pub(crate) async fn requests(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.manage().await?;
    let status: AccessStatus =
        ask.at.revision.parse().map_err(|why: String| Error::new(Kind::NotFound, why))?;
    let bad = |_why| Error::new(Kind::Invalid, "this cursor belongs to another listing");
    let after = ask.query("cursor").map(|text| text.parse().map(AccessRequestId).map_err(bad)).transpose()?;
    let page = ask.hub.access_requests(&grant, status, after, ask.limit(PAGE, PAGE)).await?;
    let mut response = respond::json(StatusCode::OK, &page.requests.iter().map(shown).collect::<Vec<_>>());
    if let Some(next) = page.next {
        ask.link_next(&mut response, "cursor", &next.to_string());
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    user: Option<String>,
    request_id: Option<String>,
    status: String,
    rejection_reason: Option<String>,
}

/// Answers `POST …/user-access-request/handle`.
pub(crate) async fn handle(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.manage().await?;
    let decision: Decision = body::json(ask.hub, body).await?;
    let invalid = |why: &str| Error::new(Kind::Invalid, why);
    let status: AccessStatus = decision.status.parse().map_err(|why: String| invalid(&why))?;
    let reason = decision.rejection_reason;
    if reason.is_some() && status != AccessStatus::Rejected {
        return Err(invalid("`rejectionReason` is for rejections").into());
    }
    let asked = match (decision.user, decision.request_id) {
        (Some(user), None) => ask.hub.request_of(&account(&user)?).await?,
        (None, Some(id)) => Asked::Id(AccessRequestId(id.parse().map_err(|_why| no_request(&id))?)),
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("name the request by its `user` or its `requestId`").into());
        }
    };
    ask.hub.decide_access(&grant, asked, status, reason).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "status": status.as_str() })))
}

#[derive(Deserialize)]
struct Granted {
    user: String,
}

/// Answers `POST …/user-access-request/grant`.
pub(crate) async fn grant(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.manage().await?;
    let Granted { user } = body::json(ask.hub, body).await?;
    let granted = ask.hub.grant_access(&grant, &account(&user)?).await?;
    Ok(respond::json(StatusCode::OK, &shown(&granted)))
}

fn account(name: &str) -> Result<AccountName, Error> {
    name.parse().map_err(|_why| Error::new(Kind::NotFound, format!("there is no account `{name}`")))
}

fn no_request(id: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no request `{id}` for access"))
}

/// E-mail addresses are not kept here.
fn shown(request: &AccessRequest) -> Value {
    let name = request.account.as_str();
    let fields: Value = serde_json::from_str(&request.fields).unwrap_or_default();
    json!({
        "requestId": request.id.to_string(),
        "user": { "user": name, "fullname": name, "email": null, "type": "user" },
        "status": request.status.as_str(),
        "timestamp": moment(request.created),
        "decidedAt": request.decided.map(moment),
        "rejectionReason": request.reason,
        "fields": fields,
    })
}
