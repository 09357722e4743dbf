//! Repositories without a commit, and those whose default branch is not `main`: both come from git and the
//! operator, never from Hugging Face's own clients, which expect neither.

use polder_tests::{Done, HubClient, Work};
use serde_json::{Value, json};

use crate::Place;

const EMPTY: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
api.create_branch('acme/branched', branch='dev')
api.create_branch('acme/branched', branch='main', exist_ok=True)
assert sorted(branch.name for branch in api.list_repo_refs('acme/branched').branches) == ['dev', 'main']
api.create_tag('acme/tagged', tag='v1')
assert api.list_repo_files('acme/tagged', revision='v1') == ['.gitattributes']
pull = api.create_pull_request('acme/pulled', title='First words')
api.upload_file(path_or_fileobj=b'a', path_in_repo='a', repo_id='acme/pulled', revision=f'refs/pr/{pull.num}')
made = api.upload_file(path_or_fileobj=b'b', path_in_repo='b', repo_id='acme/proposed', create_pr=True)
assert made.pr_num == 1, made
for one, pr in [('acme/pulled', pull.num), ('acme/proposed', 1)]:
    api.merge_pull_request(one, pr)
    assert len(api.list_repo_files(one)) == 2
";

#[test]
fn a_repository_without_a_commit_is_begun_by_whoever_works_with_it() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    for name in ["bare", "branched", "tagged", "pulled", "proposed", "uploaded"] {
        place.hub.repo(&format!("acme/{name}"));
    }
    client.script(&place.hub, &place.ada, place.dir.path(), EMPTY, &[]).ok();
    std::fs::create_dir(place.dir.path().join("folder")).unwrap();
    std::fs::write(place.dir.path().join("folder/a.txt"), "a").unwrap();
    let hf = |args: &[&str]| hf(&client, &place, args);
    hf(&["upload", "acme/uploaded", "folder", "--revision", "v1"]).ok();
    let tree = |revision: &str| {
        let path = format!("/api/models/acme/uploaded/tree/{revision}");
        place.hub.http().get(&path).send().expect(200).json().as_array().unwrap().len()
    };
    assert_eq!((tree("main"), tree("v1")), (1, 2));

    // Nothing is there to be downloaded, and that is said.
    let told = hf(&["download", "acme/bare"]).fails();
    assert!(told.contains("Revision not found"), "{told}");
    let told = place.hub.http().get("/api/models/acme/bare/revision/main").send().expect(404).text();
    assert!(told.contains("has no commit yet"), "{told}");
    // Who may not write begins nothing.
    let bob = place.hub.user("bob", "write");
    let path = "/api/models/acme/bare/discussions";
    let body = json!({"title": "First words", "description": "Words", "pullRequest": true}).to_string();
    let told = place.hub.http().post(path, body).bearer(&bob.secret).send().expect(409).text();
    assert!(told.contains("no commit yet"), "{told}");
    // Nor does what is refused.
    for (path, body, status) in [
        ("branch/dev", json!({"startingPoint": "nowhere"}), 404),
        ("branch/a..b", json!({}), 400),
        ("tag/main", json!({"tag": "a..b"}), 400),
        ("discussions", json!({"title": "", "description": "Words", "pullRequest": true}), 400),
    ] {
        place.ask("POST", &format!("/api/models/acme/bare/{path}"), &body).expect(status);
    }
    let info = place.hub.http().get("/api/models/acme/bare").send().expect(200).json();
    assert_eq!(info["sha"], Value::Null);
    place.hub.fsck();
}

fn hf(client: &HubClient, place: &Place, args: &[&str]) -> Done {
    let url = place.hub.url("");
    client.hf(url.trim_end_matches('/'), Some(&place.ada), place.dir.path(), args)
}

const USUAL: &str = r"
import sys
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import RevisionNotFoundError
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
there = dict(repo_id='acme/old', endpoint=endpoint, token=token, cache_dir=work + '/cache')
assert open(hf_hub_download(filename='a.txt', **there)).read() == 'a'
assert open(snapshot_download(**there) + '/a.txt').read() == 'a'
assert [entry.path for entry in api.list_repo_tree('acme/old')] == ['a.txt']
api.upload_file(path_or_fileobj=b'b', path_in_repo='b.txt', repo_id='acme/old')
assert [branch.name for branch in api.list_repo_refs('acme/old').branches] == ['master']
assert 'b.txt' in api.list_repo_files('acme/old')
api.super_squash_history('acme/old')
assert len(api.list_repo_commits('acme/old')) == 1
api.create_tag('acme/old', tag='main')
try:
    api.delete_file('a.txt', 'acme/old')
except RevisionNotFoundError:
    pass
else:
    raise AssertionError('what reads as the tag was written to the default branch')
api.delete_tag('acme/old', tag='main')
api.create_branch('acme/old', branch='main')
api.delete_file('a.txt', 'acme/old')
assert api.file_exists('acme/old', 'a.txt', revision='master')
assert not api.file_exists('acme/old', 'a.txt')
";

#[test]
fn main_means_the_default_branch_where_no_branch_is_called_so() {
    for version in ["2.4.0", "0.36.2"] {
        let Some(client) = HubClient::of(version) else { continue };
        let place = Place::new();
        place.hub.repo("acme/old");
        let work = Work::new();
        work.commit_file("a.txt", b"a");
        work.ok(&["push", "-q", &place.hub.repo_url_as("acme/old", &place.ada), "main:master"]);
        client.script(&place.hub, &place.ada, place.dir.path(), USUAL, &[]).ok();
    }
}

const SPACES: &str = r"
import sys
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
api.create_repo('acme/app', repo_type='space', space_sdk='gradio')
assert api.space_info('acme/app').sdk == 'gradio'
assert [space.id for space in api.list_spaces(filter='gradio')] == ['acme/app']
secrets = [{'key': 'TOKEN', 'value': 'x'}]
for refused in [
    lambda: api.create_repo('acme/secret', repo_type='space', space_sdk='docker', space_secrets=secrets),
    lambda: api.duplicate_repo('acme/app', 'acme/secret', repo_type='space', space_secrets=secrets),
]:
    try:
        refused()
    except BadRequestError as error:
        assert 'secrets' in str(error), error
    else:
        raise AssertionError('a secret was dropped without a word')
assert not api.repo_exists('acme/secret', repo_type='space')
";

#[test]
fn a_space_is_made_with_its_sdk_and_what_would_be_dropped_is_refused() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), SPACES, &[]).ok();
    let odd = json!({"name": "acme/odd", "type": "space", "sdk": "cobol"});
    let told = place.ask("POST", "/api/repos/create", &odd).expect(400).text();
    assert!(told.contains("gradio, streamlit, docker, static"), "{told}");
}
