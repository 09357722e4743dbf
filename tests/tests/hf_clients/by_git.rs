//! What git lets anybody push is shown so that clients can read it, and harms no list.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use polder_tests::{HubClient, Work, fixtures, run};

use crate::Place;
use crate::source::Two;

/// The oldest client and the newest one.
const VERSIONS: [&str; 2] = ["0.36.2", "2.4.0"];

/// A work tree whose one commit names this moment, in seconds since 1970.
fn committed_at(work: &Work, seconds: &str) {
    let date = format!("@{seconds} +0000");
    work.ok(&["add", "-A"]);
    let mut commit = work.git.command(&work.path(), &["commit", "-q", "--allow-empty", "-m", "All"]);
    run(commit.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date)).ok();
}

fn push(place: &Place, work: &Work, repo: &str) {
    work.ok(&["push", "-q", &place.hub.repo_url_as(repo, &place.ada), "main"]);
}

const DATES: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=False)
listed = [model.id for model in api.list_models(sort='last_modified')]
assert listed == ['acme/soon', 'acme/late', 'acme/last'], listed
for name in ['late', 'last']:
    repo = f'acme/{name}'
    assert api.model_info(repo).last_modified.year == 9999
    assert api.list_repo_commits(repo)[0].created_at.year == 9999
    files = list(api.list_repo_tree(repo, expand=True))
    assert files[0].last_commit.date.year == 9999, files
";

/// A year of five digits is none that `datetime` knows: one such commit in a list, and all of the list fails.
#[test]
fn a_commit_of_another_age_is_shown_and_is_not_the_newest_for_ever() {
    let place = Place::new();
    // Each dates itself earlier than the one before, and all are of the future: what came last is the newest.
    for (name, seconds) in
        [("last", "9223372036854775806"), ("late", "253402300800"), ("soon", "250000000000")]
    {
        let work = Work::new();
        work.write("a.txt", name.as_bytes());
        committed_at(&work, seconds);
        place.hub.repo(&format!("acme/{name}"));
        push(&place, &work, &format!("acme/{name}"));
    }
    for version in VERSIONS {
        let Some(client) = HubClient::of(version) else { return };
        client.script(&place.hub, &place.ada, place.dir.path(), DATES, &[]).ok();
    }
    place.hub.fsck();
}

const CARDS: &str = r"
import sys
from huggingface_hub import HfApi, snapshot_download
endpoint, token, work, *names = sys.argv[1:]
api = HfApi(endpoint=endpoint, token=False)
kinds = {'model': (api.list_models, api.model_info), 'dataset': (api.list_datasets, api.dataset_info),
         'space': (api.list_spaces, api.space_info)}
for kind, (listed, info) in kinds.items():
    for full in [{'full': True}, {'expand': ['cardData']}]:
        found = {repo.id: repo for repo in listed(**full)}
        assert set(found) == {f'acme/{name}' for name in names}, found
        for name in names:
            assert found[f'acme/{name}'].card_data.license == 'mit', found
    for name in names:
        card = info(f'acme/{name}').card_data
        assert card.license == 'mit' and card.get('other') == {'a': [1]} and card.to_dict()['license'] == 'mit', card
        snapshot_download(f'acme/{name}', repo_type=kind, endpoint=endpoint, token=False)
";

/// A client makes an object of every card that it hears of, with the card's keys as names of parameters: whatever
/// ends in an exception there would end lists and downloads.
#[test]
fn a_bad_card_hinders_neither_lists_nor_downloads() {
    let place = Place::new();
    let result = "model-index: [{name: m, results: [{task: {type: t}, dataset: {type: d, name: d}, \
        metrics: [{type: a, value: 1}], source: ";
    let index = |source: &str| format!("{result}{source}}}]}}]");
    let cards = [
        ("tags", "tags: 3".to_owned()),
        ("self", "self: 1\nto_dict: 1\n__dataclass_fields__: 1".to_owned()),
        ("ignored", "ignore_metadata_errors: 1".to_owned()),
        ("source", index("x")),
        ("nothing", index("null")),
        ("named", index("{name: x}")),
        ("index", "model-index: {a: b}".to_owned()),
    ];
    for (name, yaml) in &cards {
        let work = Work::new();
        let card = format!("---\nlicense: mit\nother: {{a: [1]}}\n{yaml}\n---\n# Bad\n");
        work.write("README.md", card.as_bytes());
        work.commit("All");
        for kind in ["", "datasets/", "spaces/"] {
            let repo = format!("{kind}acme/{name}");
            place.hub.repo(&repo);
            push(&place, &work, &repo);
        }
    }
    let names = cards.each_ref().map(|(name, _)| *name);
    for version in VERSIONS {
        let Some(client) = HubClient::of(version) else { return };
        client.script(&place.hub, &place.ada, place.dir.path(), CARDS, &names).ok();
    }
}

