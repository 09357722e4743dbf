//! Libraries that read from a mirror, by either of its names.

use polder_tests::{Client, Hub, HubClient, LIBRARIES, Pair, Work, have, minilm, until};

const READ: &str = r"
import os, sys
from datasets import load_dataset
from huggingface_hub import HfApi, snapshot_download
from transformers import AutoTokenizer
endpoint, token, work, *names = sys.argv[1:]
api = HfApi(endpoint=endpoint, token=False)
listed = [one.id for one in api.list_models()]
assert listed == [names[0] + '/m'], listed
assert [one.id for one in api.list_datasets()] == [names[0] + '/letters']
trees = []
for name in names:
    tokenizer = AutoTokenizer.from_pretrained(name + '/m', token=False)
    assert tokenizer('hello world')['input_ids'] == [101, 7592, 2088, 102], name
    assert load_dataset(name + '/letters', split='train', token=False)[27] == {'letter': 'b', 'number': 27}, name
    whole = snapshot_download(name + '/m', endpoint=endpoint, token=False)
    tree = {entry.path: entry.size for entry in api.list_repo_tree(name + '/m', recursive=True) if hasattr(entry, 'size')}
    assert tree == {path: os.path.getsize(os.path.join(whole, path)) for path in tree}, tree
    assert 'model.safetensors' in tree and api.model_info(name + '/m').sha == os.path.basename(whole)
    trees.append(tree)
assert trees[0] == trees[1]
";

#[test]
fn libraries_read_a_mirror_by_both_its_names() {
    let Some(client) = HubClient::of(LIBRARIES) else { return };
    if !have(&[Client::GitLfs]) {
        return;
    }
    let pair = Pair::start();
    let (source, work) = (minilm(), Work::new());
    let url = pair.home.repo_url_as("acme/m", &pair.token);
    work.git.ok(&source, &["lfs", "push", "--all", &url]);
    work.git.ok(&source, &["push", "-q", &url, "main"]);
    pair.home.repo("datasets/acme/letters");
    let rows: Vec<String> = (0..100_u8).map(|n| format!("{},{n}\n", char::from(b'a' + n % 26))).collect();
    work.commit_file("train.csv", format!("letter,number\n{}", rows.concat()).as_bytes());
    work.ok(&["push", "-q", &pair.home.repo_url_as("datasets/acme/letters", &pair.token), "main"]);
    pair.follow(&["--alias", "acme=friends"]).ok();
    let name = format!("acme.{}", pair.home.address().to_string().replace(':', "_"));
    let head = |hub: &Hub, of: &str, at: &str| {
        let answer = hub.http().head(&of.replace("NAME", at)).send();
        (answer.status == 200).then(|| answer.header("etag").map(str::to_owned))
    };
    for of in ["/NAME/m/resolve/main/model.safetensors", "/datasets/NAME/letters/resolve/main/train.csv"] {
        let home = head(&pair.home, of, "acme").expect("there");
        until("the mirror to have it", 120, || head(&pair.follower, of, &name).filter(|here| *here == home));
    }
    let dir = tempfile::tempdir().unwrap();
    client.script(&pair.follower, &pair.token, dir.path(), READ, &[&name, "friends"]).ok();
}
