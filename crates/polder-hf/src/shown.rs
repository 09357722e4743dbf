//! A repository as the clients' `ModelInfo`, `DatasetInfo` and `SpaceInfo` know it.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`.

use polder_hub::{Activity, Facts};
use polder_types::{Gate, ObjectId, RepoKind, RepoName, UnixMillis};
use serde_json::{Map, Value, json};

use crate::card_rules::takeable;

/// Which fields were asked for: all, or those of `expand` alone.
pub(crate) struct Wanted(pub(crate) Vec<String>);

impl Wanted {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.is_empty() || self.is_named(key)
    }

    /// Whether it was asked for by its name.
    pub(crate) fn is_named(&self, key: &str) -> bool {
        self.0.iter().any(|wanted| wanted == key)
    }
}

/// What is shown of a repository.
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a RepoName,
    pub(crate) is_private: bool,
    pub(crate) gate: Option<Gate>,
    pub(crate) created: UnixMillis,
    pub(crate) commit_id: Option<ObjectId>,
    pub(crate) changed: UnixMillis,
    pub(crate) likes: i64,
    pub(crate) activity: Activity,
    pub(crate) facts: &'a Facts,
}

impl Shown<'_> {
    /// `namespace/name`, as the clients write it.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.name.namespace(), self.name.name())
    }

    /// The wanted fields; the id is always among them.
    pub(crate) fn fields(&self, wanted: &Wanted) -> Map<String, Value> {
        let card = takeable(&self.facts.card);
        let mut all = self.common(&card);
        all.extend(self.of_kind(&card));
        let mut fields: Map<String, Value> = all.into_iter().filter(|(key, _)| wanted.has(key)).collect();
        if wanted.is_named("downloadsAllTime") {
            fields.insert("downloadsAllTime".to_owned(), json!(self.activity.downloads_ever));
        }
        fields.insert("id".to_owned(), json!(self.id()));
        fields
    }

    fn common(&self, card: &Map<String, Value>) -> Map<String, Value> {
        let visibility = if self.is_private { "private" } else { "public" };
        let fields = json!({
            "author": self.name.namespace().as_str(),
            "private": self.is_private,
            "visibility": visibility,
            "gated": gated(self.gate),
            "disabled": false,
            "downloads": self.activity.downloads,
            "likes": self.likes,
            "trendingScore": self.activity.trend,
            "createdAt": moment(self.created),
            "lastModified": moment(self.changed),
            "sha": self.commit_id.map(|id| id.to_string()),
            "tags": self.facts.tags,
            "cardData": card,
        });
        object(fields)
    }

    fn of_kind(&self, card: &Map<String, Value>) -> Map<String, Value> {
        let facts = self.facts;
        object(match self.name.kind() {
            RepoKind::Model => {
                let mut fields = json!({
                    "modelId": self.id(),
                    "pipeline_tag": facts.pipeline_tag,
                    "library_name": facts.library_name,
                    "config": facts.config,
                });
                let known = [
                    ("safetensors", facts.safetensors.as_ref().map(|numbers| json!(numbers))),
                    ("transformersInfo", facts.transformers.as_ref().map(|info| json!(info))),
                    ("mask_token", facts.mask_token.as_deref().map(Value::from)),
                    ("widgetData", card.get("widget").cloned()),
                    ("model-index", card.get("model-index").cloned()),
                ];
                if let Some(fields) = fields.as_object_mut() {
                    let known = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
                    fields.extend(known);
                }
                fields
            }
            RepoKind::Dataset => json!({ "description": card.get("pretty_name") }),
            RepoKind::Space => json!({
                "sdk": card.get("sdk"),
                "models": facts.texts("models"),
                "datasets": facts.texts("datasets"),
            }),
            RepoKind::Kernel => json!({}),
        })
    }
}

/// A gate as the clients know it: its word, or `false`.
pub(crate) fn gated(gate: Option<Gate>) -> Value {
    gate.map_or(Value::Bool(false), |gate| json!(gate.as_str()))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The fields of both objects.
pub(crate) fn merged(one: Value, other: Value) -> Value {
    let mut fields = object(one);
    fields.extend(object(other));
    Value::Object(fields)
}

/// A moment as the clients parse it: to the millisecond.
pub(crate) fn moment(time: UnixMillis) -> String {
    let millis = time.0.rem_euclid(1000);
    time.rfc3339().replace('Z', &format!(".{millis:03}Z"))
}
