//! What a card's metadata must look like, beyond being YAML.
//!
//! Source: `huggingface_hub` 2.4.0 `repocard_data.py`: the types of the fields that clients write and read.

use serde_json::{Map, Value};

/// Fields that are one text.
const TEXTS: [&str; 4] = ["pipeline_tag", "library_name", "license_name", "license_link"];
/// Fields that are a text or a list of texts.
const TEXT_OR_TEXTS: [&str; 7] =
    ["license", "language", "base_model", "datasets", "metrics", "task_categories", "size_categories"];
/// The field that is a list of texts.
const TAGS: &str = "tags";
/// The field with results.
const MODEL_INDEX: &str = "model-index";
/// Most complaints about one card.
const ERRORS_MAX: usize = 20;
/// Names that the clients' `CardData` has itself: a card that says one ends in an exception, so they are not shown.
/// All that begin with two underscores are Python's.
const TAKEN: [&str; 8] =
    ["self", "ignore_metadata_errors", "eval_results", "get", "pop", "to_dict", "to_yaml", "_to_dict"];

/// What is wrong with the metadata, for its author.
pub(crate) fn errors(data: &Map<String, Value>) -> Vec<String> {
    let mut errors: Vec<String> = data.iter().flat_map(|(key, value)| of_field(key, value)).collect();
    errors.truncate(ERRORS_MAX);
    errors
}

/// The metadata as clients can take it, which make an object of it whenever they read of a repository: without
/// fields that there is a complaint about, and without [`TAKEN`] names.
pub(crate) fn takeable(data: &Map<String, Value>) -> Map<String, Value> {
    let is_taken = |key: &str| key.starts_with("__") || TAKEN.contains(&key);
    let fine = data.iter().filter(|(key, value)| !is_taken(key) && of_field(key, value).is_empty());
    fine.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Complaints about one field.
fn of_field(key: &str, value: &Value) -> Vec<String> {
    let must = |is_fine: bool, what: &str| {
        if is_fine { Vec::new() } else { vec![format!("\"{key}\" must be {what}")] }
    };
    if TEXTS.contains(&key) {
        must(is_text(value), "a string")
    } else if TEXT_OR_TEXTS.contains(&key) {
        must(is_text(value) || is_texts(value), "a string or an array of strings")
    } else if key == TAGS {
        must(is_texts(value), "an array of strings")
    } else if key == MODEL_INDEX && !value.is_null() {
        of_index(value)
    } else {
        Vec::new()
    }
}

/// Complaints about the results that a card tells of.
fn of_index(index: &Value) -> Vec<String> {
    let Some(models) = index.as_array() else { return vec!["\"model-index\" must be an array".to_owned()] };
    let mut errors = Vec::new();
    for (at, model) in models.iter().enumerate() {
        if !model.get("name").is_some_and(is_text) {
            errors.push(format!("\"model-index[{at}].name\" is required"));
        }
        match model.get("results").map(Value::as_array) {
            None => errors.push(format!("\"model-index[{at}].results\" is required")),
            Some(None) => errors.push(format!("\"model-index[{at}].results\" must be an array")),
            Some(Some(results)) => {
                for (number, result) in results.iter().enumerate() {
                    of_result(result, &format!("model-index[{at}].results[{number}]"), &mut errors);
                    if errors.len() >= ERRORS_MAX {
                        return errors;
                    }
                }
            }
        }
        if errors.len() >= ERRORS_MAX {
            break;
        }
    }
    errors
}

/// Complaints about one result.
///
/// Source: `huggingface_hub` 2.4.0 and 0.36.2 `repocard_data.py`, `model_index_to_eval_results`: both end in an
/// exception over a `source` that is no object or has a name alone, 0.36.2 over an empty one, too;
/// `EvalResult.unique_identifier` is hashed.
fn of_result(result: &Value, path: &str, errors: &mut Vec<String>) {
    let missing = ["task", "dataset", "metrics"].into_iter().filter(|key| result.get(key).is_none());
    errors.extend(missing.map(|key| format!("\"{path}.{key}\" is required")));
    if let Some(source) = result.get("source") {
        let has = |key: &str| source.get(key).is_some_and(|value| !value.is_null());
        if !source.is_object() {
            errors.push(format!("\"{path}.source\" must be an object"));
        } else if has("name") && !has("url") {
            errors.push(format!("\"{path}.source.url\" is required"));
        }
    }
    for (of, keys) in [("task", &["type"][..]), ("dataset", &["type", "config", "split", "revision"])] {
        for key in keys {
            let value = result.get(of).and_then(|fields| fields.get(key));
            if value.is_some_and(|value| value.is_object() || value.is_array()) {
                errors.push(format!("\"{path}.{of}.{key}\" must be a string"));
            }
        }
    }
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
            "task_categories: qa\nsize_categories: [n<1K]",
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

    #[test]
    fn a_result_that_would_end_a_client_is_named_however_far_down_it_stands() {
        let fine = "  - task: {type: t}\n    dataset: {type: d, name: d}\n    metrics: []\n";
        let index =
            |more: &str| format!("model-index:\n- name: m\n  results:\n{}{fine}    {more}", fine.repeat(50));
        let at = "model-index[0].results[50]";
        assert_eq!(of(&index("source: {name: s, url: u}")), [""; 0]);
        for (more, message) in [
            ("source: x", format!("\"{at}.source\" must be an object")),
            ("source:", format!("\"{at}.source\" must be an object")),
            ("source: {name: s}", format!("\"{at}.source.url\" is required")),
        ] {
            assert_eq!(of(&index(more)), [message], "{more}");
        }
        let unhashable = "model-index:\n- name: m\n  results:\n  - task: {type: [t]}\n    \
            dataset: {type: d, name: d, config: {a: b}}\n    metrics: []";
        assert_eq!(of(unhashable).len(), 2);
    }

    #[test]
    fn only_what_clients_can_take_is_shown_and_all_of_that() {
        let yaml = "license: mit\ntags: 3\nself: 1\nignore_metadata_errors: 1\n__dict__: x\nto_dict: x\nwidget: [a]\n\
            model-index: m\nx: {y: z}\n_note: n";
        let data = Card::parse(&format!("---\n{yaml}\n---\n")).unwrap().data;
        let mut shown: Vec<_> = takeable(&data).into_iter().map(|(key, _)| key).collect();
        shown.sort();
        assert_eq!(shown, ["_note", "license", "widget", "x"]);
    }
}
