//! Finding repositories, and people.

use polder_tests::{HubClient, LargeObject, Work};
use serde_json::{Value, json};

use crate::Place;

/// A safetensors file with one tensor of each type and shape.
fn safetensors(tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let entry = |(at, (dtype, shape)): (usize, &(&str, &[u64]))| {
        (format!("t{at}"), json!({"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}))
    };
    let header: serde_json::Map<String, Value> = tensors.iter().enumerate().map(entry).collect();
    let header = Value::Object(header).to_string();
    [&u64::try_from(header.len()).unwrap().to_le_bytes()[..], header.as_bytes()].concat()
}

/// Three models, one of them private, and a dataset, by git, by the API and by import.
fn filled() -> Place {
    let place = Place::new();
    let card = |yaml: &str| format!("---\n{yaml}\n---\n# A model\n");
    let push = |repo: &str, kind: &str, files: &[(&str, &[u8])]| {
        let work = Work::new();
        for (name, content) in files {
            work.write(name, content);
        }
        work.ok(&["add", "."]);
        work.ok(&["commit", "-qm", "All"]);
        work.ok(&["push", "-q", &place.hub.repo_url_as(&format!("{kind}{repo}"), &place.ada), "main"]);
    };
    place.hub.repo("acme/bert");
    let weights = LargeObject::new(safetensors(&[("F32", &[1000, 30]), ("F16", &[5])]));
    weights.upload(place.hub.http(), "acme/bert", &place.ada);
    let bert = card(
        "license: mit\nlanguage: en\npipeline_tag: fill-mask\ntags: [masked]\nwidget: [{text: Paris}]\nmodel-index: [{name: bert, results: []}]",
    );
    let config = br#"{"model_type":"bert","architectures":["BertForMaskedLM"],"vocab_size":9}"#;
    let pointer = weights.pointer();
    push(
        "acme/bert",
        "",
        &[
            ("README.md", bert.as_bytes()),
            ("config.json", config),
            ("tokenizer_config.json", br#"{"mask_token":"[MASK]"}"#),
            ("model.safetensors", pointer.as_bytes()),
        ],
    );
    place.create("model", "gpt_2");
    let header = json!({"key": "header", "value": {"summary": "Add"}});
    let file = json!({"key": "file", "value": {"path": "README.md", "encoding": "utf-8",
        "content": card("license: apache-2.0\nlanguage: [en, de]\nlibrary_name: transformers")}});
    place.commit("acme/gpt_2", &[header, file]).expect(200);
    place.hub.cli(&["repo", "add", "acme/hidden", "--private"]).ok();
    push("acme/hidden", "", &[("README.md", bert.as_bytes())]);
    place.hub.repo("datasets/acme/letters");
    push(
        "acme/letters",
        "datasets/",
        &[("README.md", card("language: en\ntask_categories: [qa]").as_bytes())],
    );
    place
}

const LISTS: &str = r"
import inspect, sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
stranger, ada = HfApi(endpoint=endpoint, token=False), HfApi(endpoint=endpoint, token=token)
ids = lambda found: [repo.id for repo in found]
models = lambda **args: ids(stranger.list_models(**args))
assert models() == ['acme/gpt_2', 'acme/bert'], models()
assert sorted(ids(ada.list_models())) == ['acme/bert', 'acme/gpt_2', 'acme/hidden']
assert models(search='BERT') == ['acme/bert'] and models(search='gpt_2') == ['acme/gpt_2']
assert models(author='acme', limit=1) == ['acme/gpt_2'] and models(author='nobody') == []
assert models(filter='license:mit') == ['acme/bert'] and models(filter=['en', 'de']) == ['acme/gpt_2']
assert models(pipeline_tag='fill-mask') == ['acme/bert']
assert models(filter='transformers') == ['acme/gpt_2', 'acme/bert']
for sort in ['created_at', 'last_modified', 'likes', 'downloads', 'trending_score']:
    assert len(models(sort=sort)) == 2, sort
assert models(sort='created_at') == ['acme/gpt_2', 'acme/bert']
assert ids(stranger.list_datasets(filter='task_categories:qa')) == ['acme/letters']
assert ids(stranger.list_spaces()) == []
if 'direction' in inspect.signature(HfApi.list_models).parameters:
    assert models(sort='created_at', direction=-1) == ['acme/gpt_2', 'acme/bert']
    assert models(sort='created_at', direction=1) == ['acme/bert', 'acme/gpt_2']
bert = next(iter(stranger.list_models(search='bert', full=True, cardData=True)))
assert bert.card_data.license == 'mit' and {file.rfilename for file in bert.siblings} >= {'config.json'}
info = stranger.model_info('acme/bert')
assert info.pipeline_tag == 'fill-mask' and info.library_name == 'transformers', info
assert info.safetensors.total == 30005 and info.safetensors.parameters == {'F32': 30000, 'F16': 5}, info.safetensors
assert info.config['model_type'] == 'bert' and 'safetensors' in info.tags, info
assert info.mask_token == '[MASK]' and info.widget_data == [{'text': 'Paris'}], info
assert info.model_index == [{'name': 'bert', 'results': []}], info
# The older client keeps the field by the name that it has here.
used = lambda repo: vars(repo).get('used_storage') or vars(repo)['usedStorage']
assert used(info) > 0, info
listed = next(iter(stranger.list_models(search='bert', expand=['usedStorage'])))
assert used(listed) == used(info) and listed.mask_token is None, listed
only = stranger.model_info('acme/bert', expand=['likes', 'sha'])
assert only.likes == 0 and only.tags is None and len(only.sha) == 40
";

/// Checks 36 and 37.
#[test]
fn lists_are_filtered_sorted_and_show_private_repositories_to_their_own_only() {
    let place = filled();
    for version in ["2.4.0", "0.36.2"] {
        let Some(client) = HubClient::of(version) else { return };
        client.script(&place.hub, &place.ada, place.dir.path(), LISTS, &[]).ok();
    }
}

fn found(place: &Place, query: &str) -> Vec<String> {
    let list = place.hub.http().get(&format!("/api/models?{query}")).send().expect(200).json();
    list.as_array().unwrap().iter().map(|repo| repo["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_catalogue_is_right_after_every_push_and_every_change_of_a_repository() {
    let place = filled();
    let work = Work::new();
    work.write("README.md", b"---\ntags: [renamed]\n---\n");
    work.ok(&["add", "."]);
    work.ok(&["commit", "-qm", "Other"]);
    let url = place.hub.repo_url_as("acme/bert", &place.ada);
    work.ok(&["push", "-q", &url, "main:other"]);
    assert_eq!(found(&place, "filter=masked"), ["acme/bert"], "another branch changes nothing");
    place.hub.cli(&["repo", "default-branch", "acme/bert", "other"]).ok();
    assert_eq!(found(&place, "filter=masked"), [""; 0]);
    assert_eq!(found(&place, "filter=renamed"), ["acme/bert"]);
    work.ok(&["push", "-q", "-f", &url, "main:main"]);
    place.hub.cli(&["repo", "rename", "acme/bert", "acme/albert"]).ok();
    assert_eq!(found(&place, "filter=renamed"), ["acme/albert"]);
    place.hub.cli(&["repo", "visibility", "acme/albert", "private"]).ok();
    assert_eq!(found(&place, "filter=renamed"), [""; 0]);
    place.hub.cli(&["repo", "visibility", "acme/albert", "public"]).ok();
    assert_eq!(found(&place, "filter=renamed"), ["acme/albert"]);
    place.hub.cli(&["repo", "delete", "acme/albert"]).ok();
    assert_eq!(found(&place, "filter=renamed"), [""; 0]);
    place.hub.fsck();
}

#[test]
fn a_search_that_makes_no_sense_is_told_so() {
    let place = Place::new();
    for query in ["sort=colour", "num_parameters=many", "cursor=x"] {
        let told = place.hub.http().get(&format!("/api/models?{query}")).send().expect(400).json();
        assert!(told["error"].is_string(), "{told}");
    }
    assert_eq!(found(&place, "unknown=1&search=%25"), [""; 0]);
}

#[test]
fn a_like_is_counted_shown_and_taken_back() {
    let place = filled();
    let ask = |method: &str, path: &str| place.ask(method, path, &json!({})).expect(200).json();
    place.hub.http().post("/api/models/acme/bert/like", "").send().expect(401);
    ask("POST", "/api/models/acme/bert/like");
    ask("POST", "/api/models/acme/bert/like");
    assert_eq!(found(&place, "sort=likes&limit=1"), ["acme/bert"]);
    assert_eq!(ask("GET", "/api/models/acme/bert")["likes"], 1);
    assert_eq!(ask("GET", "/api/models/acme/bert/likers")[0]["user"], "ada");
    ask("POST", "/api/models/acme/hidden/like");
    let liked = |token: &str| {
        let answer = place.hub.http().get("/api/users/ada/likes").bearer(token).send().expect(200).json();
        answer.as_array().unwrap().len()
    };
    let stranger = place.hub.user("stranger", "read");
    assert_eq!((liked(&place.ada.secret), liked(&stranger.secret)), (2, 1), "private ones are not told");
    ask("DELETE", "/api/models/acme/bert/like");
    assert_eq!(ask("GET", "/api/models/acme/bert")["likes"], 0);
}

#[test]
fn an_overview_tells_strangers_only_what_is_public() {
    let place = filled();
    place.hub.user("stranger", "read");
    let as_ada = |path: &str| place.ask("GET", path, &json!({})).expect(200).json();
    let as_anyone = |path: &str| place.hub.http().get(path).send().expect(200).json();
    let org = "/api/organizations/acme/overview";
    assert_eq!((&as_ada(org)["numModels"], &as_anyone(org)["numModels"]), (&json!(3), &json!(2)));
    let members = "/api/organizations/acme/members";
    assert_eq!((&as_ada(members)[0]["user"], as_anyone(members)), (&json!("ada"), json!([])));
    let user = "/api/users/ada/overview";
    assert_eq!((&as_ada(user)["orgs"][0]["name"], &as_anyone(user)["orgs"]), (&json!("acme"), &json!([])));
    for path in ["/api/users/acme/overview", "/api/organizations/ada/overview", "/api/users/never/overview"] {
        place.hub.http().get(path).send().expect(404);
    }
}
