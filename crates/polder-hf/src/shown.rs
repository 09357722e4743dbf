//! A repository as the clients' `ModelInfo`, `DatasetInfo` and `SpaceInfo` know it.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`.

use polder_hub::{Activity, Facts};
use polder_types::{Gate, ObjectId, RepoKind, RepoName, UnixMillis};
use serde_json::{Map, Value, json};

use crate::card_rules::takeable;

/// Fields that are read from the files of a commit, which takes its time.
const OF_FILES: [&str; 14] = [
    "tags",
    "cardData",
    "pipeline_tag",
    "library_name",
    "config",
    "safetensors",
    "transformersInfo",
    "mask_token",
    "widgetData",
    "model-index",
    "description",
    "sdk",
    "models",
    "datasets",
];

/// Which fields were asked for: all, or those of `expand` alone.
pub(crate) struct Wanted(pub(crate) Vec<String>);

impl Wanted {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.is_empty() || self.is_named(key)
    }

    /// Whether anything was asked for that files say.
    pub(crate) fn needs_facts(&self) -> bool {
        OF_FILES.iter().any(|key| self.has(key))
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

#[cfg(test)]
mod tests {
    use super::*;
    use polder_hub::Card;

    fn fields(id: &str, facts: &Facts) -> Map<String, Value> {
        let name = id.parse().expect("a name");
        let (created, changed, activity) = (UnixMillis(0), UnixMillis(0), Activity::default());
        let (is_private, gate, commit_id, likes) = (false, None, None, 0);
        Shown { name: &name, is_private, gate, created, commit_id, changed, likes, activity, facts }
            .fields(&Wanted(Vec::new()))
    }

    #[test]
    fn files_are_read_for_what_they_say_and_for_nothing_else() {
        let yaml =
            "widget: [a]\nmodel-index: []\npretty_name: x\nsdk: static\nmodels: [a/b]\ndatasets: [c/d]";
        let facts = json!({
            "card": Card::parse(&format!("---\n{yaml}\n---\n")).expect("a card").data,
            "tags": ["t"],
            "pipeline_tag": "p",
            "library_name": "l",
            "config": {"model_type": "bert"},
            "mask_token": "m",
            "safetensors": {"parameters": {}, "total": 0},
            "transformers": {"auto_model": "AutoModel"},
        });
        let facts = serde_json::from_value(facts).expect("facts");
        let mut differ = std::collections::BTreeSet::new();
        for id in ["acme/m", "datasets/acme/m", "spaces/acme/m", "kernels/acme/m"] {
            let (told, nothing) = (fields(id, &facts), fields(id, &Facts::default()));
            differ.extend(
                told.into_iter().filter(|(key, value)| nothing.get(key) != Some(value)).map(|(key, _)| key),
            );
        }
        assert_eq!(differ, OF_FILES.map(str::to_owned).into());
        for (asked, expected) in [(vec![], true), (vec!["sha", "likes"], false), (vec!["sha", "tags"], true)]
        {
            let wanted = Wanted(asked.into_iter().map(str::to_owned).collect());
            assert_eq!(wanted.needs_facts(), expected, "{:?}", wanted.0);
        }
    }
}
