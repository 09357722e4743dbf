//! What clients need of the answers themselves.

use polder_tests::{Hub, HubClient, Work};
use serde_json::{Value, json};

use crate::Place;

/// Names in a listing of the API, following `Link` as the clients do: to absolute URLs only.
fn pages(place: &Place, first: &str, public: &str, key: &str) -> (Vec<String>, usize) {
    let (mut names, mut count, mut path) = (Vec::new(), 0, first.to_owned());
    loop {
        let answer = place.hub.http().get(&path).send().expect(200);
        names.extend(
            answer.json().as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()),
        );
        count += 1;
        let Some(link) = answer.header("link") else { return (names, count) };
        let url = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect(link);
        path = url.strip_prefix(public).expect(url).to_owned();
    }
}

/// A repository with 1,100 files below `many folders/`.
fn many_files(place: &Place) {
    place.hub.repo("acme/many");
    let work = Work::new();
    for n in 0..1_100 {
        work.write(&format!("many folders/{:02}/{n:04}.txt", n % 20), format!("{n}").as_bytes());
    }
    work.ok(&["add", "."]);
    work.ok(&["commit", "-qm", "Many"]);
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/many", &place.ada), "main"]);
}

/// Checks 36 and 38: pages through a proxy's base URL.
#[test]
fn a_long_tree_comes_in_pages_whose_links_are_the_public_url() {
    let public = "https://hub.example.org/models/here";
    let place = Place::with(Hub::builder().config(&format!("public-url = \"{public}\"")).start());
    many_files(&place);
    let tree = "/api/models/acme/many/tree/main";
    let (names, count) =
        pages(&place, &format!("{tree}?recursive=True&expand=False&unknown=1"), public, "path");
    assert_eq!((names.len(), count), (1_100 + 21, 2));
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "nothing twice");
    let (names, count) = pages(&place, &format!("{tree}/many%20folders%2F07?limit=20"), public, "path");
    assert_eq!((names.len(), count), (55, 3));
    let missing = place.hub.http().get(&format!("{tree}/nowhere")).send();
    assert_eq!((missing.status, missing.header("x-error-code")), (404, Some("EntryNotFound")));
}

/// Check 38: of files and folders, in listings and for chosen paths.
#[test]
fn an_expanded_listing_names_the_commit_that_last_changed_each_entry() {
    let place = Place::new();
    place.create("model", "m");
    for (n, path) in ["a", "d/x", "d/y", "d/x"].iter().enumerate() {
        let header =
            json!({"key": "header", "value": {"summary": format!("Commit {n}"), "description": "why"}});
        let file =
            json!({"key": "file", "value": {"path": path, "content": format!("{n}"), "encoding": "utf-8"}});
        place.commit("acme/m", &[header, file]).expect(200);
    }
    let titles = |entries: &serde_json::Value| -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| (text(&entry["path"]), text(&entry["lastCommit"]["title"]))).collect()
    };
    let tree = "/api/models/acme/m/tree/main";
    let listed =
        place.hub.http().get(&format!("{tree}?recursive=True&expand=True")).send().expect(200).json();
    let expected = [
        (".gitattributes", "Initial commit"),
        ("a", "Commit 0"),
        ("d", "Commit 3"),
        ("d/x", "Commit 3"),
        ("d/y", "Commit 2"),
    ];
    assert_eq!(titles(&listed), expected.map(|(path, title)| (path.to_owned(), title.to_owned())));
    let newest = place.hub.http().get("/api/models/acme/m/commits/main?limit=1").send().expect(200).json();
    assert_eq!(listed[2]["lastCommit"]["id"], newest[0]["id"]);
    assert_eq!(listed[2]["lastCommit"]["date"], newest[0]["date"]);
    let plain = place.hub.http().get(&format!("{tree}?expand=False")).send().expect(200).json();
    assert!(plain[0].get("lastCommit").is_none());
    let paths = "/api/models/acme/m/paths-info/main";
    let form = place.hub.http().post(paths, "paths=d&paths=a&expand=True");
    let found = form.header("content-type", "application/x-www-form-urlencoded").send().expect(200).json();
    let expected = [("d", "Commit 3"), ("a", "Commit 0")];
    assert_eq!(titles(&found), expected.map(|(path, title)| (path.to_owned(), title.to_owned())));
}

