//! Users and organisations, what they have and what they like.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `get_user_overview`, `get_organization_overview`,
//! `list_organization_members`, `list_repo_likers`, `list_liked_repos`, `unlike`.

use http::StatusCode;
use polder_http::{Response, respond};
use polder_hub::{AccountOverview, Error, Kind};
use polder_types::AccountName;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::{merged, moment};

/// Most entries of a page of people or likes.
const PAGE: usize = 1_000;

/// The account that the path names.
pub(crate) fn account(ask: &Ask<'_>) -> Result<AccountName, Failure> {
    let name = &ask.at.revision;
    let missing = |_why| Error::new(Kind::NotFound, format!("there is no account `{name}`"));
    Ok(name.parse().map_err(missing)?)
}

/// Answers `GET /api/users/{user}/overview`.
pub(crate) async fn user(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let found = ask.hub.account_overview(caller.principal(), &account(ask)?, false).await?;
    let orgs: Vec<Value> = found.orgs.iter().map(|org| entry(org.as_str())).collect();
    let name = found.name.as_str();
    let own = json!({ "type": "user", "user": name, "orgs": orgs, "numLikes": found.likes, "isPro": false });
    Ok(respond::json(StatusCode::OK, &merged(counts(&found), own)))
}

/// Answers `GET /api/organizations/{org}/overview`.
pub(crate) async fn organization(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let found = ask.hub.account_overview(caller.principal(), &account(ask)?, true).await?;
    let mut own = json!({ "type": "org", "name": found.name.as_str(), "isVerified": false });
    if let (Some(fields), Some(members)) = (own.as_object_mut(), found.members) {
        fields.insert("numUsers".to_owned(), members.into());
    }
    Ok(respond::json(StatusCode::OK, &merged(counts(&found), own)))
}

/// Answers `GET /api/organizations/{org}/members`.
pub(crate) async fn members(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let (cursor, limit) = page(ask);
    let found = ask.hub.members(caller.principal(), &account(ask)?, cursor.as_deref(), limit).await?;
    let (members, next) = found;
    Ok(listed(ask, members.iter().map(|user| entry(user.as_str())), next))
}

/// Answers `GET /api/users/{user}/likes`.
pub(crate) async fn likes(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let (cursor, limit) = page(ask);
    let found = ask.hub.liked_by(caller.principal(), &account(ask)?, cursor.as_deref(), limit).await?;
    let (liked, next) = found;
    let like = |(name, since): &(polder_types::RepoName, _)| {
        let id = format!("{}/{}", name.namespace(), name.name());
        json!({ "createdAt": moment(*since), "repo": { "name": id, "type": name.kind().as_str() } })
    };
    Ok(listed(ask, liked.iter().map(like), next))
}

/// Answers `GET …/likers`.
pub(crate) async fn likers(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let (cursor, limit) = page(ask);
    let (likers, next) = ask.hub.likers(&grant, cursor.as_deref(), limit).await?;
    Ok(listed(ask, likers.iter().map(|name| entry(name)), next))
}

/// Answers `POST` and `DELETE …/like`.
pub(crate) async fn like(ask: &Ask<'_>, likes: bool) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    ask.hub.set_like(&grant, likes).await.map_err(Failure::Repository)?;
    Ok(respond::json(StatusCode::OK, &json!({})))
}

/// The page that is asked for.
fn page(ask: &Ask<'_>) -> (Option<String>, usize) {
    (ask.query("cursor"), ask.limit(PAGE, PAGE))
}

fn listed(ask: &Ask<'_>, items: impl Iterator<Item = Value>, next: Option<String>) -> Response {
    let mut response = respond::json(StatusCode::OK, &items.collect::<Vec<_>>());
    if let Some(next) = next {
        ask.link_next(&mut response, "cursor", &next);
    }
    response
}

fn counts(found: &AccountOverview) -> Value {
    json!({
        "fullname": found.name.as_str(),
        "avatarUrl": "",
        "createdAt": moment(found.created),
        "numModels": found.models,
        "numDatasets": found.datasets,
        "numSpaces": found.spaces,
        "numFollowers": 0,
        "numFollowing": 0,
        "numUpvotes": 0,
        "numPapers": 0,
        "numDiscussions": found.discussions,
        "isFollowing": false,
    })
}

fn entry(name: &str) -> Value {
    json!({ "user": name, "name": name, "fullname": name, "avatarUrl": "", "type": "user" })
}
