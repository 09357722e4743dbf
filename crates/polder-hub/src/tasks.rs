//! What a model of `transformers` does and which of its classes loads it, by the configuration alone.
//!
//! Source: transformers 5.23 `models/auto/modeling_auto.py` (how classes are called) and `pipelines/__init__.py`
//! (`SUPPORTED_TASKS`, `get_task`); `huggingface_hub` 2.4.0 `hf_api.py`, `TransformersInfo`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What loads a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformersInfo {
    /// Class that picks the model's own, such as `AutoModelForCausalLM`.
    pub auto_model: String,
    /// That class in the repository's own code, where it brings some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_class: Option<String>,
    /// Task of the pipeline that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline_tag: Option<String>,
    /// Class that prepares its inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
}

/// What loads a class, its task and what prepares its inputs; nothing is said of what depends on more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use(&'static str, Option<&'static str>, Option<&'static str>);

const TEXT: Option<&str> = Some("AutoTokenizer");
const IMAGE: Option<&str> = Some("AutoImageProcessor");
const SOUND: Option<&str> = Some("AutoFeatureExtractor");
const MIXED: Option<&str> = Some("AutoProcessor");

/// Classes of some families, by the start and the end of their names, that are not what others with that end are.
const FAMILIES: [(&[&str], &str, Use); 7] = [
    (&["XLM", "Flaubert"], "WithLMHeadModel", Use("AutoModelForMaskedLM", Some("fill-mask"), TEXT)),
    (
        &["Wav2Vec2", "Hubert", "WavLM", "UniSpeech", "SEW", "Data2VecAudio"],
        "ForSequenceClassification",
        Use("AutoModelForAudioClassification", Some("audio-classification"), SOUND),
    ),
    (
        &["LayoutLM"],
        "ForQuestionAnswering",
        Use("AutoModelForDocumentQuestionAnswering", Some("document-question-answering"), MIXED),
    ),
    (
        &["Tapas"],
        "ForQuestionAnswering",
        Use("AutoModelForTableQuestionAnswering", Some("table-question-answering"), TEXT),
    ),
    (
        &["Vilt", "Blip"],
        "ForQuestionAnswering",
        Use("AutoModelForVisualQuestionAnswering", Some("visual-question-answering"), MIXED),
    ),
    (
        &["OwlViT", "Owlv2", "GroundingDino", "MMGroundingDino", "OmDetTurbo"],
        "ForObjectDetection",
        Use("AutoModelForZeroShotObjectDetection", Some("zero-shot-object-detection"), MIXED),
    ),
    (
        &["Whisper", "Speech2Text", "Moonshine", "SpeechT5"],
        "ForConditionalGeneration",
        Use("AutoModelForSpeechSeq2Seq", Some("automatic-speech-recognition"), MIXED),
    ),
];

/// All others, by the end of their names.
const CLASSES: [(&str, Use); 17] = [
    ("ForCausalLM", Use("AutoModelForCausalLM", Some("text-generation"), TEXT)),
    ("LMHeadModel", Use("AutoModelForCausalLM", Some("text-generation"), TEXT)),
    ("ForMaskedLM", Use("AutoModelForMaskedLM", Some("fill-mask"), TEXT)),
    (
        "ForSequenceClassification",
        Use("AutoModelForSequenceClassification", Some("text-classification"), TEXT),
    ),
    ("ForTokenClassification", Use("AutoModelForTokenClassification", Some("token-classification"), TEXT)),
    ("ForQuestionAnswering", Use("AutoModelForQuestionAnswering", Some("question-answering"), TEXT)),
    ("ForMultipleChoice", Use("AutoModelForMultipleChoice", Some("multiple-choice"), TEXT)),
    ("ForImageClassification", Use("AutoModelForImageClassification", Some("image-classification"), IMAGE)),
    ("ForSemanticSegmentation", Use("AutoModelForSemanticSegmentation", Some("image-segmentation"), IMAGE)),
    ("ForUniversalSegmentation", Use("AutoModelForUniversalSegmentation", Some("image-segmentation"), IMAGE)),
    ("ForObjectDetection", Use("AutoModelForObjectDetection", Some("object-detection"), IMAGE)),
    ("ForDepthEstimation", Use("AutoModelForDepthEstimation", Some("depth-estimation"), IMAGE)),
    ("ForVideoClassification", Use("AutoModelForVideoClassification", Some("video-classification"), IMAGE)),
    ("ForAudioClassification", Use("AutoModelForAudioClassification", Some("audio-classification"), SOUND)),
    ("ForCTC", Use("AutoModelForCTC", Some("automatic-speech-recognition"), MIXED)),
    ("ForTextToSpeech", Use("AutoModelForTextToSpectrogram", Some("text-to-audio"), MIXED)),
    ("ForPreTraining", Use("AutoModelForPreTraining", None, None)),
];

/// Ends of names of classes that are not what the table has for a shorter end, and of which nothing is said.
const OTHERS: [&str; 2] = ["WithLMHeadModel", "EncoderDecoderModel"];
/// What the configuration of a model has that is made of several, or takes or makes sound.
const PARTS: [&str; 6] =
    ["encoder", "decoder", "text_encoder", "audio_encoder", "audio_config", "upsample_rates"];
/// Of models that make sound although their configuration does not tell.
const SPEAKERS: [&str; 3] = ["Vits", "Bark", "SeamlessM4T"];

