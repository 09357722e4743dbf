//! A model in shards, whose headers come in one answer.

use polder_tests::{Hub, HubClient, LargeObject, Pair, Work, until};
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

const AWAY: &str = r"
import sys
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
mirror, token, work, home, name = sys.argv[1:6]
there = HfApi(endpoint=mirror, token=False)
away = there.get_sharded_safetensors_metadata(name)
assert len(away.files_metadata) == 2 and away.parameter_count == {'F32': 16}, away
if home:
    here = HfApi(endpoint=home, token=False).get_sharded_safetensors_metadata('acme/m')
    assert here == away, (here, away)
else:
    try:
        there.get_sharded_safetensors_metadata(name, filename='other.index.json')
    except HfHubHTTPError as error:
        assert error.response.status_code == 503 and 'no source can show the beginning' in str(error), error
    else:
        raise AssertionError('from nowhere')
";

/// A mirror that fetches large files when somebody asks for one answers with their headers, and fetches no more, and
/// those once.
#[test]
fn a_lazy_mirror_shows_the_headers_of_shards_that_are_not_here() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let mut pair = Pair::start();
    let work = Work::new();
    let shards = ["model-1.safetensors", "model-2.safetensors"];
    for (tensor, name, seed) in [("a", shards[0], 1), ("b", shards[1], 2), ("a", "other.safetensors", 3)] {
        let rest = LargeObject::random(seed, 6_000_000).bytes;
        let large = LargeObject::new([weights(tensor, &[8]), rest].concat());
        large.upload(pair.home.http(), "acme/m", &pair.token);
        work.write(name, large.pointer().as_bytes());
    }
    work.write("model.safetensors.index.json", index(&shards, None).as_bytes());
    work.write("other.index.json", index(&["other.safetensors"], None).as_bytes());
    work.commit("Shards");
    work.ok(&["push", "-q", &pair.home.repo_url_as("acme/m", &pair.token), "main"]);
    pair.follow(&["--mode", "lazy"]).ok();
    let name = format!("acme.{}/m", pair.home.address().to_string().replace(':', "_"));
    let tip = |hub: &Hub, name: &str| hub.http().get(&format!("/api/models/{name}")).send().text();
    until("the mirror to be in step", 30, || tip(&pair.follower, &name).contains(shards[1]).then_some(()));
    let (before, dir) = (pair.follower.received_bytes(), tempfile::tempdir().unwrap());
    let home = pair.home.url("").trim_end_matches('/').to_owned();
    client.script(&pair.follower, &pair.token, dir.path(), AWAY, &[&home, &name]).ok();
    let came = pair.follower.received_bytes() - before;
    assert!(came < 600_000, "{came} bytes came for two headers");
    client.script(&pair.follower, &pair.token, dir.path(), AWAY, &[&home, &name]).ok();
    assert!(pair.follower.received_bytes() - before < came + 50_000, "they came twice");
    assert!(pair.follower.stored_objects().is_empty());
    pair.follower.fsck();
    pair.home.kill();
    client.script(&pair.follower, &pair.token, dir.path(), AWAY, &["", &name]).ok();
}
