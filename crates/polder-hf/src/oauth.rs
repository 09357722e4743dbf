//! Tokens that clients get by themselves: RFC 8628, what of RFC 6749 it needs, and of RFC 8693 the exchange of an
//! issuer's id token.
//!
//! Source: `huggingface_hub` 2.4.0 `utils/_oauth_device.py`: any status under 500 is read as an answer, and an
//! `error` that it does not know ends the login; `_oidc.py` for the exchange, which is one JSON body.

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, StatusCode};
use polder_http::{
    ClientAddress, RequestId, Response, body, log, query_pairs, respond, set_retry_after, status,
};
use polder_hub::{Error, Issued, Kind, NoToken, Secret};
use serde_json::{Map, Value, json};

use crate::ask::Ask;

/// Where somebody agrees.
pub(crate) const PAGE: &str = "/oauth/approve";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const REFRESH_GRANT: &str = "refresh_token";
const EXCHANGE_GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is exchanged: an id token, which is a JWT, too (RFC 8693 §3).
const ID_TOKEN_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"];
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The client that `huggingface_hub` says it is: `constants.py`, `DEVICE_CODE_OAUTH_CLIENT_ID`.
const HUGGINGFACE_HUB: &str = "26be6b09-91c5-47da-9861-d2d2bb7a7e36";
/// When a client is to try again that found too many others waiting, in seconds.
const TOO_MANY_SECONDS: u16 = 60;

/// What a body says, of whichever media type it is.
struct Fields(Map<String, Value>);

impl Fields {
    async fn read(ask: &Ask<'_>, body: Body) -> Result<Self, NoToken> {
        let text = body::form(ask.hub, body).await?;
        let media_type = ask.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if media_type.is_some_and(|name| name.starts_with("application/json")) {
            let fields = serde_json::from_str(&text);
            return fields.map(Self).map_err(|error| NoToken::BadRequest(format!("the JSON body: {error}")));
        }
        Ok(Self(query_pairs(&text).map(|(key, value)| (key, Value::String(value))).collect()))
    }

    /// A field that must be there; what has another type than text is not.
    fn text(&self, name: &str) -> Result<&str, NoToken> {
        let value = self.0.get(name).and_then(Value::as_str);
        value.ok_or_else(|| NoToken::BadRequest(format!("`{name}` is missing")))
    }
}

/// Answers `POST /oauth/device`.
pub(crate) async fn device(ask: &Ask<'_>, body: Body) -> Response {
    let started = async {
        let fields = Fields::read(ask, body).await?;
        let address = ClientAddress::to_count_for(ask.parts);
        let client_id = fields.text("client_id")?;
        ask.hub.start_device_login(client_id, program(ask, client_id), address).await
    };
    match started.await {
        Ok(start) => {
            let page = format!("{}{PAGE}", ask.hub.public_url());
            let answer = json!({
                "device_code": start.device_code.reveal(),
                "user_code": start.user_code,
                "verification_uri": page,
                "verification_uri_complete": format!("{page}?user_code={}", start.user_code),
                "expires_in": start.expires_in_seconds,
                "interval": start.interval_seconds,
            });
            respond::json(StatusCode::OK, &answer)
        }
        Err(NoToken::SlowDown) => {
            let text = "too many programs wait to be agreed to; try again in a minute";
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "slow_down", text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(TOO_MANY_SECONDS));
            response
        }
        Err(why) => refused(ask, &why),
    }
}

/// Answers `POST /oauth/token`.
pub(crate) async fn token(ask: &Ask<'_>, body: Body) -> Response {
    let answer = async {
        let fields = Fields::read(ask, body).await?;
        let secret = |name| fields.text(name).map(Secret::new);
        let issued = match fields.text("grant_type")? {
            DEVICE_GRANT => {
                ask.hub.poll_device_login(&secret("device_code")?, fields.text("client_id")?).await?
            }
            REFRESH_GRANT => {
                ask.hub.refresh_login(&secret("refresh_token")?, fields.text("client_id")?).await?
            }
            EXCHANGE_GRANT => return exchange(ask, &fields).await,
            _ => return Err(NoToken::UnknownGrant),
        };
        Ok(shown(&issued))
    };
    match answer.await {
        Ok(answer) => respond::json(StatusCode::OK, &answer),
        Err(why) => refused(ask, &why),
    }
}

