//! What the files of a repository say about it: its card, its configuration, its weights.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use polder_git::{Snapshot, TreeEntry};
use polder_types::{ObjectId, RepoKind, Sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::card::{Card, texts};
use crate::error::Result;
use crate::safetensors::{Source, Tensor, each_tensor, read_header};
use crate::tasks::{TransformersInfo, loaded_by};

/// Longest card or configuration that is read, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Longest header of a safetensors file that is read, in bytes.
const HEADER_BYTES_MAX: u64 = 8 << 20;
/// Most safetensors files whose headers are read.
const SHARDS_MAX: usize = 128;
/// Most entries of the root folder that are looked at.
const ROOT_ENTRIES_MAX: usize = 2_000;
/// Formats of weights that are known by the ends of their files' names.
pub(crate) const FORMATS: [&str; 3] = ["safetensors", "gguf", "onnx"];
/// What of a model's configuration is kept.
const CONFIG_KEYS: [&str; 3] = ["architectures", "model_type", "quantization_config"];
/// Libraries whose models are known by their files, as `huggingface_hub` names them.
const TRANSFORMERS: &str = "transformers";
const SENTENCE_TRANSFORMERS: &str = "sentence-transformers";

/// What is known of a repository at a commit, without asking anyone but its files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The card's metadata.
    pub card: Map<String, Value>,
    /// What it is found by.
    pub tags: Vec<String>,
    /// What a model is for.
    pub pipeline_tag: Option<String>,
    /// What loads it.
    pub library_name: Option<String>,
    /// The telling part of `config.json`.
    pub config: Map<String, Value>,
    /// What its tokenizer has where a word is to be guessed.
    pub mask_token: Option<String>,
    /// How many parameters a model has, if its safetensors files say so.
    pub safetensors: Option<Parameters>,
    /// What of `transformers` loads it.
    pub transformers: Option<TransformersInfo>,
}

impl Facts {
    /// The licence that the card names, or the first of several.
    pub fn license(&self) -> Option<&str> {
        self.texts("license").first().copied()
    }

    /// What a model most likely does whose card does not say it.
    fn inferred_task(&self) -> Option<String> {
        if self.library_name.as_deref() == Some(SENTENCE_TRANSFORMERS) {
            return Some("sentence-similarity".to_owned());
        }
        self.transformers.as_ref()?.pipeline_tag.clone()
    }

    /// What a field of the card says, if that is a text or a list of texts.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        texts(&self.card, key)
    }
}

/// Numbers of a model's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// By data type, such as `F32`.
    pub parameters: BTreeMap<String, u64>,
    /// All together.
    pub total: u64,
}

/// Gives the bytes of a large object, if it is here.
pub(crate) type OpenObject<'a> = &'a dyn Fn(Sha256) -> Option<Arc<File>>;

/// Reads what there is to know. What cannot be understood is not known.
pub(crate) fn read_facts(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    kind: RepoKind,
    open: OpenObject<'_>,
) -> Result<Facts> {
    let root = polder_git::list_tree(snapshot, commit_id, "", false, None, ROOT_ENTRIES_MAX)?.entries;
    let files = Files { snapshot, root, open };
    let card = files.text("README.md").and_then(|text| Card::parse(&text).ok()).unwrap_or_default();
    let mut facts = Facts { tags: card.tags(kind), ..Facts::default() };
    if kind == RepoKind::Model {
        let whole = files.text("config.json").map(|text| config(&text)).unwrap_or_default();
        facts.mask_token = files.text("tokenizer_config.json").and_then(|text| mask_token(&text));
        facts.safetensors = files.parameters();
        let library = card.text("library_name").map(str::to_owned);
        facts.library_name = library.or_else(|| files.library(&whole));
        if facts.library_name.as_deref() == Some(TRANSFORMERS) {
            facts.transformers = loaded_by(&whole, files.find("tokenizer_config.json").is_some());
        }
        facts.pipeline_tag = card.text("pipeline_tag").map(str::to_owned).or_else(|| facts.inferred_task());
        facts.config = telling(whole);
        let formats =
            FORMATS.iter().filter(|ending| files.has_ending(ending)).map(|&ending| ending.to_owned());
        let model_type = facts.config.get("model_type").and_then(Value::as_str).map(str::to_owned);
        let more = facts.library_name.clone().into_iter().chain(formats).chain(model_type);
        let more: Vec<String> = more.chain(facts.pipeline_tag.clone()).collect();
        for tag in more {
            if !facts.tags.contains(&tag) {
                facts.tags.push(tag);
            }
        }
    }
    facts.card = card.data;
    Ok(facts)
}

struct Files<'a> {
    snapshot: &'a Snapshot,
    root: Vec<TreeEntry>,
    open: OpenObject<'a>,
}

