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
