//! What a card's metadata must look like, beyond being YAML.
//!
//! Source: `huggingface_hub` 2.4.0 `repocard_data.py`: the types of the fields that clients write and read.

use serde_json::{Map, Value};

/// Fields that are one text.
const TEXTS: [&str; 4] = ["pipeline_tag", "library_name", "license_name", "license_link"];
/// Fields that are a text or a list of texts.
const TEXT_OR_TEXTS: [&str; 5] = ["license", "language", "base_model", "datasets", "metrics"];
/// Fields that are a list of texts.
const LISTS: [&str; 3] = ["tags", "task_categories", "size_categories"];
/// Most complaints about one card.
const ERRORS_MAX: usize = 20;

/// What is wrong with the metadata, for its author.
pub(crate) fn errors(data: &Map<String, Value>) -> Vec<String> {
    let mut errors = Vec::new();
    let bad = |key: &str, is_fine: fn(&Value) -> bool| data.get(key).is_some_and(|value| !is_fine(value));
    errors.extend(
        TEXTS.iter().filter(|key| bad(key, is_text)).map(|key| format!("\"{key}\" must be a string")),
    );
    let of_texts = |key: &&str| bad(key, |value| is_text(value) || is_texts(value));
    let message = |key: &&str| format!("\"{key}\" must be a string or an array of strings");
    errors.extend(TEXT_OR_TEXTS.iter().filter(|key| of_texts(key)).map(message));
    let lists = LISTS.iter().filter(|key| bad(key, is_texts));
    errors.extend(lists.map(|key| format!("\"{key}\" must be an array of strings")));
    if let Some(index) = data.get("model-index").filter(|index| !index.is_null()) {
        errors.extend(of_index(index));
    }
    errors.truncate(ERRORS_MAX);
    errors
}

/// Complaints about the results that a card tells of.
fn of_index(index: &Value) -> Vec<String> {
    let Some(models) = index.as_array() else { return vec!["\"model-index\" must be an array".to_owned()] };
    let mut errors = Vec::new();
    for (at, model) in models.iter().enumerate().take(ERRORS_MAX) {
        if !model.get("name").is_some_and(is_text) {
            errors.push(format!("\"model-index[{at}].name\" is required"));
        }
        match model.get("results").map(Value::as_array) {
            None => errors.push(format!("\"model-index[{at}].results\" is required")),
            Some(None) => errors.push(format!("\"model-index[{at}].results\" must be an array")),
            Some(Some(results)) => {
                for (number, result) in results.iter().enumerate().take(ERRORS_MAX) {
                    let missing =
                        ["task", "dataset", "metrics"].into_iter().filter(|key| result.get(key).is_none());
                    let path = format!("model-index[{at}].results[{number}]");
                    errors.extend(missing.map(|key| format!("\"{path}.{key}\" is required")));
                }
            }
        }
    }
    errors
}

/// A key without a value says nothing.
fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn is_texts(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_hub::Card;

    fn of(yaml: &str) -> Vec<String> {
        errors(&Card::parse(&format!("---\n{yaml}\n---\n")).unwrap().data)
    }

    #[test]
    fn a_field_of_a_wrong_type_is_named() {
        for fine in [
            "license: mit\nlanguage: no\ntags: [a, b]\npipeline_tag: fill-mask",
            "license: [mit, apache-2.0]\nlanguage: [en, de]\nbase_model: a/b\ndatasets: [c/d]",
            "tags:\nlicense:\nmodel-index:",
            "other: {anything: [1, 2]}",
            "model-index:\n- name: m\n  results:\n  - task: {type: t}\n    dataset: {type: d, name: d}\n    metrics: []",
        ] {
            assert_eq!(of(fine), [""; 0], "{fine}");
        }
        for (yaml, message) in [
            ("license: 3", "\"license\" must be a string or an array of strings"),
            ("license: {a: b}", "\"license\" must be a string or an array of strings"),
            ("language: [en, 1]", "\"language\" must be a string or an array of strings"),
            ("tags: bert", "\"tags\" must be an array of strings"),
            ("tags: [1]", "\"tags\" must be an array of strings"),
            ("pipeline_tag: [a]", "\"pipeline_tag\" must be a string"),
            ("model-index: m", "\"model-index\" must be an array"),
            ("model-index:\n- results: []", "\"model-index[0].name\" is required"),
            ("model-index:\n- name: m", "\"model-index[0].results\" is required"),
            ("model-index:\n- name: m\n  results: x", "\"model-index[0].results\" must be an array"),
        ] {
            assert_eq!(of(yaml), [message], "{yaml}");
        }
        assert_eq!(of("model-index:\n- name: m\n  results: [{}]").len(), 3);
        let many: String = (0..50).map(|_| "- x\n").collect();
        assert_eq!(of(&format!("model-index:\n{many}")).len(), ERRORS_MAX);
    }
}
