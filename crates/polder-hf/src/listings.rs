//! What accounts store, whom they follow, and the tags that there are.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `list_user_repos`, `list_user_followers`, `get_model_tags`.

use std::collections::BTreeMap;

use http::StatusCode;
use polder_http::{Response, respond};
use polder_hub::CatalogTag;
use polder_types::{RepoKind, Visibility};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::people::account;
use crate::shown::moment;

/// Answers `GET /api/settings/repositories` and `/api/organizations/{org}/settings/repositories`.
pub(crate) async fn stored(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let organization = Some(ask.at.revision.as_str()).filter(|name| !name.is_empty());
    let after = ask.query("cursor").and_then(|text| text.parse().ok());
    let (found, next) = ask.hub.stored_repos(caller.principal(), organization, after).await?;
    let shown = found.iter().map(|one| {
        let name = &one.repo.name;
        let is_private = one.repo.visibility == Visibility::Private;
        let of_all = one.bytes.saturating_mul(10_000).checked_div(one.namespace_bytes).unwrap_or(0);
        json!({
            "id": format!("{}/{}", name.namespace(), name.name()),
            "type": name.kind().as_str(),
            "updatedAt": moment(one.changed),
            "visibility": if is_private { "private" } else { "public" },
            "storage": one.bytes,
            // To a hundredth; what several repositories link counts for each.
            "storagePercent": json!(f64::from(i32::try_from(of_all).unwrap_or(i32::MAX)) / 100.0),
        })
    });
    let mut response = respond::json(StatusCode::OK, &shown.collect::<Vec<Value>>());
    if let Some(next) = next {
        ask.link_next(&mut response, "cursor", &next.to_string());
    }
    Ok(response)
}

/// Answers `GET /api/users/{user}/followers`, `…/following` and `/api/organizations/{org}/followers`: nobody can
/// be followed here.
pub(crate) async fn followers(ask: &Ask<'_>, is_org: bool) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    ask.hub.account_overview(caller.principal(), &account(ask)?, is_org).await?;
    Ok(respond::json(StatusCode::OK, &json!([])))
}

/// Answers `GET /api/models-tags-by-type` and `/api/datasets-tags-by-type`: of what anyone may read.
pub(crate) async fn tags(ask: &Ask<'_>, kind: RepoKind) -> Result<Response, Failure> {
    ask.caller().await?;
    let mut by_type: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for tag in ask.hub.public_tags(kind).await? {
        let CatalogTag { tag, kind } = tag;
        let label = tag.strip_prefix(&kind).and_then(|rest| rest.strip_prefix(':')).unwrap_or(&tag);
        let entry = json!({ "id": tag, "label": label, "type": kind });
        by_type.entry(kind).or_default().push(entry);
    }
    Ok(respond::json(StatusCode::OK, &by_type))
}