impl Files<'_> {
    fn find(&self, name: &str) -> Option<&TreeEntry> {
        self.root.iter().find(|entry| entry.path == name && entry.kind.is_file())
    }

    fn has_ending(&self, ending: &str) -> bool {
        let ends = |path: &str| path.rsplit_once('.').is_some_and(|(_, last)| last == ending);
        self.root.iter().any(|entry| entry.kind.is_file() && ends(&entry.path))
    }

    /// A small text file in git.
    fn text(&self, name: &str) -> Option<String> {
        let entry = self.find(name).filter(|entry| entry.pointer.is_none())?;
        entry.size_bytes.filter(|size| *size <= TEXT_BYTES_MAX)?;
        let content = polder_git::read_file(self.snapshot, entry.oid).ok()?;
        Some(String::from_utf8_lossy(&content).into_owned())
    }

    /// What most likely loads a model that does not say it.
    fn library(&self, config: &Map<String, Value>) -> Option<String> {
        let library = if self.find("modules.json").is_some() {
            SENTENCE_TRANSFORMERS
        } else if self.find("model_index.json").is_some() {
            "diffusers"
        } else if self.find("adapter_config.json").is_some() {
            "peft"
        } else if config.contains_key("model_type") || config.contains_key("architectures") {
            TRANSFORMERS
        } else {
            return None;
        };
        Some(library.to_owned())
    }

    /// The sum over `model.safetensors`, or over the shards that stand for it.
    fn parameters(&self) -> Option<Parameters> {
        let is_shard = |path: &str| path.starts_with("model-") && path.ends_with(".safetensors");
        let shards: Vec<&TreeEntry> = match self.find("model.safetensors") {
            Some(whole) => vec![whole],
            None => self.root.iter().filter(|entry| entry.kind.is_file() && is_shard(&entry.path)).collect(),
        };
        if shards.is_empty() || shards.len() > SHARDS_MAX {
            return None;
        }
        let mut sum = Parameters::default();
        for shard in shards {
            count_parameters(&self.header(shard)?, &mut sum)?;
        }
        Some(sum)
    }

    /// The JSON at the start of a safetensors file.
    fn header(&self, entry: &TreeEntry) -> Option<Vec<u8>> {
        let source = match entry.pointer {
            Some(pointer) => Source::Object((self.open)(pointer.oid)?, pointer.size_bytes),
            None => Source::Git(polder_git::read_file(self.snapshot, entry.oid).ok()?),
        };
        read_header(&entry.path, &source, HEADER_BYTES_MAX).ok()
    }
}

/// Adds the tensors of a header; `None` if it is none.
fn count_parameters(header: &[u8], sum: &mut Parameters) -> Option<()> {
    let mut add = |tensor: Tensor| {
        let count = tensor.shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side))?;
        let of_type = sum.parameters.entry(tensor.dtype).or_default();
        *of_type = of_type.checked_add(count)?;
        sum.total = sum.total.checked_add(count)?;
        Some(())
    };
    each_tensor(header, &mut add).ok()
}

fn config(text: &str) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(config)) => config,
        _ => Map::new(),
    }
}

fn telling(mut all: Map<String, Value>) -> Map<String, Value> {
    CONFIG_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), all.remove(*key)?))).collect()
}

/// A token is a text, or an object with one.
fn mask_token(text: &str) -> Option<String> {
    let config: Value = serde_json::from_str(text).ok()?;
    let token = config.get("mask_token")?;
    token.get("content").unwrap_or(token).as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_writes_its_tokens_in_two_ways() {
        for (text, expected) in [
            (r#"{"mask_token": "[MASK]"}"#, Some("[MASK]")),
            (r#"{"mask_token": {"content": "<mask>", "lstrip": true}}"#, Some("<mask>")),
            (r#"{"mask_token": null}"#, None),
            (r#"{"mask_token": {"content": 5}}"#, None),
            ("[1", None),
        ] {
            assert_eq!(mask_token(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn parameters_are_summed_by_type_and_nonsense_is_not_known() {
        let count = |header: &str| {
            let mut sum = Parameters::default();
            count_parameters(header.as_bytes(), &mut sum).map(|()| sum)
        };
        let sum = count(
            r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
            "b":{"dtype":"F16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"F32","shape":[4],"data_offsets":[26,42]}}"#,
        )
        .unwrap();
        assert_eq!(sum.total, 11);
        assert_eq!(sum.parameters, BTreeMap::from([("F16".to_owned(), 1), ("F32".to_owned(), 10)]));
        for bad in ["", "[]", "{\"a\":1}", r#"{"a":{"dtype":"F32","shape":[9223372036854775807,4]}}"#] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_telling_part_of_a_configuration_is_kept() {
        let kept = telling(config(r#"{"model_type":"bert","vocab_size":9,"architectures":["BertModel"]}"#));
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["architectures", "model_type"]);
        assert!(config("[]").is_empty() && config("{").is_empty());
    }
}
