//! Kernels, which only the newest clients know.

use polder_tests::HubClient;

use crate::Place;

const KERNELS: &str = r"
import os, sys
from huggingface_hub import HfApi, get_session, hf_hub_download, snapshot_download
endpoint, token, work = sys.argv[1:4]
api, anyone = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=False)
of = dict(repo_id='acme/k', repo_type='kernel')
url = api.create_repo(**of)
assert str(url) == f'{endpoint}/kernels/acme/k' and (url.repo_id, url.repo_type) == ('acme/k', 'kernel'), url
assert api.create_repo(exist_ok=True, **of).repo_id == 'acme/k'
large = os.urandom(300_000)
source = os.path.join(work, 'source')
os.makedirs(os.path.join(source, 'build', 'cuda'))
for path, content in {'build/cuda/k.so': large, 'README.md': b'---\nlicense: mit\n---\n', 'build.toml': b'[general]\n'}.items():
    open(os.path.join(source, path), 'wb').write(content)
done = api.upload_folder(folder_path=source, **of)
info = anyone.kernel_info('acme/k')
assert info.sha == done.oid and info.author == 'acme' and info.likes == 0 and info.private is False, info
assert anyone.repo_info(**of).sha == done.oid and anyone.repo_exists(**of)
assert anyone.kernel_info('acme/k', revision='main').sha == done.oid
names = ['.gitattributes', 'README.md', 'build.toml', 'build/cuda/k.so']
assert anyone.list_repo_files(**of) == names, anyone.list_repo_files(**of)
tree = {entry.path: entry for entry in anyone.list_repo_tree(recursive=True, **of)}
assert tree['build/cuda/k.so'].lfs.size == 300_000 and tree['README.md'].lfs is None
assert anyone.get_paths_info(paths=['README.md'], **of)[0].path == 'README.md'
assert anyone.list_repo_refs(**of).branches[0].target_commit == done.oid
path = hf_hub_download(filename='build/cuda/k.so', endpoint=endpoint, token=False, cache_dir=work, **of)
assert open(path, 'rb').read() == large
root = snapshot_download(endpoint=endpoint, token=False, cache_dir=work, **of)
assert open(os.path.join(root, 'build.toml'), 'rb').read() == b'[general]\n'
api.create_tag(tag='v1', **of)
api.delete_file('build.toml', **of)
assert not anyone.file_exists(filename='build.toml', **of) and anyone.file_exists(filename='build.toml', revision='v1', **of)
assert [commit.commit_id for commit in anyone.list_repo_commits(**of)][1] == done.oid
api.move_repo(from_id='acme/k', to_id='acme/moved', repo_type='kernel')
assert anyone.kernel_info('acme/k').id == 'acme/moved'
hidden = get_session().put(f'{endpoint}/api/kernels/acme/moved/settings', json={'private': True}, headers={'authorization': f'Bearer {token}'})
assert hidden.status_code == 200, hidden.text
assert not anyone.repo_exists('acme/moved', repo_type='kernel')
# Another kind is another repository.
assert not api.repo_exists('acme/moved') and not api.repo_exists('acme/moved', repo_type='dataset')
api.delete_repo('acme/moved', repo_type='kernel')
assert not api.repo_exists('acme/moved', repo_type='kernel')
for kind, prefix in [('dataset', 'datasets/'), ('space', 'spaces/'), ('model', '')]:
    extra = {'space_sdk': 'static'} if kind == 'space' else {}
    assert str(api.create_repo('acme/k', repo_type=kind, **extra)) == f'{endpoint}/{prefix}acme/k'
";

/// Check 4: its whole life, as a model's.
#[test]
fn a_kernel_is_made_filled_read_renamed_hidden_and_deleted() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    for client in [client.clone().without_xet(), client] {
        let place = Place::new();
        client.script(&place.hub, &place.ada, place.dir.path(), KERNELS, &[]).ok();
        place.hub.fsck();
    }
}

#[test]
fn the_command_line_uploads_and_downloads_a_kernel() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let (dir, url) = (place.dir.path(), place.hub.url(""));
    let hf = |args: &[&str]| client.hf(url.trim_end_matches('/'), Some(&place.ada), dir, args).ok();
    std::fs::write(dir.join("build.toml"), "[general]\n").unwrap();
    hf(&["repos", "create", "acme/k", "--type", "kernel"]);
    hf(&["upload", "acme/k", "build.toml", "--repo-type", "kernel"]);
    hf(&["download", "acme/k", "--repo-type", "kernel", "--local-dir", "got"]);
    assert_eq!(std::fs::read_to_string(dir.join("got/build.toml")).unwrap(), "[general]\n");
    let listed = place.hub.http().get("/api/kernels?search=k").send().expect(200).json();
    assert_eq!(listed[0]["id"], "acme/k");
    hf(&["repos", "delete", "acme/k", "--type", "kernel", "--yes"]);
    place.hub.http().get("/api/kernels/acme/k").send().expect(401);
}
