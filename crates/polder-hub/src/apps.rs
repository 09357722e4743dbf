//! Which programs on a user's own machine run a model.
//!
//! Source: `huggingface.js` `packages/tasks/src/local-apps.ts`, where each program says what it shows itself for;
//! what that reads of a GGUF file is known here by the file's name.

use serde_json::Value;

use crate::facts::Facts;

/// Programs that run any GGUF file.
const GGUF: [&str; 12] = [
    "backyard",
    "docker-model-runner",
    "jan",
    "jellybox",
    "llama.cpp",
    "lmstudio",
    "localai",
    "msty",
    "node-llama-cpp",
    "ollama",
    "recursechat",
    "sanctum",
];
/// Programs that make pictures with any model of diffusers that does.
const PICTURES: [&str; 4] = ["diffusionbee", "drawthings", "invoke", "jellybox"];
/// Programs that write text with whole models, and with some that were made smaller.
const SERVERS: [&str; 3] = ["docker-model-runner", "sglang", "vllm"];
const SMALLER: [&str; 4] = ["aqlm", "awq", "gptq", "marlin"];

/// The programs that run a model, each once.
pub(crate) fn apps(facts: &Facts) -> Vec<&'static str> {
    let has = |tag: &str| facts.tags.iter().any(|found| found == tag);
    let task = |wanted: &str| facts.pipeline_tag.as_deref() == Some(wanted);
    let is_gguf = has("gguf");
    let method = facts.config.get("quantization_config").and_then(|config| config.get("quant_method"));
    let is_smaller = method.and_then(Value::as_str).is_some_and(|method| SMALLER.contains(&method));
    let writes = task("text-generation") || task("image-text-to-text");
    let is_diffusers = facts.library_name.as_deref() == Some("diffusers");
    let mut apps = Vec::new();
    let mut add = |runs: bool, more: &[&'static str]| apps.extend(more.iter().filter(|_| runs));
    add(is_gguf, &GGUF);
    add(writes && (is_gguf || is_smaller || has("transformers")), &SERVERS);
    add(has("mlx"), &["lmstudio"]);
    add(has("mlx") && task("text-generation"), &["mlx-lm"]);
    add(has("text-generation-inference"), &["tgi"]);
    add(is_diffusers && task("text-to-image"), &PICTURES);
    add(is_diffusers && has("lora"), &["drawthings", "jellybox"]);
    add(has("coreml") && has("joyfusion") && task("text-to-image"), &["joyfusion"]);
    apps.sort_unstable();
    apps.dedup();
    apps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_what_they_run() {
        let apps = |tags: &[&str], task: &str| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            apps(&Facts { tags, pipeline_tag: Some(task.to_owned()), ..Facts::default() })
        };
        assert!(apps(&["gguf"], "fill-mask").contains(&"ollama"));
        assert!(!apps(&["gguf"], "fill-mask").contains(&"vllm"));
        assert!(
            apps(&["gguf"], "text-generation").iter().filter(|app| **app == "docker-model-runner").count()
                == 1
        );
        assert_eq!(apps(&["transformers"], "text-generation"), SERVERS);
        assert_eq!(apps(&["transformers"], "fill-mask"), [""; 0]);
        assert_eq!(apps(&["mlx"], "text-generation"), ["lmstudio", "mlx-lm"]);
        let smaller = Facts {
            config: serde_json::from_str(r#"{"quantization_config":{"quant_method":"awq"}}"#).unwrap(),
            pipeline_tag: Some("image-text-to-text".to_owned()),
            ..Facts::default()
        };
        assert_eq!(super::apps(&smaller), SERVERS);
    }
}
