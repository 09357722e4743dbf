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
    let (name, users) = (found.name.as_str(), found.members.len());
    let own = json!({ "type": "org", "name": name, "numUsers": users, "isVerified": false });
    Ok(respond::json(StatusCode::OK, &merged(counts(&found), own)))
}

/// Answers `GET /api/organizations/{org}/members`.
pub(crate) async fn members(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let found = ask.hub.account_overview(caller.principal(), &account(ask)?, true).await?;
    let people: Vec<Value> = found.members.iter().map(|user| entry(user.as_str())).collect();
    Ok(respond::json(StatusCode::OK, &people))
}

/// Answers `GET /api/users/{user}/likes`.
pub(crate) async fn likes(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let liked = ask.hub.liked_by(caller.principal(), &account(ask)?).await?;
    let like = |(name, since): &(polder_types::RepoName, _)| {
        let id = format!("{}/{}", name.namespace(), name.name());
        json!({ "createdAt": moment(*since), "repo": { "name": id, "type": name.kind().as_str() } })
    };
    Ok(respond::json(StatusCode::OK, &liked.iter().map(like).collect::<Vec<_>>()))
}

/// Answers `GET …/likers`.
pub(crate) async fn likers(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let likers = ask.hub.likers(&grant).await?;
    Ok(respond::json(StatusCode::OK, &likers.iter().map(|name| entry(name)).collect::<Vec<_>>()))
}

/// Answers `POST` and `DELETE …/like`.
pub(crate) async fn like(ask: &Ask<'_>, likes: bool) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    ask.hub.set_like(&grant, likes).await.map_err(Failure::Repository)?;
    Ok(respond::json(StatusCode::OK, &json!({})))
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
