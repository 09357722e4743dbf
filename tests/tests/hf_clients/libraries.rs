//! `datasets` and `transformers`, without torch.

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
assert next(iter(streamed))['x'] == 0
card = api.dataset_info('acme/pushed').card_data
assert card['dataset_info']['splits'][0]['num_examples'] == 500, card
";

#[test]
fn datasets_loads_csv_and_parquet_streams_and_pushes() {
    let Some(client) = HubClient::of(LIBRARIES) else { return };
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), DATASETS, &[]).ok();
    place.hub.fsck();
}

const TRANSFORMERS: &str = r"
import sys
from transformers import AutoConfig, AutoTokenizer
endpoint, token, work = sys.argv[1:4]
config = AutoConfig.from_pretrained('acme/minilm')
assert config.hidden_size == 384, config
tokenizer = AutoTokenizer.from_pretrained('acme/minilm')
ids = tokenizer('hello world')['input_ids']
assert ids == [101, 7592, 2088, 102], ids
config.push_to_hub('acme/config', token=token)
assert AutoConfig.from_pretrained('acme/config', token=token).hidden_size == 384
";

#[test]
fn transformers_loads_a_config_and_a_tokenizer() {
    let Some(client) = HubClient::of(LIBRARIES) else { return };
    let place = Place::new();
    place.hub.cli(&["repo", "import", minilm().to_str().unwrap(), "acme/minilm"]).ok();
    client.script(&place.hub, &place.ada, place.dir.path(), TRANSFORMERS, &[]).ok();
}
