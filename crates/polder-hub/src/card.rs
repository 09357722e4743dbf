//! The card of a repository: the YAML between two `---` at the start of its `README.md`.
//!
//! Source: `huggingface_hub` 2.4.0 `repocard.py`; the tags are those that the public hub lists repositories
//! by, as its clients filter for them (`hf_api.py`, `list_models`, `list_datasets`).

use polder_types::RepoKind;
use serde_json::{Map, Value};

use crate::tag_types::OTHER;

/// Most tags of one repository.
const TAGS_MAX: usize = 1_000;

/// What a card says about its repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// The metadata, as written.
    pub data: Map<String, Value>,
}

impl Card {
    /// Reads the metadata of a card; one without any is fine.
    ///
    /// ```
    /// let card = polder_hub::Card::parse("---\nlicense: mit\ntags: [a, b]\n---\n# A model\n").unwrap();
    /// assert_eq!(card.text("license"), Some("mit"));
    /// assert!(polder_hub::Card::parse("---\nlicense: [\n---\n").is_err());
    /// ```
    ///
    /// # Errors
    /// What is wrong, for its author.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(yaml) = front_matter(text) else { return Ok(Self::default()) };
        if yaml.trim().is_empty() {
            return Ok(Self::default());
        }
        // As in YAML 1.2: the language `no` is no boolean.
        let options = serde_saphyr::options! { strict_booleans: true };
        let value: Value = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("the metadata at the start of the card is no valid YAML: {first}")
        })?;
        match value {
            Value::Object(data) => Ok(Self { data }),
            Value::Null => Ok(Self::default()),
            _ => Err("the metadata at the start of the card must be keys with values".to_owned()),
        }
    }

    /// A key's value, if it is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(Value::as_str)
    }

    /// A key's value, if it is a text or a list of texts.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        texts(&self.data, key)
    }

    /// The tags by which clients look for a repository of this kind.
    pub fn tags(&self, kind: RepoKind) -> Vec<String> {
        let Fields { plain, prefixed } = fields(kind);
        let mut tags: Vec<String> =
            plain.iter().flat_map(|(key, _)| self.texts(key)).map(str::to_owned).collect();
        for (key, word) in prefixed {
            tags.extend(self.texts(key).into_iter().map(|value| format!("{word}:{value}")));
        }
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        tags.truncate(TAGS_MAX);
        tags
    }
}

/// Which fields become tags, and of what type.
pub(crate) struct Fields {
    /// Their values stand for themselves.
    pub(crate) plain: &'static [(&'static str, &'static str)],
    /// Their values have the type before them.
    pub(crate) prefixed: &'static [(&'static str, &'static str)],
}

/// A model's library, task and languages stand for themselves; a dataset's have their key before them.
pub(crate) const fn fields(kind: RepoKind) -> Fields {
    match kind {
        RepoKind::Model | RepoKind::Kernel => Fields {
            plain: &[
                ("library_name", "library"),
                ("tags", OTHER),
                ("language", "language"),
                ("pipeline_tag", "pipeline_tag"),
            ],
            prefixed: &[("license", "license"), ("datasets", "dataset"), ("base_model", "base_model")],
        },
        RepoKind::Dataset => Fields {
            plain: &[("tags", OTHER)],
            prefixed: &[
                ("annotations_creators", "annotations_creators"),
                ("language", "language"),
                ("language_creators", "language_creators"),
                ("license", "license"),
                ("multilinguality", "multilinguality"),
                ("size_categories", "size_categories"),
                ("source_datasets", "source_datasets"),
                ("task_categories", "task_categories"),
                ("task_ids", "task_ids"),
            ],
        },
        RepoKind::Space => {
            Fields { plain: &[("sdk", "sdk"), ("tags", OTHER)], prefixed: &[("license", "license")] }
        }
    }
}

/// A field's value, if it is a text or a list of texts.
pub(crate) fn texts<'a>(data: &'a Map<String, Value>, key: &str) -> Vec<&'a str> {
    match data.get(key) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The text between the first line `---` and the next one; `None` where there is none.
fn front_matter(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text.strip_prefix("---")?;
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'))?;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return rest.get(..at);
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(yaml: &str) -> Card {
        Card::parse(&format!("---\n{yaml}---\ntext")).unwrap()
    }

    #[test]
    fn only_what_stands_between_the_first_two_rulers_is_metadata() {
        for plain in ["", "# Model", "---", "--- \nx: 1\n---", "---\nx: 1\n", "text\n---\nx: 1\n---\n"] {
            assert_eq!(Card::parse(plain), Ok(Card::default()), "{plain:?}");
        }
        assert_eq!(card("x: 1\r\n").data.get("x"), Some(&Value::from(1)));
        assert_eq!(Card::parse("\u{feff}---\r\nx: y\r\n---\r\n").unwrap().text("x"), Some("y"));
        assert_eq!(card("language: [no, y]\n").texts("language"), ["no", "y"]);
        assert_eq!(card("").data.len() + card("\n# nothing\n").data.len(), 0);
    }

    #[test]
    fn bad_metadata_is_told_and_a_bomb_is_bad() {
        for bad in ["x: [", "- a\n- b\n", "just text\n", "x: 1\nx: 2\n"] {
            let why = Card::parse(&format!("---\n{bad}\n---\n")).unwrap_err();
            assert!(why.starts_with("the metadata"), "{why}");
        }
        let level = |level: usize| {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{inner}]\n")
        };
        let bomb: String = (1..12).map(level).collect();
        let bomb = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{bomb}");
        assert!(Card::parse(&format!("---\n{bomb}---\n")).is_err());
    }

    #[test]
    fn tags_are_those_that_clients_filter_by() {
        let model = card(
            "license: mit\nlanguage: [en, zh]\ntags: [bert, en]\nlibrary_name: transformers\ndatasets: glue\n\
             pipeline_tag: text-classification\nbase_model: a/b\n",
        );
        assert_eq!(
            model.tags(RepoKind::Model),
            [
                "transformers",
                "bert",
                "en",
                "zh",
                "text-classification",
                "license:mit",
                "dataset:glue",
                "base_model:a/b"
            ]
        );
        let dataset = card("license: mit\nlanguage: en\ntask_categories: [qa]\n");
        assert_eq!(dataset.tags(RepoKind::Dataset), ["language:en", "license:mit", "task_categories:qa"]);
    }
}
