//! Who asks, and what a client asks when it starts.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py` `whoami`, `utils/_telemetry.py`, `utils/_headers.py`.

use http::StatusCode;
use polder_http::{Response, respond};
use polder_hub::{Error, Kind};
use polder_types::Role;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::moment;

/// Answers `GET /api/whoami-v2`.
pub(crate) async fn whoami(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let me = ask.hub.whoami(caller.principal()).await.map_err(|error| {
        // Words that the client does not take for those of a missing repository.
        Failure::Credentials(Error::new(Kind::Unauthenticated, error.message()))
    })?;
    let name = me.name.as_str();
    let org = |(org, role): &(polder_types::AccountName, Role)| {
        let name = org.as_str();
        json!({ "type": "org", "name": name, "fullname": name, "roleInOrg": role.as_str(), "isEnterprise": false })
    };
    let orgs: Vec<Value> = me.orgs.iter().map(org).collect();
    let role = match me.scope {
        _ if me.is_limited => "fineGrained",
        Role::Read => "read",
        Role::Write | Role::Admin => "write",
    };
    let token = json!({
        "displayName": format!("token-{}", me.token),
        "role": role,
        "createdAt": moment(me.token_created),
    });
    let answer = json!({
        "type": "user",
        "id": name,
        "name": name,
        "fullname": name,
        "email": null,
        "emailVerified": false,
        "isPro": false,
        "canPay": false,
        "orgs": orgs,
        "auth": { "type": "access_token", "accessToken": token },
    });
    Ok(respond::json(StatusCode::OK, &answer))
}

/// Answers `GET /api/agent-harnesses`: none are known here, and the client asks again tomorrow only.
pub(crate) fn agent_harnesses() -> Response {
    respond::json(StatusCode::OK, &json!({ "standardEnvVars": [], "harnesses": {} }))
}

/// Answers `HEAD /api/telemetry/…`: nothing is kept.
pub(crate) fn telemetry() -> Response {
    respond::json(StatusCode::OK, &json!({}))
}
