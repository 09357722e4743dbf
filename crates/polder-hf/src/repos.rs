//! Making, deleting, moving and hiding repositories.
//!
//! Source: `huggingface_hub` 2.4.0 and 0.36.2 `hf_api.py`, `create_repo`, `delete_repo`, `move_repo`,
//! `update_repo_settings`, `update_repo_visibility`.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Caller, Response, body, respond};
use polder_hub::{Error, Grant, Hub, Kind, Manage, SpaceSdk};
use polder_types::{AccountName, Gate, RepoKind, RepoName, Visibility};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::gated;

/// A repository as bodies name it: `name` with or without a namespace, which may also be `organization`.
#[derive(Deserialize)]
struct Named {
    name: String,
    organization: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    visibility: Option<String>,
    private: Option<bool>,
}

impl Named {
    fn repo(&self, caller: &Caller) -> Result<RepoName, Error> {
        let own = caller.principal().name().map(str::to_owned);
        let (namespace, name) = match self.name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (self.organization.clone().or(own), self.name.as_str()),
        };
        let namespace = namespace.ok_or_else(|| Error::hidden(true, ""))?;
        let invalid = |why: &dyn std::fmt::Display| Error::new(Kind::Invalid, why.to_string());
        let namespace: AccountName = namespace.parse().map_err(|error| invalid(&error))?;
        RepoName::new(kind(self.kind.as_deref())?, namespace, name).map_err(|error| invalid(&error))
    }
}

/// What a Space has where it runs, and what a repository has elsewhere. Whoever sends it would miss it.
const NOT_KEPT: [&str; 9] = [
    "hardware",
    "storageTier",
    "sleepTimeSeconds",
    "secrets",
    "variables",
    "volumes",
    "template",
    "resourceGroupId",
    "region",
];

