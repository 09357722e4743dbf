//! What scripts upload with beside `upload_file` and `upload_folder`: many processes' worth of files at once,
//! a folder every few minutes, and a model by its own class.

use polder_tests::{HubClient, LIBRARIES, LargeObject};

use crate::Place;

const LARGE_FOLDER: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
for again in range(2):
    api.upload_large_folder('acme/all', folder_path=work + '/all', repo_type='model', num_workers=2, print_report=False)
assert sorted(api.list_repo_files('acme/all')) == ['.gitattributes', 'a.txt', 'deep/model.bin']
files = {one.path: one for one in api.list_repo_tree('acme/all', recursive=True) if hasattr(one, 'lfs')}
assert files['deep/model.bin'].lfs is not None and files['a.txt'].lfs is None, files
";

/// The versions that have it; `hf upload` took its place in 2.0.
#[test]
fn a_large_folder_is_uploaded_and_uploaded_again() {
    for version in ["0.36.2", "1.33.0"] {
        let Some(client) = HubClient::of(version) else { continue };
        let place = Place::new();
        let folder = place.dir.path().join("all");
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        std::fs::write(folder.join("a.txt"), "a").unwrap();
        let object = LargeObject::random(1, 3_000_000);
        std::fs::write(folder.join("deep/model.bin"), &object.bytes).unwrap();
        client.script(&place.hub, &place.ada, place.dir.path(), LARGE_FOLDER, &[]).ok();
        let back = place.hub.http().get("/acme/all/resolve/main/deep/model.bin").send().expect(200);
        assert!(back.body == object.bytes, "{version}");
        place.hub.fsck();
    }
}

const SCHEDULED: &str = r"
import pathlib, sys
from huggingface_hub import CommitScheduler, HfApi
endpoint, token, work = sys.argv[1:4]
folder = pathlib.Path(work) / 'log'
api = HfApi(endpoint=endpoint, token=token)
scheduler = CommitScheduler(
    repo_id='acme/log', repo_type='dataset', folder_path=folder, path_in_repo='data', every=60, hf_api=api)
for line in ['one', 'two']:
    with scheduler.lock, (folder / 'lines.jsonl').open('a') as file:
        file.write(line + chr(10))
    scheduler.trigger().result()
scheduler.stop()
assert 'data/lines.jsonl' in api.list_repo_files('acme/log', repo_type='dataset')
assert len(api.list_repo_commits('acme/log', repo_type='dataset')) == 3
with open(api.hf_hub_download('acme/log', 'data/lines.jsonl', repo_type='dataset', cache_dir=work + '/cache')) as file:
    assert file.read().split() == ['one', 'two']
";

#[test]
fn a_folder_that_grows_is_committed_by_the_clock() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), SCHEDULED, &[]).ok();
}

const MIXIN: &str = r"
import pathlib, sys
from huggingface_hub import HfApi, ModelHubMixin, hf_hub_download
endpoint, token, work = sys.argv[1:4]
class Model(ModelHubMixin, library_name='own', tags=['tiny']):
    def __init__(self, size: int = 3):
        self.size = size
    def _save_pretrained(self, save_directory):
        (pathlib.Path(save_directory) / 'weights.txt').write_text('w' * self.size)
    @classmethod
    def _from_pretrained(cls, *, model_id, revision, cache_dir, token, size=0, **rest):
        path = hf_hub_download(model_id, 'weights.txt', revision=revision, cache_dir=cache_dir, token=token)
        model = cls(size=size)
        assert len(open(path).read()) == size
        return model
Model(size=5).push_to_hub('acme/own', token=token)
again = Model.from_pretrained('acme/own', token=token, cache_dir=work + '/cache')
assert again.size == 5
api = HfApi(endpoint=endpoint, token=token)
info = api.model_info('acme/own')
assert info.library_name == 'own' and 'tiny' in info.tags, info
api.create_branch('acme/own', branch='six')
Model(size=6).push_to_hub('acme/own', token=token, branch='six', create_pr=False)
Model(size=7).push_to_hub('acme/own', token=token, create_pr=True)
assert Model.from_pretrained('acme/own', revision='six', token=token, cache_dir=work + '/cache').size == 6
assert Model.from_pretrained('acme/own', revision='refs/pr/1', token=token, cache_dir=work + '/cache').size == 7
";

#[test]
fn a_model_of_its_own_class_is_pushed_and_loaded() {
    // What makes a card comes with the libraries.
    let Some(client) = HubClient::of(LIBRARIES) else { return };
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), MIXIN, &[]).ok();
}
