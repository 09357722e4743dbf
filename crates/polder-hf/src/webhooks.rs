//! Webhooks of the caller's account.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `create_webhook`, `update_webhook`, `list_webhooks`.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::{Error, Kind, Watched, Webhook, WebhookChange};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;

#[derive(Deserialize)]
struct Watch {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

/// A webhook as bodies say it. `update_webhook` sends an empty `watched` where nothing is to change.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    url: Option<String>,
    job_source_id: Option<Value>,
    #[serde(default)]
    watched: Vec<Watch>,
    domains: Option<Vec<String>>,
    secret: Option<String>,
}

impl Wanted {
    fn change(self) -> Result<WebhookChange, Error> {
        if self.job_source_id.is_some() {
            return Err(Error::new(Kind::Invalid, "this hub runs no jobs; name a `url`"));
        }
        let domains = self.domains.as_deref();
        let unknown = |word: &&String| !matches!(word.as_str(), "repo" | "discussion" | "discussions");
        if let Some(word) = domains.unwrap_or_default().iter().find(unknown) {
            let message = format!("`{word}` is nothing to be told of; say `repo` or `discussions`");
            return Err(Error::new(Kind::Invalid, message));
        }
        let has = |prefix: &str| domains.map(|words| words.iter().any(|word| word.starts_with(prefix)));
        Ok(WebhookChange {
            url: self.url,
            secret: self.secret,
            repo_events: has("repo"),
            talk_events: has("discussion"),
            watched: self.watched.into_iter().map(|watch| (watch.kind, watch.name)).collect(),
        })
    }
}

/// Answers `GET /api/settings/webhooks`.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Response, Failure> {
    let webhooks = ask.hub.webhooks(ask.signed_in().await?.principal()).await?;
    Ok(respond::json(StatusCode::OK, &webhooks.iter().map(shown).collect::<Vec<_>>()))
}

/// Answers `POST /api/settings/webhooks`.
pub(crate) async fn add(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let wanted: Wanted = body::json(ask.hub, body).await?;
    Ok(answer(&ask.hub.add_webhook(caller.principal(), wanted.change()?).await?))
}

/// Answers `GET /api/settings/webhooks/{id}`.
pub(crate) async fn one(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    Ok(answer(&ask.hub.webhook(caller.principal(), id(ask)?).await?))
}

/// Answers `POST /api/settings/webhooks/{id}`.
pub(crate) async fn set(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let wanted: Wanted = body::json(ask.hub, body).await?;
    Ok(answer(&ask.hub.set_webhook(caller.principal(), id(ask)?, wanted.change()?).await?))
}

/// Answers `POST /api/settings/webhooks/{id}/enable` and `…/disable`.
pub(crate) async fn enable(ask: &Ask<'_>, enable: bool) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    Ok(answer(&ask.hub.enable_webhook(caller.principal(), id(ask)?, enable).await?))
}

/// Answers `DELETE /api/settings/webhooks/{id}`.
pub(crate) async fn delete(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    ask.hub.delete_webhook(caller.principal(), id(ask)?).await?;
    Ok(respond::json(StatusCode::OK, &json!({})))
}

fn id(ask: &Ask<'_>) -> Result<i64, Error> {
    let text = &ask.at.revision;
    let id = i64::from_str_radix(text, 16).ok().filter(|_| text.len() == 24);
    id.ok_or_else(|| Error::new(Kind::NotFound, format!("webhook `{text}` does not exist")))
}

fn answer(webhook: &Webhook) -> Response {
    respond::json(StatusCode::OK, &json!({ "webhook": shown(webhook) }))
}

fn shown(webhook: &Webhook) -> Value {
    let settings = &webhook.settings;
    let watched = webhook.watched.iter().map(|watched| match watched {
        Watched::User(name) => json!({ "type": "user", "name": name }),
        Watched::Org(name) => json!({ "type": "org", "name": name }),
        Watched::Repo(_, kind, name) => json!({ "type": kind.as_str(), "name": name }),
    });
    let domains = [("repo", settings.repo_events), ("discussions", settings.talk_events)];
    let domains: Vec<&str> = domains.iter().filter(|(_, is_told)| *is_told).map(|(word, _)| *word).collect();
    json!({
        "id": format!("{:024x}", webhook.id),
        "url": settings.url,
        "watched": watched.collect::<Vec<_>>(),
        "domains": domains,
        "secret": settings.secret,
        "disabled": webhook.disabled,
        "lastError": webhook.last_error,
    })
}
