//! Collections.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `create_collection`, `list_collections`,
//! `update_collection_metadata`, `add_collection_item`.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::{
    Collection, CollectionChange, CollectionSearch, Error, Kind, ShownCollection, ShownItem, ShownWhat,
    collection_slug,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::{merged, moment};

/// Collections of a page, unless another number is asked for.
const PAGE: usize = 100;

#[derive(Deserialize)]
struct New {
    title: String,
    namespace: Option<String>,
    description: Option<String>,
    private: Option<bool>,
}

#[derive(Deserialize)]
struct Change {
    title: Option<String>,
    description: Option<String>,
    private: Option<bool>,
    theme: Option<String>,
    position: Option<i64>,
}

#[derive(Deserialize)]
struct NewItem {
    item: Item,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ItemChange {
    note: Option<String>,
    position: Option<usize>,
}

/// Answers `GET /api/collections`.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let search = CollectionSearch {
        owners: ask.queries("owner"),
        items: ask.queries("item"),
        cursor: ask.query("cursor"),
        limit: ask.limit(PAGE, PAGE),
    };
    let (found, next) = ask.hub.collections(caller.principal(), search).await?;
    // The client counts the positions of a listing itself.
    let items: Vec<Value> = found.iter().map(|one| shown(one, None)).collect();
    let mut response = respond::json(StatusCode::OK, &items);
    if let Some(next) = next {
        ask.link_next(&mut response, "cursor", &next);
    }
    Ok(response)
}

/// Answers `POST /api/collections`. One that is there already is told with its slug, by which clients go on.
pub(crate) async fn add(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let New { title, namespace, description, private } = body::json(ask.hub, body).await?;
    let own = caller.principal().name().unwrap_or_default();
    let change = CollectionChange { title: Some(title), description, private, ..CollectionChange::default() };
    let namespace = namespace.as_deref().unwrap_or(own);
    match ask.hub.add_collection(caller.principal(), namespace, change).await? {
        Ok(made) => Ok(whole(&made)),
        Err(there) => {
            let message = format!("`{}` has a collection `{}` already", there.owner, there.text.title);
            let body = json!({ "error": message, "slug": collection_slug(&there) });
            Ok(respond::json(StatusCode::CONFLICT, &body))
        }
    }
}

/// Answers `GET /api/collections/{slug}`.
pub(crate) async fn one(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    Ok(whole(&ask.hub.collection(caller.principal(), &ask.at.revision).await?))
}

/// Answers `PATCH /api/collections/{slug}`.
pub(crate) async fn set(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let Change { title, description, private, theme, position } = body::json(ask.hub, body).await?;
    let change = CollectionChange { title, description, private, theme, position };
    let now = ask.hub.set_collection(caller.principal(), &ask.at.revision, change).await?;
    let place = now.collection.text.place;
    Ok(respond::json(StatusCode::OK, &json!({ "success": true, "data": shown(&now, Some(place)) })))
}

/// Answers `DELETE /api/collections/{slug}`.
pub(crate) async fn delete(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    ask.hub.delete_collection(caller.principal(), &ask.at.revision).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "success": true })))
}

/// Answers `POST …/items`.
pub(crate) async fn add_item(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let NewItem { item, note } = body::json(ask.hub, body).await?;
    let item = (item.kind.as_str(), item.id.as_str());
    Ok(whole(&ask.hub.add_collection_item(caller.principal(), &ask.at.revision, item, note).await?))
}

/// Answers `PATCH …/items/{id}`.
pub(crate) async fn set_item(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let ItemChange { note, position } = body::json(ask.hub, body).await?;
    let (slug, item) = (&ask.at.revision, item_id(ask)?);
    ask.hub.set_collection_item(caller.principal(), slug, item, note, position).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "success": true })))
}

/// Answers `DELETE …/items/{id}`.
pub(crate) async fn delete_item(ask: &Ask<'_>) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    ask.hub.delete_collection_item(caller.principal(), &ask.at.revision, item_id(ask)?).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "success": true })))
}

fn item_id(ask: &Ask<'_>) -> Result<i64, Error> {
    let text = &ask.at.path;
    let id = i64::from_str_radix(text, 16).ok().filter(|_| text.len() == 24);
    id.ok_or_else(|| Error::new(Kind::NotFound, format!("this collection has no item `{text}`")))
}

fn whole(one: &ShownCollection) -> Response {
    respond::json(StatusCode::OK, &shown(one, Some(one.collection.text.place)))
}

fn shown(one: &ShownCollection, position: Option<i64>) -> Value {
    let ShownCollection { collection, items } = one;
    let items: Vec<Value> = items.iter().enumerate().map(|(at, item)| shown_item(at, item)).collect();
    let value = merged(described(collection), json!({ "items": items }));
    match position {
        Some(position) => merged(value, json!({ "position": position })),
        None => value,
    }
}

fn described(collection: &Collection) -> Value {
    let text = &collection.text;
    let name = collection.owner.as_str();
    let kind = if collection.is_org { "org" } else { "user" };
    json!({
        "slug": collection_slug(collection),
        "title": text.title,
        "description": text.description,
        "owner": { "name": name, "fullname": name, "type": kind, "avatarUrl": "" },
        "lastUpdated": moment(collection.updated),
        "private": text.private,
        "theme": text.theme,
        "upvotes": 0,
        "isUpvotedByUser": false,
        "gating": false,
    })
}

fn shown_item(at: usize, item: &ShownItem) -> Value {
    let what = match &item.what {
        ShownWhat::Repo(name, is_private) => json!({
            "id": format!("{}/{}", name.namespace(), name.name()),
            "type": name.kind().as_str(),
            "author": name.namespace().as_str(),
            "private": is_private,
        }),
        ShownWhat::Collection(collection) => {
            let id = format!("{:024x}", collection.id);
            merged(described(collection), json!({ "id": id, "type": "collection" }))
        }
    };
    let note = item.note.as_ref().map(|note| json!({ "text": note }));
    merged(what, json!({ "_id": format!("{:024x}", item.id), "position": at, "note": note }))
}