/// A file, a link to it, a file in a folder, a commit of another repository, and two names that no text can say.
fn odd() -> Work {
    let work = Work::new();
    work.write("a.txt", b"a");
    work.write("d/b.txt", b"b");
    std::os::unix::fs::symlink("a.txt", work.path().join("link")).unwrap();
    std::fs::write(work.path().join(OsStr::from_bytes(b"\xff\xfe.txt")), b"none").unwrap();
    let folder = work.path().join(OsStr::from_bytes(b"\xd0\xcd"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("c.txt"), b"none").unwrap();
    work.ok(&["add", "-A"]);
    work.ok(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "1".repeat(40))]);
    work.ok(&["commit", "-qm", "All"]);
    work
}

const ALL_OF_IT: &str = r"
import os, sys
from huggingface_hub import HfApi, snapshot_download
endpoint, token, work, repo, *names = sys.argv[1:]
api = HfApi(endpoint=endpoint, token=False)
found = snapshot_download(repo, endpoint=endpoint, token=False)
there = sorted(os.path.relpath(os.path.join(dir, file), found) for dir, _, files in os.walk(found) for file in files)
assert there == sorted(names), there
assert sorted(api.list_repo_files(repo)) == sorted(names)
assert sorted(file.rfilename for file in api.model_info(repo).siblings) == sorted(names)
asked = api.get_paths_info(repo, names + ['sub'])
assert sorted(info.path for info in asked if hasattr(info, 'size')) == sorted(names), asked
for link, target in [('link', 'a.txt'), ('读我.md', 'README.md')]:
    if link in names:
        assert open(os.path.join(found, link)).read() == target
";

/// One entry that is listed and not found, and clients give up on all of the repository.
#[test]
fn a_repository_with_links_submodules_and_names_that_are_no_text_is_downloaded() {
    let place = Place::new();
    let fixture = fixtures().join("acme/tiny-zh.git");
    place.hub.cli(&["repo", "import", fixture.to_str().unwrap(), "acme/tiny-zh"]).ok();
    place.hub.repo("acme/odd");
    push(&place, &odd(), "acme/odd");
    for version in VERSIONS {
        let Some(client) = HubClient::of(version) else { return };
        let all = |names: &[&str]| {
            client.script(&place.hub, &place.ada, place.dir.path(), ALL_OF_IT, names).ok();
        };
        all(&["acme/odd", "a.txt", "d/b.txt", "link"]);
        all(&[
            "acme/tiny-zh",
            ".gitattributes",
            "100% #1 ?.txt",
            "README.md",
            "folder with spaces/a file.txt",
            "权重 文件.gguf",
            "说明/使用 方法.md",
            "读我.md",
        ]);
        let hf = |args: &[&str]| {
            client.hf(place.hub.url("").trim_end_matches('/'), None, place.dir.path(), args).ok()
        };
        let dir = place.dir.path().join(version);
        hf(&["download", "acme/odd", "--local-dir", dir.to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(dir.join("link")).unwrap(), "a.txt");
    }
}

/// What an import without git has of it is what clients have.
#[test]
fn a_link_is_imported_without_git_as_a_file_that_holds_its_target() {
    let two = Two::new();
    two.from.hub.repo("acme/odd");
    push(&two.from, &odd(), "acme/odd");
    two.import(&["hf:acme/odd"]).ok();
    let dir = two.to.dir.path().join("cloned");
    two.git.ok(two.to.dir.path(), &["clone", "-q", &two.to.hub.repo_url("acme/odd"), dir.to_str().unwrap()]);
    assert_eq!(two.git.ok(&dir, &["ls-files"]), "a.txt\nd/b.txt\nlink");
    assert!(std::fs::symlink_metadata(dir.join("link")).unwrap().is_file());
    assert_eq!(std::fs::read(dir.join("link")).unwrap(), b"a.txt");
    two.to.hub.fsck();
}
