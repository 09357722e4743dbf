//! `datasets` and `transformers`, without torch.

use std::path::Path;

use polder_tests::{HubClient, LIBRARIES, minilm};

use crate::Place;

const DATASETS: &str = r"
import os, sys
from datasets import Dataset, load_dataset
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
os.environ['HF_TOKEN'] = token
api = HfApi(endpoint=endpoint, token=token)
api.create_repo('acme/letters', repo_type='dataset')
os.makedirs('folder/data')
with open('folder/data/train.csv', 'w') as file:
    file.write('letter,number\n' + ''.join(f'{chr(97 + n % 26)},{n}\n' for n in range(1000)))
api.upload_folder(repo_id='acme/letters', repo_type='dataset', folder_path='folder')
csv = load_dataset('acme/letters', split='train', token=token)
assert csv.num_rows == 1000 and csv[27] == {'letter': 'b', 'number': 27}, csv[27]
streamed = load_dataset('acme/letters', split='train', token=token, streaming=True)
assert [row['number'] for _, row in zip(range(3), streamed)] == [0, 1, 2]
Dataset.from_dict({'x': list(range(500)), 'text': ['t' * 50] * 500}).push_to_hub('acme/pushed', token=token)
parquet = load_dataset('acme/pushed', split='train', token=token)
assert parquet.num_rows == 500 and parquet[499]['x'] == 499
streamed = load_dataset('acme/pushed', split='train', token=token, streaming=True)
assert [row['x'] for row in streamed] == list(range(500))
card = api.dataset_info('acme/pushed').card_data
assert card['dataset_info']['splits'][0]['num_examples'] == 500, card
# Arrow's threads may outlive the interpreter and abort it when all is done (apache/arrow 45214).
os._exit(0)
";

/// Check 44, without Xet and with it.
#[test]
fn datasets_loads_csv_and_parquet_streams_and_pushes() {
    let Some(client) = HubClient::of(LIBRARIES) else { return };
    for client in [client.clone().without_xet(), client] {
        let place = Place::new();
        client.script(&place.hub, &place.ada, place.dir.path(), DATASETS, &[]).ok();
        place.hub.fsck();
    }
}

const TRANSFORMERS: &str = r"
import sys
from huggingface_hub import HfApi, list_models
from transformers import AutoConfig, AutoTokenizer
from transformers.pipelines import get_task
endpoint, token, work = sys.argv[1:4]
config = AutoConfig.from_pretrained('acme/minilm')
assert config.hidden_size == 384, config
tokenizer = AutoTokenizer.from_pretrained('acme/minilm')
ids = tokenizer('hello world')['input_ids']
assert ids == [101, 7592, 2088, 102], ids
config.push_to_hub('acme/config', token=token)
assert AutoConfig.from_pretrained('acme/config', token=token).hidden_size == 384
# What `pipeline(model=…)` asks without a task, of a model without a card.
AutoConfig.for_model('vit', architectures=['ViTForImageClassification']).push_to_hub('acme/vit', token=token)
assert get_task('acme/vit') == 'image-classification'
info = HfApi(endpoint=endpoint, token=token).model_info('acme/vit', expand=['transformersInfo'])
assert info.transformers_info.auto_model == 'AutoModelForImageClassification', info
assert [model.id for model in list_models(pipeline_tag='image-classification')] == ['acme/vit']
assert [model.id for model in list_models(filter='image-classification')] == ['acme/vit']
";

/// Check 43.
#[test]
fn transformers_loads_a_config_and_a_tokenizer() {
    let Some(client) = HubClient::of(LIBRARIES) else { return };
    let place = Place::new();
    place.hub.cli(&["repo", "import", minilm().to_str().unwrap(), "acme/minilm"]).ok();
    client.script(&place.hub, &place.ada, place.dir.path(), TRANSFORMERS, &[]).ok();
}

const FILES: &str = r"
import json, struct, sys
from huggingface_hub import HfApi, HfFileSystem, get_safetensors_metadata
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
fs = HfFileSystem(endpoint=endpoint, token=token)
api.create_repo('acme/files')
with fs.open('acme/files/sub/a.txt', 'w') as file:
    file.write('hello')
assert fs.read_text('acme/files/sub/a.txt') == 'hello'
assert fs.ls('acme/files/sub', detail=False) == ['acme/files/sub/a.txt']
assert fs.find('acme/files') == ['acme/files/.gitattributes', 'acme/files/sub/a.txt']
assert fs.exists('acme/files/sub') and not fs.exists('acme/files/never')
assert fs.info('acme/files/sub/a.txt')['size'] == 5
with fs.open('acme/files/sub/a.txt', 'rb') as file:
    file.seek(2)
    assert file.read(2) == b'll'
fs.rm('acme/files/sub/a.txt')
assert not fs.exists('acme/files/sub')
header = json.dumps({'t': {'dtype': 'F32', 'shape': [2, 2], 'data_offsets': [0, 16]}}).encode()
weights = struct.pack('<Q', len(header)) + header + bytes(16)
api.upload_file(path_or_fileobj=weights, path_in_repo='model.safetensors', repo_id='acme/files')
found = api.get_safetensors_metadata('acme/files')
assert found.parameter_count == {'F32': 4}, found
";

/// Checks 45 and 46.
#[test]
fn the_file_system_reads_ranges_writes_and_removes_and_weights_tell_their_parameters() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), FILES, &[]).ok();
}

/// Check 46.
#[test]
fn a_cache_verifies_against_the_hub() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let endpoint = place.hub.url("");
    let hf =
        |args: &[&str]| client.hf(endpoint.trim_end_matches('/'), Some(&place.ada), place.dir.path(), args);
    std::fs::create_dir(place.dir.path().join("folder")).unwrap();
    std::fs::write(place.dir.path().join("folder/config.json"), "{}").unwrap();
    std::fs::write(place.dir.path().join("folder/w.safetensors"), vec![7; 300_000]).unwrap();
    hf(&["upload", "acme/cached", "folder"]).ok();
    let at = hf(&["download", "acme/cached", "--quiet"]).ok();
    hf(&["cache", "verify", "acme/cached"]).ok();
    let large = std::fs::canonicalize(Path::new(&at).join("w.safetensors")).unwrap();
    std::fs::write(large, vec![8; 300_000]).unwrap();
    let told = hf(&["cache", "verify", "acme/cached"]).fails();
    assert!(told.contains("w.safetensors"), "{told}");
}