/// What loads the model whose `config.json` this is, if that tells it; `has_tokenizer` says whether words go in.
pub(crate) fn loaded_by(config: &Map<String, Value>, has_tokenizer: bool) -> Option<TransformersInfo> {
    let class = config.get("architectures")?.get(0)?.as_str()?;
    let Use(auto_model, task, processor) = used(class, config, has_tokenizer)?;
    let custom_class = config.get("auto_map").and_then(|map| map.get(auto_model)).and_then(Value::as_str);
    Some(TransformersInfo {
        auto_model: auto_model.to_owned(),
        custom_class: custom_class.map(str::to_owned),
        pipeline_tag: task.map(str::to_owned),
        processor: processor.map(str::to_owned),
    })
}

fn used(class: &str, config: &Map<String, Value>, has_tokenizer: bool) -> Option<Use> {
    let is_of = |(starts, end, _): &&(&[&str], &str, Use)| {
        class.ends_with(end) && starts.iter().any(|start| class.starts_with(start))
    };
    if let Some((_, _, found)) = FAMILIES.iter().find(is_of) {
        return Some(*found);
    }
    let has_parts = PARTS.iter().any(|part| config.contains_key(*part));
    if OTHERS.iter().any(|end| class.ends_with(end)) || SPEAKERS.iter().any(|start| class.starts_with(start))
    {
        return None;
    }
    if let Some((_, found)) = CLASSES.iter().find(|(end, _)| class.ends_with(end)) {
        return Some(*found);
    }
    let sees = config.contains_key("vision_config");
    if class.ends_with("ForConditionalGeneration") {
        let is_text = !has_parts && config.get("is_encoder_decoder") == Some(&Value::Bool(true));
        return match (sees, is_text) {
            (true, _) => Some(Use("AutoModelForImageTextToText", Some("image-text-to-text"), MIXED)),
            (false, true) => Some(Use("AutoModelForSeq2SeqLM", Some("text2text-generation"), TEXT)),
            (false, false) => None,
        };
    }
    let is_text = has_tokenizer && !sees && !has_parts;
    let plain = if is_text { (Some("feature-extraction"), TEXT) } else { (None, None) };
    class.ends_with("Model").then_some(Use("AutoModel", plain.0, plain.1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(config: &Value, has_tokenizer: bool) -> Option<(String, String)> {
        let found = loaded_by(config.as_object().unwrap(), has_tokenizer)?;
        Some((found.auto_model, found.pipeline_tag.unwrap_or_default()))
    }

    #[test]
    fn the_class_tells_what_loads_a_model_and_what_it_does() {
        for (class, auto_model, task) in [
            ("LlamaForCausalLM", "CausalLM", "text-generation"),
            ("GPT2LMHeadModel", "CausalLM", "text-generation"),
            ("XLMWithLMHeadModel", "MaskedLM", "fill-mask"),
            ("BertForMaskedLM", "MaskedLM", "fill-mask"),
            ("BertForSequenceClassification", "SequenceClassification", "text-classification"),
            ("HubertForSequenceClassification", "AudioClassification", "audio-classification"),
            ("BertForQuestionAnswering", "QuestionAnswering", "question-answering"),
            ("LayoutLMv3ForQuestionAnswering", "DocumentQuestionAnswering", "document-question-answering"),
            ("DetrForObjectDetection", "ObjectDetection", "object-detection"),
            ("Owlv2ForObjectDetection", "ZeroShotObjectDetection", "zero-shot-object-detection"),
            ("WhisperForConditionalGeneration", "SpeechSeq2Seq", "automatic-speech-recognition"),
            ("BertForPreTraining", "PreTraining", ""),
        ] {
            let found = of(&json!({"architectures": [class]}), true);
            assert_eq!(found, Some((format!("AutoModelFor{auto_model}"), task.to_owned())), "{class}");
        }
    }

    #[test]
    fn what_the_class_leaves_open_the_rest_tells_or_nobody() {
        let generating = |more: Value| {
            let mut config = json!({"architectures": ["XForConditionalGeneration"]});
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            of(&config, true).map(|(_, task)| task)
        };
        assert_eq!(generating(json!({"vision_config": {}})).as_deref(), Some("image-text-to-text"));
        assert_eq!(generating(json!({"is_encoder_decoder": true})).as_deref(), Some("text2text-generation"));
        assert_eq!(generating(json!({})), None);
        let plain = json!({"architectures": ["BertModel"]});
        assert_eq!(of(&plain, true).unwrap().1, "feature-extraction");
        assert_eq!(of(&plain, false).unwrap(), ("AutoModel".to_owned(), String::new()));
        // A model that reads pictures aloud, one that makes music, one that speaks, one that hears.
        assert_eq!(of(&json!({"architectures": ["VisionEncoderDecoderModel"], "decoder": {}}), true), None);
        assert_eq!(generating(json!({"is_encoder_decoder": true, "audio_encoder": {}})), None);
        assert_eq!(of(&json!({"architectures": ["VitsModel"]}), true), None);
        assert_eq!(of(&json!({"architectures": ["T5WithLMHeadModel"]}), true), None);
        let hears = json!({"architectures": ["ClapModel"], "audio_config": {}});
        assert_eq!(of(&hears, true).unwrap().1, "", "the class that loads it, and no task");
        for odd in [json!({}), json!({"architectures": []}), json!({"architectures": "BertModel"})] {
            assert_eq!(of(&odd, true), None, "{odd}");
        }
        let own =
            json!({"architectures": ["XForCausalLM"], "auto_map": {"AutoModelForCausalLM": "modeling_x.X"}});
        let found = loaded_by(own.as_object().unwrap(), true).unwrap();
        assert_eq!(found.custom_class.as_deref(), Some("modeling_x.X"));
    }
}