/// An id token for an access token (RFC 8693 §2).
async fn exchange(ask: &Ask<'_>, fields: &Fields) -> Result<Value, NoToken> {
    if !ID_TOKEN_TYPES.contains(&fields.text("subject_token_type")?) {
        return Err(NoToken::BadRequest(format!("the `subject_token_type` is not `{}`", ID_TOKEN_TYPES[0])));
    }
    if fields.0.contains_key("requested_token_type")
        && fields.text("requested_token_type")? != ACCESS_TOKEN_TYPE
    {
        return Err(NoToken::BadRequest(format!("the `requested_token_type` is not `{ACCESS_TOKEN_TYPE}`")));
    }
    let (id_token, resource) = (Secret::new(fields.text("subject_token")?), fields.text("resource")?);
    let address = ClientAddress::to_count_for(ask.parts);
    let exchanged = ask.hub.exchange_id_token(&id_token, resource, address).await?;
    Ok(json!({
        "access_token": exchanged.token.reveal(),
        "issued_token_type": ACCESS_TOKEN_TYPE,
        "token_type": "bearer",
        "expires_in": exchanged.expires_in_seconds,
        "scope": exchanged.scope,
    }))
}

fn shown(issued: &Issued) -> Value {
    let mut answer = json!({
        "access_token": issued.token.reveal(),
        "token_type": "bearer",
        "expires_in": issued.expires_in_seconds,
    });
    if let (Some(refresh), Some(fields)) = (&issued.refresh, answer.as_object_mut()) {
        fields.insert("refresh_token".to_owned(), refresh.reveal().into());
    }
    answer
}

fn refused(ask: &Ask<'_>, why: &NoToken) -> Response {
    let bad = |word, text: &str| refusal(StatusCode::BAD_REQUEST, word, text);
    match why {
        NoToken::Pending => bad("authorization_pending", "nobody has agreed yet"),
        NoToken::SlowDown => bad("slow_down", "wait longer between two questions"),
        NoToken::Expired => bad("expired_token", "nobody agreed in time"),
        NoToken::Denied => bad("access_denied", "somebody refused"),
        NoToken::BadGrant(text) => bad("invalid_grant", text),
        NoToken::BadRequest(text) => bad("invalid_request", text),
        NoToken::BadTarget => {
            bad("invalid_target", "the `resource` is not a repository (such as `acme/m`) or a user name")
        }
        NoToken::UnknownGrant => {
            let text = "this hub knows the grants `device_code`, `refresh_token` and `token-exchange`";
            bad("unsupported_grant_type", text)
        }
        NoToken::Failed(error) => failed(ask, error),
    }
}

fn failed(ask: &Ask<'_>, error: &Error) -> Response {
    log(error, &RequestId::in_extensions(&ask.parts.extensions));
    let word = match error.kind() {
        Kind::TooLarge => "invalid_request",
        Kind::Throttled => "slow_down",
        Kind::Internal => "server_error",
        _ => "temporarily_unavailable",
    };
    let mut response = refusal(status(error.kind()), word, error.message());
    set_retry_after(&mut response, error);
    response
}

fn refusal(status: StatusCode, word: &str, text: &str) -> Response {
    respond::json(status, &json!({ "error": word, "error_description": text }))
}

/// The program that asks, as it says: by the client that all of them are, or else first in its agent.
fn program<'a>(ask: &'a Ask<'_>, client_id: &str) -> &'a str {
    if client_id == HUGGINGFACE_HUB {
        return "huggingface_hub";
    }
    let agent = ask.parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.split([';', ' ']).find(|name| !name.is_empty()).unwrap_or("a program that does not say which")
}
