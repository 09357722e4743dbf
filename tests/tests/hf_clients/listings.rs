//! What is downloaded and stored, tags, followers, cards that are wrong, and logging in.

use polder_tests::{HubClient, Work, until};
use serde_json::{Value, json};

use crate::Place;

const LISTINGS: &str = r"
import sys
from huggingface_hub import HfApi, CommitOperationAdd
endpoint, token, work = sys.argv[1:4]
ada, stranger = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=False)
info = stranger.model_info('acme/a')
assert info.downloads == 3, info
only = stranger.model_info('acme/a', expand=['downloads', 'downloadsAllTime'])
assert only.downloads == 3 and only.downloads_all_time == 3, only
listed = [(one.id, one.downloads) for one in stranger.list_models(sort='downloads')]
assert listed == [('acme/a', 3), ('acme/b', 0)], listed
assert [one.id for one in stranger.list_models(sort='created_at')] == ['acme/b', 'acme/a']
stored = {one.id: one for one in ada.list_user_repos(namespace='acme')}
assert set(stored) == {'acme/a', 'acme/b', 'acme/hidden'}, stored
one = stored['acme/a']
assert one.type == 'model' and one.visibility == 'public' and one.storage > 0, one
assert stored['acme/hidden'].visibility == 'private'
assert list(ada.list_user_repos()) == []
tags = stranger.get_model_tags()
assert tags['license'] == [{'id': 'license:mit', 'label': 'mit', 'type': 'license'}], tags
assert stranger.get_dataset_tags() == {}
assert list(stranger.list_user_followers('ada')) == [] and list(stranger.list_user_following('ada')) == []
assert list(stranger.list_organization_followers('acme')) == []
bad = chr(10).join(['---', 'tags: bert', 'license: {a: b}', '---', '# x']).encode()
try:
    ada.upload_file(path_or_fileobj=bad, path_in_repo='README.md', repo_id='acme/a')
except ValueError as error:
    text = str(error)
    assert 'Invalid metadata in README.md' in text and 'must be an array' in text, text
    assert 'tags' in text and 'license' in text, text
else:
    raise AssertionError('taken')
";

#[test]
fn downloads_storage_tags_and_followers_are_listed_and_a_wrong_card_is_refused() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    place.hub.repo("acme/a");
    place.hub.repo("acme/b");
    place.hub.cli(&["repo", "add", "acme/hidden", "--private"]).ok();
    let work = Work::new();
    work.write("README.md", b"---\nlicense: mit\n---\n# A\n");
    work.ok(&["add", "."]);
    work.ok(&["commit", "-qm", "All"]);
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/a", &place.ada), "main"]);
    for _ in 0..3 {
        place.hub.http().get("/acme/a/resolve/main/README.md").send().expect(200);
    }
    until("the downloads are counted", 30, || {
        let shown = place.hub.http().get("/api/models/acme/a").send().expect(200).json();
        (shown["downloads"] == 3).then_some(())
    });
    client.script(&place.hub, &place.ada, place.dir.path(), LISTINGS, &[]).ok();
}

/// The clients follow `Link`; they never send a `limit`, which only makes the pages short here.
#[test]
fn likes_and_members_come_page_by_page() {
    let place = Place::new();
    for name in ["a", "b"] {
        place.hub.repo(&format!("acme/{name}"));
        place.ask("POST", &format!("/api/models/acme/{name}/like"), &json!({})).expect(200);
    }
    for name in ["bob", "cid"] {
        let token = place.hub.user(name, "write");
        place.hub.http().post("/api/models/acme/a/like", "{}").bearer(&token.secret).send().expect(200);
        place.hub.cli(&["org", "member", "acme", name, "--role", "read"]).ok();
    }
    let all = |path: &str, key: &str| {
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("{path}?limit=2"));
        while let Some(path) = next {
            let answer = place.hub.http().get(&path).bearer(&place.ada.secret).send().expect(200);
            let items = answer.json();
            found.extend(items.as_array().unwrap().iter().map(|item| item.pointer(key).unwrap().clone()));
            pages += 1;
            let link = answer.header("link").map(|link| link.split(['<', '>']).nth(1).unwrap().to_owned());
            next = link.map(|link| link.replacen(place.hub.url("").trim_end_matches('/'), "", 1));
        }
        found.sort_by_key(|name| name.as_str().unwrap().to_owned());
        (found, pages)
    };
    let people = vec![json!("ada"), json!("bob"), json!("cid")];
    assert_eq!(all("/api/models/acme/a/likers", "/user"), (people.clone(), 2));
    assert_eq!(all("/api/organizations/acme/members", "/user"), (people, 2));
    assert_eq!(all("/api/users/ada/likes", "/repo/name"), (vec![json!("acme/a"), json!("acme/b")], 1));
    // What strangers may not know of leaves no trace, not in the cursor either.
    place.hub.cli(&["repo", "visibility", "acme/b", "private"]).ok();
    let answer = place.hub.http().get("/api/users/ada/likes?limit=1").send().expect(200);
    assert_eq!((answer.json()[0]["repo"]["name"].as_str(), answer.header("link")), (Some("acme/a"), None));
    let overview = |token: Option<&str>| {
        let asked = place.hub.http().get("/api/organizations/acme/overview");
        token.map_or(asked.clone(), |token| asked.bearer(token)).send().expect(200).json()["numUsers"].clone()
    };
    assert_eq!((overview(Some(&place.ada.secret)), overview(None)), (json!(3), Value::Null));
    for path in ["models/acme/a/likers", "users/ada/likes", "organizations/acme/members"] {
        let asked = place.hub.http().get(&format!("/api/{path}?cursor=x%00")).bearer(&place.ada.secret);
        asked.send().expect(400);
    }
}
