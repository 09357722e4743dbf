//! What webhooks are sent of discussions.
//!
//! Source: `huggingface_hub` 2.4.0 `_webhooks_payload.py`, `WebhookPayloadDiscussion`, `WebhookPayloadComment`.

use polder_db::{Delivery, Talk, TalkComment};
use serde_json::{Map, Value, json};

use super::payload::hex_id;

/// The members of a payload that are about what happened in a discussion: `event`, `discussion`, `comment`.
pub(super) fn members(talk: &Talk, delivery: &Delivery, public_url: &str) -> Map<String, Value> {
    let (name, num) = (&delivery.repo.name, talk.num);
    let web = format!("{public_url}/{name}/discussions/{num}");
    let place = format!("{}/{}/{}", name.kind().plural(), name.namespace(), name.name());
    let changes = talk
        .pull
        .as_ref()
        .map(|(base, merged)| json!({ "base": base, "mergeCommitId": merged.map(|oid| oid.to_string()) }));
    let action = if talk.is_new { "create" } else { "update" };
    let scope = if talk.comment.is_some() { "discussion.comment" } else { "discussion" };
    let discussion = json!({
        "id": format!("{}-{num}", hex_id(delivery.repo.id.0)),
        "num": num,
        "title": talk.title,
        "author": { "id": hex_id(talk.author.0) },
        "isPullRequest": talk.pull.is_some(),
        "status": talk.status,
        "changes": changes,
        "url": { "web": web, "api": format!("{public_url}/api/{place}/discussions/{num}") },
    });
    let mut members = Map::new();
    members.insert("event".to_owned(), json!({ "action": action, "scope": scope }));
    members.insert("discussion".to_owned(), discussion);
    if let Some(comment) = &talk.comment {
        members.insert("comment".to_owned(), said(comment, &web));
    }
    members
}

fn said(comment: &TalkComment, web: &str) -> Value {
    let id = comment.id.to_string();
    json!({
        "id": id,
        "author": { "id": hex_id(comment.author.0) },
        "content": comment.text,
        "hidden": comment.text.is_none(),
        "url": { "web": format!("{web}#{id}") },
    })
}