/// A repository to be made, and whatever else its body says.
#[derive(Deserialize)]
struct NewRepo {
    #[serde(flatten)]
    named: Named,
    sdk: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl NewRepo {
    fn sdk(&self) -> Result<Option<SpaceSdk>, Error> {
        if self.named.kind.as_deref() != Some("space") {
            return Ok(None);
        }
        self.sdk.as_deref().map(str::parse).transpose().map_err(|why: String| Error::new(Kind::Invalid, why))
    }
}

/// Refuses what would be dropped without a word.
fn refuse_dropped(more: &Map<String, Value>) -> Result<(), Error> {
    let is_said = |key: &&str| more.get(*key).is_some_and(|value| !value.is_null());
    match NOT_KEPT.iter().find(|key| is_said(key)) {
        Some(key) => Err(Error::new(
            Kind::Invalid,
            format!("this hub keeps repositories and runs nothing: it has no `{key}`; leave it out"),
        )),
        None => Ok(()),
    }
}

fn kind(word: Option<&str>) -> Result<RepoKind, Error> {
    word.unwrap_or("model").parse().map_err(|why: String| Error::new(Kind::Invalid, why))
}

fn visibility(word: Option<&str>, private: Option<bool>) -> Result<Option<Visibility>, Error> {
    match (word, private) {
        (Some("public"), _) | (None, Some(false)) => Ok(Some(Visibility::Public)),
        (Some("private"), _) | (None, Some(true)) => Ok(Some(Visibility::Private)),
        (None, None) => Ok(None),
        (Some(other), _) => Err(Error::new(
            Kind::Invalid,
            format!("`{other}` is no visibility here; say `public` or `private`"),
        )),
    }
}

/// The page of a repository, from which clients read its id.
fn url(hub: &Hub, name: &RepoName) -> String {
    format!("{}/{name}", hub.public_url())
}

/// Answers `POST /api/repos/create`. A name that is in use is told with its URL, which clients read when
/// they may go on with it (`exist_ok=True`); that of a deleted repository is gone, so that they do not.
pub(crate) async fn create(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let new: NewRepo = body::json(ask.hub, body).await?;
    refuse_dropped(&new.more)?;
    let (named, sdk) = (&new.named, new.sdk()?);
    let name = named.repo(&caller)?;
    let visibility = visibility(named.visibility.as_deref(), named.private)?.unwrap_or(Visibility::Public);
    let id = format!("{}/{}", name.namespace(), name.name());
    match ask.hub.create_repo(caller.principal(), &name, visibility, sdk).await {
        Ok(name) => {
            Ok(respond::json(StatusCode::OK, &json!({ "url": url(ask.hub, &name), "name": id, "id": id })))
        }
        Err(error) if error.kind() == Kind::Conflict => {
            let body = json!({ "error": error.message(), "url": url(ask.hub, &name), "name": id, "id": id });
            Ok(respond::json(StatusCode::CONFLICT, &body))
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers `DELETE /api/repos/delete`.
pub(crate) async fn delete(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let named: Named = body::json(ask.hub, body).await?;
    let grant = manage(ask.hub, &caller, &named.repo(&caller)?).await?;
    ask.hub.delete_managed(&grant).await?;
    Ok(respond::json(StatusCode::OK, &json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Move {
    from_repo: String,
    to_repo: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Answers `POST /api/repos/move`.
pub(crate) async fn move_repo(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let wanted: Move = body::json(ask.hub, body).await?;
    let name = |id: String| {
        let (organization, visibility, private) = (None, None, None);
        Named { name: id, organization, kind: wanted.kind.clone(), visibility, private }.repo(&caller)
    };
    let grant = manage(ask.hub, &caller, &name(wanted.from_repo)?).await?;
    ask.hub.rename_managed(&grant, &name(wanted.to_repo)?).await?;
    Ok(respond::json(StatusCode::OK, &json!({})))
}

#[derive(Deserialize)]
struct Duplicate {
    repository: String,
    visibility: Option<String>,
    private: Option<bool>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Answers `POST …/duplicate`. As in [`create`], a name that is in use is told with its URL.
pub(crate) async fn duplicate(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let from = ask.read().await?;
    let Duplicate { repository, visibility: word, private, more } = body::json(ask.hub, body).await?;
    refuse_dropped(&more)?;
    let kind = Some(from.repo().kind().as_str().to_owned());
    let named = Named { name: repository, organization: None, kind, visibility: None, private: None };
    let to = named.repo(&caller)?;
    match ask.hub.duplicate(&from, &to, visibility(word.as_deref(), private)?).await {
        Ok(to) => {
            let body = json!({ "url": url(ask.hub, &to), "filesCopyPending": false });
            Ok(respond::json(StatusCode::OK, &body))
        }
        Err(error) if error.kind() == Kind::Conflict => {
            let body = json!({ "error": error.message(), "url": url(ask.hub, &to) });
            Ok(respond::json(StatusCode::CONFLICT, &body))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct Settings {
    visibility: Option<String>,
    private: Option<bool>,
    gated: Option<Value>,
}

/// `auto`, `manual` or `false`.
fn wanted_gate(word: &Value) -> Result<Option<Gate>, Error> {
    let bad = || Error::new(Kind::Invalid, "`gated` is `auto`, `manual` or `false`");
    match word {
        Value::Bool(false) => Ok(None),
        Value::String(word) => word.parse().map(Some).map_err(|_why: String| bad()),
        _ => Err(bad()),
    }
}

/// Answers `PUT …/settings`.
pub(crate) async fn settings(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.manage().await?;
    let settings: Settings = body::json(ask.hub, body).await?;
    let wanted = visibility(settings.visibility.as_deref(), settings.private)?;
    let gate = settings.gated.as_ref().map(wanted_gate).transpose()?;
    // What closes comes first: nothing is open to all between the two.
    if let Some(Some(gate)) = gate {
        ask.hub.gate_managed(&grant, Some(gate)).await?;
    }
    if let Some(wanted) = wanted {
        ask.hub.show_managed(&grant, wanted).await?;
    }
    if gate == Some(None) {
        ask.hub.gate_managed(&grant, None).await?;
    }
    let is_private = wanted.map_or(grant.is_private(), |wanted| wanted == Visibility::Private);
    let gate = gate.unwrap_or(grant.gate());
    Ok(respond::json(StatusCode::OK, &json!({ "private": is_private, "gated": gated(gate) })))
}

/// Permission over a repository that a body names; a former name is as good as the new one.
async fn manage(hub: &Hub, caller: &Caller, name: &RepoName) -> Result<Grant<Manage>, Failure> {
    let first = hub.manage(caller.principal(), name).await;
    let moved = first.as_ref().err().and_then(|error| error.moved_to().cloned());
    let granted = match moved {
        Some(name) => hub.manage(caller.principal(), &name).await,
        None => first,
    };
    granted.map_err(Failure::Repository)
}
