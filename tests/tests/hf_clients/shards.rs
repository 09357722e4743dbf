//! A model in shards, whose headers come in one answer.

use polder_tests::{HubClient, LargeObject, Work};
use serde_json::{Value, json};

use crate::Place;

const SHARDS: &str = r"
import sys
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, RemoteEntryNotFoundError, RepositoryNotFoundError
endpoint, token, work = sys.argv[1:4]
api, stranger = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=False)
at_once, one_by_one = api.get_sharded_safetensors_metadata('acme/m'), api.get_safetensors_metadata('acme/m')
assert at_once == one_by_one, (at_once, one_by_one)
assert len(at_once.files_metadata) == 2 and at_once.metadata == {'total_size': 7, 'deep': [1, {'a': None}]}
assert at_once.parameter_count == {'F32': 30009}, at_once
assert at_once.weight_map == {'a': 'model-1.safetensors', 'b': 'model-2.safetensors'}
below = api.get_sharded_safetensors_metadata('acme/m', filename='a folder/x.index.json')
assert below.metadata is None and list(below.files_metadata) == ['part.safetensors'], below
def refused(what, text, **args):
    try:
        api.get_sharded_safetensors_metadata('acme/m', **args)
    except what as error:
        assert text in str(error), error
    else:
        raise AssertionError(args)
refused(RemoteEntryNotFoundError, 'never.json', filename='never.json')
refused(RemoteEntryNotFoundError, 'lost.safetensors', filename='lost.index.json')
refused(BadRequestError, 'README.md', filename='README.md')
refused(BadRequestError, 'is no safetensors file', filename='wrong.index.json')
refused(BadRequestError, 'cannot be read', filename='torn.index.json')
try:
    stranger.get_sharded_safetensors_metadata('acme/m')
except RepositoryNotFoundError:
    pass
else:
    raise AssertionError('private')
";

/// A safetensors file with one tensor.
fn weights(tensor: &str, shape: &[u64]) -> Vec<u8> {
    let header = json!({tensor: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).to_string();
    [&u64::try_from(header.len()).unwrap().to_le_bytes()[..], header.as_bytes()].concat()
}

/// An index of one tensor in each shard: `a`, `b` and so on.
fn index(shards: &[&str], metadata: Option<Value>) -> String {
    let map: serde_json::Map<String, Value> =
        ["a", "b"].iter().zip(shards).map(|(tensor, shard)| ((*tensor).to_owned(), json!(shard))).collect();
    let mut index = json!({"weight_map": map});
    if let Some(metadata) = metadata {
        index["metadata"] = metadata;
    }
    index.to_string()
}

/// The client reads the same from each shard alone.
#[test]
fn the_headers_of_all_shards_come_in_one_answer_and_are_those_of_each() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    place.hub.cli(&["repo", "add", "acme/m", "--private"]).ok();
    let large = LargeObject::new(weights("a", &[1000, 30]));
    large.upload(place.hub.http(), "acme/m", &place.ada);
    let small = weights("b", &[9]);
    let shards = ["model-1.safetensors", "model-2.safetensors"];
    let metadata = json!({"total_size": 7, "deep": [1, {"a": null}]});
    let work = Work::new();
    let indexes = [
        ("model.safetensors.index.json", index(&shards, Some(metadata))),
        ("a folder/x.index.json", index(&["part.safetensors"], None)),
        ("lost.index.json", index(&["lost.safetensors"], None)),
        ("wrong.index.json", index(&["README.md"], None)),
        ("torn.index.json", index(&["torn.safetensors"], None)),
    ];
    for (name, content) in indexes {
        work.write(name, content.as_bytes());
    }
    let pointer = large.pointer();
    let files: [(&str, &[u8]); 5] = [
        ("README.md", b"# A model\n"),
        (shards[0], pointer.as_bytes()),
        (shards[1], &small),
        ("a folder/part.safetensors", &small),
        ("torn.safetensors", b"\x02\0\0\0\0\0\0\0[]"),
    ];
    for (name, content) in files {
        work.write(name, content);
    }
    work.ok(&["add", "."]);
    work.ok(&["commit", "-qm", "All"]);
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.ada), "main"]);
    client.script(&place.hub, &place.ada, place.dir.path(), SHARDS, &[]).ok();
}