#[test]
fn commits_come_newest_first_and_in_pages() {
    let place = Place::new();
    place.create("model", "m");
    for n in 0..5 {
        let header = json!({"key": "header", "value": {"summary": format!("Commit {n}"), "description": "<b>why</b>"}});
        let file =
            json!({"key": "file", "value": {"path": "n", "content": format!("{n}"), "encoding": "utf-8"}});
        place.commit("acme/m", &[header, file]).expect(200);
    }
    let public = place.hub.url("").trim_end_matches('/').to_owned();
    let (titles, count) = pages(&place, "/api/models/acme/m/commits/main?limit=2", &public, "title");
    let expected = ["Commit 4", "Commit 3", "Commit 2", "Commit 1", "Commit 0", "Initial commit"];
    assert_eq!((titles, count), (expected.map(str::to_owned).to_vec(), 3));
    let commits = "/api/models/acme/m/commits/main?expand%5B%5D=formatted&limit=1";
    let first = place.hub.http().get(commits).send().expect(200).json()[0].clone();
    assert_eq!(first["message"], "<b>why</b>");
    assert_eq!(first["formatted"]["message"], "&lt;b&gt;why&lt;/b&gt;");
}

/// As other clients make one for what has nothing to do with the files on `main`.
#[test]
fn an_empty_branch_has_a_commit_of_its_own_and_no_files() {
    let place = Place::new();
    place.create("model", "m");
    let branch = "/api/models/acme/m/branch/pages";
    place.ask("POST", branch, &json!({"emptyBranch": true})).expect(200);
    place.ask("POST", branch, &json!({"emptyBranch": true})).expect(409);
    let get =
        |path: &str| place.hub.http().get(&format!("/api/models/acme/m/{path}")).send().expect(200).json();
    assert_eq!(get("tree/pages"), json!([]));
    assert_eq!(get("commits/pages").as_array().unwrap().len(), 1);
    assert_ne!(get("commits/pages")[0]["id"], get("commits/main")[0]["id"]);
    let work = Work::new();
    work.ok(&["clone", "-q", "-b", "pages", &place.hub.repo_url_as("acme/m", &place.ada), "there"]);
}

/// Check 41, and finding 10: 307, so that a POST stays one.
#[test]
fn a_former_name_leads_to_the_new_one_below_api_too() {
    let place = Place::new();
    place.create("dataset", "old");
    let body = json!({"fromRepo": "acme/old", "toRepo": "acme/new", "type": "dataset"});
    place.ask("POST", "/api/repos/move", &body).expect(200);
    for (method, path) in [
        ("GET", "?expand=sha"),
        ("GET", "/tree/main/a%2Fb"),
        ("POST", "/preupload/main"),
        ("POST", "/commit/main"),
        ("POST", "/paths-info/refs%2Fpr%2F1"),
        ("DELETE", "/branch/x"),
    ] {
        let answer = place.ask(method, &format!("/api/datasets/acme/old{path}"), &json!({"files": []}));
        let location = format!("/api/datasets/acme/new{path}");
        assert_eq!((answer.status, answer.header("location")), (307, Some(location.as_str())), "{path}");
    }
    place.ask("DELETE", "/api/repos/delete", &json!({"name": "acme/old", "type": "dataset"})).expect(200);
    let taken = place.ask("POST", "/api/repos/create", &json!({"name": "acme/new", "type": "dataset"}));
    taken.expect(410);
}

/// Finding 9.
#[test]
fn a_name_in_use_is_told_with_its_url() {
    let place = Place::with(Hub::builder().config("public-url = \"https://h.example.org/hub\"").start());
    for (kind, url) in [
        ("model", "https://h.example.org/hub/acme/x"),
        ("dataset", "https://h.example.org/hub/datasets/acme/x"),
        ("space", "https://h.example.org/hub/spaces/acme/x"),
        ("kernel", "https://h.example.org/hub/kernels/acme/x"),
    ] {
        let body = json!({"name": "x", "organization": "acme", "type": kind});
        assert_eq!(place.ask("POST", "/api/repos/create", &body).expect(200).json()["url"], url);
        let told = place.ask("POST", "/api/repos/create", &body).expect(409).json();
        assert_eq!(told["url"], url);
        assert!(told["error"].as_str().unwrap().contains("in use"), "{told}");
    }
}

