//! What a tag says, by where it came from.

use polder_db::CatalogTag;
use polder_types::RepoKind;

use crate::apps::apps;
use crate::card::{fields, texts};
use crate::facts::{FORMATS, Facts};

/// The type of tags that say nothing in particular.
pub(crate) const OTHER: &str = "other";
/// The types of what is looked for, and is no tag that is shown.
const APP: &str = "app";
const MODEL: &str = "model";
const DATASET: &str = "dataset";
const REGION: &str = "region";

impl Facts {
    /// What a repository is looked for by: its tags; the programs that run a model; what a space uses.
    pub(crate) fn catalog_tags(&self, kind: RepoKind) -> Vec<CatalogTag> {
        let tag = |tag: String, kind: &str| CatalogTag { tag, kind: kind.to_owned() };
        let mut all: Vec<CatalogTag> =
            self.tags.iter().map(|text| tag(text.clone(), self.type_of(kind, text))).collect();
        let more: Vec<CatalogTag> = match kind {
            RepoKind::Model => apps(self).iter().map(|app| tag(format!("{APP}:{app}"), APP)).collect(),
            RepoKind::Space => [("models", MODEL), ("datasets", DATASET)]
                .iter()
                .flat_map(|(key, word)| texts(&self.card, key).into_iter().map(move |id| (*word, id)))
                .map(|(word, id)| tag(format!("{word}:{id}"), word))
                .collect(),
            RepoKind::Dataset | RepoKind::Kernel => Vec::new(),
        };
        for new in more {
            all.retain(|known| known.tag != new.tag);
            all.push(new);
        }
        all
    }

    /// The field of the card that a tag is from, or what of the files.
    fn type_of(&self, kind: RepoKind, tag: &str) -> &'static str {
        let fields = fields(kind);
        let in_card = |key: &str, value: &str| texts(&self.card, key).contains(&value);
        if let Some((_, word)) = fields.plain.iter().find(|(key, word)| *word != OTHER && in_card(key, tag)) {
            return word;
        }
        if let Some((word, value)) = tag.split_once(':')
            && let Some((_, of)) = fields.prefixed.iter().find(|(key, of)| *of == word && in_card(key, value))
        {
            return of;
        }
        if kind == RepoKind::Model && (FORMATS.contains(&tag) || self.library_name.as_deref() == Some(tag)) {
            return "library";
        }
        if self.pipeline_tag.as_deref() == Some(tag) {
            return "pipeline_tag";
        }
        if tag.starts_with("region:") { REGION } else { OTHER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Card;

    fn typed(kind: RepoKind, yaml: &str, library: Option<&str>) -> Vec<String> {
        let card = Card::parse(&format!("---\n{yaml}---\n")).unwrap();
        let library_name = library.map(str::to_owned);
        let facts = Facts { tags: card.tags(kind), card: card.data, library_name, ..Facts::default() };
        let tags = facts.catalog_tags(kind);
        tags.into_iter().map(|CatalogTag { tag, kind }| format!("{kind}={tag}")).collect()
    }

    #[test]
    fn a_tag_has_the_type_of_the_field_that_it_is_from() {
        let model = typed(
            RepoKind::Model,
            "tags: [en, keras, a, license:x, region:us]\nlanguage: en\nlicense: mit\nlibrary_name: timm\ndatasets: [glue]\npipeline_tag: y\n",
            Some("keras"),
        );
        assert_eq!(
            model,
            [
                "library=timm",
                "language=en",
                "library=keras",
                "other=a",
                "other=license:x",
                "region=region:us",
                "pipeline_tag=y",
                "license=license:mit",
                "dataset=dataset:glue"
            ]
        );
        let dataset = typed(RepoKind::Dataset, "tags: [en]\nlanguage: en\ntask_ids: [z]\n", None);
        assert_eq!(dataset, ["other=en", "language=language:en", "task_ids=task_ids:z"]);
    }

    #[test]
    fn a_space_is_found_by_what_it_uses_without_showing_it_as_a_tag() {
        let space = "sdk: gradio\ntags: [model:a/b]\nmodels: [a/b, c/d]\ndatasets: e/f\n";
        assert_eq!(
            typed(RepoKind::Space, space, None),
            ["sdk=gradio", "model=model:a/b", "model=model:c/d", "dataset=dataset:e/f"]
        );
    }
}
