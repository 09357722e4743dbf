//! What git lets anybody push is shown so that clients can read it, and harms no list.

use polder_tests::{HubClient, Work, run};

use crate::Place;

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