#[test]
fn only_those_who_may_make_repositories_learn_that_a_name_is_taken() {
    let place = Place::new();
    place.create("model", "secret");
    let stranger = place.hub.user("stranger", "write");
    let reader = place.hub.token("ada", "read");
    for (who, organization) in [(&stranger, "acme"), (&stranger, "nobody"), (&reader, "acme")] {
        for name in ["secret", "free"] {
            let body = json!({"name": name, "organization": organization}).to_string();
            let answer =
                place.hub.http().post("/api/repos/create", body).bearer(&who.secret).send().expect(403);
            let told = answer.text();
            assert_eq!(
                told,
                format!("{{\"error\":\"you may not make repositories in the namespace `{organization}`\"}}")
            );
        }
    }
}

#[test]
fn expand_asks_for_its_keys_and_no_others() {
    let place = Place::new();
    place.create("model", "m");
    let ask =
        |query: &str| place.hub.http().get(&format!("/api/models/acme/m{query}")).send().expect(200).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ask("?expand=sha&expand=nonsense&expand=private")), ["id", "private", "sha"]);
    let whole = ask("?securityStatus=true&anything=else");
    for key in ["author", "cardData", "createdAt", "gated", "lastModified", "likes", "siblings", "tags"] {
        assert!(whole.get(key).is_some(), "{key}");
    }
    let moment = whole["createdAt"].as_str().unwrap();
    assert!(moment.len() == 24 && moment.ends_with('Z'), "{moment}");
}

/// Check 47.
#[test]
fn a_bad_card_is_told_before_it_is_committed() {
    let place = Place::new();
    let check = |content: &str| {
        place.ask("POST", "/api/validate-yaml", &json!({"content": content, "repoType": "model"}))
    };
    assert_eq!(check("---\nlicense: mit\n---\n").expect(200).json(), json!({"errors": [], "warnings": []}));
    let told = check("---\nlicense: [\n---\n").expect(400).json();
    assert!(told["errors"][0]["message"].as_str().unwrap().contains("no valid YAML"), "{told}");
}

const LONG_CARD: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
api.create_repo('acme/long', exist_ok=True)
card = '---\nlicense: mit\n---\n' + 'é' * 2_500_000
api.upload_file(path_or_fileobj=card.encode(), path_in_repo='README.md', repo_id='acme/long')
assert open(api.hf_hub_download('acme/long', 'README.md', force_download=True), newline='').read() == card
";

/// Clients send all of it in JSON, here 15 MB, before they send it.
#[test]
fn a_card_may_be_as_long_as_a_file_in_git_for_who_has_an_account() {
    let place = Place::new();
    for version in ["0.36.2", "2.4.0"] {
        let Some(client) = HubClient::of(version) else { return };
        client.script(&place.hub, &place.ada, place.dir.path(), LONG_CARD, &[]).ok();
    }
    let question = json!({"content": "x".repeat(5 << 20), "repoType": "model"}).to_string();
    place.hub.http().post("/api/validate-yaml", question).send().expect(413);
    let question = json!({"content": "x".repeat(32 << 20), "repoType": "model"});
    place.ask("POST", "/api/validate-yaml", &question).expect(413);
}

#[test]
fn every_refusal_below_api_is_json() {
    let place = Place::new();
    place.create("model", "m");
    for (method, path, status) in [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/buckets/acme/b", 404),
        ("GET", "/api/jobs/acme", 404),
        ("GET", "/api/spaces/acme/s/runtime", 404),
        ("GET", "/api/daily_papers", 404),
        ("PATCH", "/api/models/acme/m/settings", 405),
        ("POST", "/api/models/acme/m/commit/main?create_pr=1", 400),
        ("PUT", "/api/models/acme/m/settings", 400),
        ("POST", "/api/repos/create", 400),
    ] {
        let answer = place.ask(method, path, &json!([]));
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["error"].is_string(), "{path}");
    }
}
