//! What a webhook is sent.
//!
//! Source: `huggingface_hub` 2.4.0 `_webhooks_payload.py`, version 3.

use polder_db::Delivery;
use polder_types::{AccountId, ObjectId, RepoName, Visibility};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Most refs that one payload lists; a push of more is told with these.
const REFS_MAX: usize = 1_000;

/// An id as clients of that API expect one: 24 hexadecimal digits.
pub(super) fn hex_id(id: i64) -> String {
    format!("{id:024x}")
}

/// What the facts say that are told; each has some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Facts {
    head: String,
    refs: Vec<(String, Option<ObjectId>, Option<ObjectId>)>,
    from: String,
    to: String,
}

/// What is told of a delivery; `None` if there is nothing to tell.
pub(super) struct Told {
    pub(super) facts: Facts,
    action: &'static str,
    scope: &'static str,
}

impl Told {
    /// Reads a fact.
    pub(super) fn of(kind: &str, facts: &str) -> Option<Self> {
        let mut facts: Facts = serde_json::from_str(facts).ok()?;
        facts.refs.retain(|(name, ..)| !name.starts_with("refs/polder/"));
        let (action, scope) = match kind {
            "repo.create" => ("create", "repo"),
            "repo.refs" if !facts.refs.is_empty() => ("update", "repo.content"),
            "repo.rename" => ("move", "repo"),
            "repo.visibility" => ("update", "repo.config"),
            "repo.delete" => ("delete", "repo"),
            _ => return None,
        };
        Some(Self { facts, action, scope })
    }

    /// The repository's former and new name, if it was renamed.
    pub(super) fn renamed(&self) -> Option<(RepoName, RepoName)> {
        let names = (self.facts.from.parse().ok()?, self.facts.to.parse().ok()?);
        (self.action == "move").then_some(names)
    }

    /// What the default branch is at after it, if it says so.
    fn head_oid(&self) -> Option<ObjectId> {
        self.facts.refs.iter().find(|(name, ..)| *name == self.facts.head).and_then(|(_, _, new)| *new)
    }

    /// The payload's members that are about it.
    pub(super) fn members(&self, moved_to: Option<(&RepoName, AccountId)>) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("event".to_owned(), json!({ "action": self.action, "scope": self.scope }));
        if self.scope == "repo.content" {
            let refs = self.facts.refs.iter().take(REFS_MAX);
            let refs = refs.map(|(name, old, new)| json!({ "ref": name, "oldSha": old, "newSha": new }));
            members.insert("updatedRefs".to_owned(), refs.collect());
        }
        if self.scope == "repo.config" {
            members.insert("updatedConfig".to_owned(), json!({ "private": self.facts.to == "private" }));
        }
        if let Some((name, owner)) = moved_to {
            let moved = json!({ "name": path(name), "owner": { "id": hex_id(owner.0) } });
            members.insert("movedTo".to_owned(), moved);
        }
        members
    }

    /// The commit of the default branch, as the payload says it.
    pub(super) fn head_or(&self, now: Option<ObjectId>) -> Option<ObjectId> {
        self.head_oid().or(now)
    }
}

/// The payload's member `repo`.
pub(super) fn repo(
    delivery: &Delivery,
    name: &RepoName,
    owner: AccountId,
    head: Option<ObjectId>,
    public_url: &str,
) -> Value {
    let (kind, path) = (name.kind(), path(name));
    json!({
        "type": kind.as_str(),
        "name": path,
        "id": hex_id(delivery.repo.id.0),
        "private": delivery.repo.visibility == Visibility::Private,
        "url": {
            "web": format!("{public_url}/{name}"),
            "api": format!("{public_url}/api/{}/{path}", kind.plural()),
        },
        "headSha": head.map(|oid| oid.to_string()),
        "owner": { "id": hex_id(owner.0) },
    })
}

fn path(name: &RepoName) -> String {
    format!("{}/{}", name.namespace(), name.name())
}
