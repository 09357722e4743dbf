//! Discussions and pull requests (checks 19 and 20).

use polder_tests::{Git, HubClient, Token, Work};
use serde_json::{Value, json};

use crate::Place;

const DISCUSSIONS: &str = include_str!("discussions.py");

#[test]
fn discussions_are_opened_and_led_by_those_who_may() {
    let place = Place::new();
    let (bob, carl) = (place.hub.user("bob", "write"), place.hub.user("carl", "write"));
    for version in ["2.4.0", "0.36.2"] {
        let Some(client) = HubClient::of(version) else { return };
        let others = [bob.secret.as_str(), carl.secret.as_str()];
        let done = client.script(&place.hub, &place.ada, place.dir.path(), DISCUSSIONS, &others).ok();
        assert!(done.ends_with(&format!("done with {version}")), "{done}");
    }
    place.hub.fsck();
}

const PULLS: &str = include_str!("pulls.py");

fn pulls(client: &HubClient, xet: &str) {
    let place = Place::new();
    let (bob, carl) = (place.hub.user("bob", "write"), place.hub.user("carl", "write"));
    let others = [bob.secret.as_str(), carl.secret.as_str(), xet];
    let done = client.script(&place.hub, &place.ada, place.dir.path(), PULLS, &others).ok();
    assert!(done.contains("done with"), "{done}");
    place.hub.fsck();
}

#[test]
fn pull_requests_are_proposed_by_readers_and_merged_by_writers() {
    for version in ["2.4.0", "0.36.2"] {
        let Some(client) = HubClient::of(version) else { return };
        pulls(&client.without_xet(), "plain");
    }
}

#[test]
fn pull_requests_with_xet_are_the_same() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    pulls(&client, "xet");
}

fn opened(place: &Place, token: &Token, title: &str) -> String {
    let body = json!({"title": title, "description": "Please.", "pullRequest": true}).to_string();
    let http = place.hub.http().post("/api/models/acme/m/discussions", body);
    let num = http.bearer(&token.secret).send().expect(200).json()["num"].as_i64().unwrap();
    format!("refs/pr/{num}")
}

fn told(place: &Place, num: u32) -> Value {
    place.hub.http().get(&format!("/api/models/acme/m/discussions/{num}?diff=1")).send().expect(200).json()
}

#[test]
fn git_fetches_pull_requests_and_their_authors_push_to_them() {
    let place = Place::new();
    let bob = place.hub.user("bob", "write");
    place.hub.repo("acme/m");
    let work = Work::with_lfs();
    let (url, bobs) = (place.hub.repo_url_as("acme/m", &place.ada), place.hub.repo_url_as("acme/m", &bob));
    work.ok(&["lfs", "track", "*.weights"]);
    work.commit("First");
    work.ok(&["push", "-q", &url, "main"]);
    let main = work.ok(&["rev-parse", "HEAD"]);
    let refused = |to: &str, from: &str| work.run(&["push", to, from]).fails();
    // Without a pull request of his own bob pushes nothing.
    assert!(refused(&bobs, "HEAD:refs/heads/bob").contains("403"));
    let (adas, own) = (opened(&place, &place.ada, "Ada's"), opened(&place, &bob, "Bob's"));
    assert_eq!((adas.as_str(), own.as_str()), ("refs/pr/1", "refs/pr/2"));

    work.write("x.weights", "w".repeat(50_000).as_bytes());
    work.commit("Large");
    let tip = work.commit_file("small.txt", b"small\n");
    for to in ["main", "refs/heads/bob", "refs/tags/v1", adas.as_str(), "refs/pr/9"] {
        let said = refused(&bobs, &format!("HEAD:{to}"));
        // Large objects are for a ref, too: git-lfs asks first.
        let told = ["pull request", "hidden ref", "not write to"].iter().any(|word| said.contains(word));
        assert!(told, "{to}: {said}");
    }
    work.ok(&["push", "-q", &bobs, &format!("HEAD:{own}")]);
    let subjects = |num| -> Vec<String> {
        let events = told(&place, num)["events"].as_array().unwrap().clone();
        let subject = |event: &Value| event["data"]["subject"].as_str().map(str::to_owned);
        events.iter().filter_map(subject).collect()
    };
    assert_eq!(subjects(2), ["Large", "Write small.txt"]);
    assert!(told(&place, 2)["diff"].as_str().unwrap().contains("+small"));
    let listed = work.ok(&["ls-remote", &place.hub.repo_url("acme/m")]);
    let at = |oid: &str, name: &str| listed.lines().any(|line| line == format!("{}\t{name}", oid.trim()));
    assert!(at(&main, "refs/heads/main") && at(&main, &adas) && at(&tip, &own), "{listed}");

    // A clone has branches only; the ref is fetched by its name.
    let clone = Git::new(place.dir.path());
    clone.ok(place.dir.path(), &["clone", "-q", &place.hub.repo_url("acme/m"), "clone"]);
    let clone_dir = place.dir.path().join("clone");
    assert!(!clone.refs(&clone_dir).contains("refs/pr/"), "{}", clone.refs(&clone_dir));
    clone.ok(&clone_dir, &["fetch", "-q", "origin", &own]);
    assert_eq!(clone.ok(&clone_dir, &["rev-parse", "FETCH_HEAD"]).trim(), tip.trim());

    // Writers push to any that is open; nobody deletes one, and a rewritten one is taken.
    work.ok(&["push", "-q", &url, &format!("HEAD:{adas}")]);
    for (to, name) in [(&url, &adas), (&bobs, &own)] {
        assert!(refused(to, &format!(":{name}")).contains(name.as_str()));
    }
    work.ok(&["commit", "-q", "--amend", "-m", "Small, again"]);
    work.ok(&["push", "-q", "--force", &bobs, &format!("HEAD:{own}")]);
    assert_eq!(subjects(2), ["Large", "Write small.txt", "Small, again"]);
    place.ask("POST", "/api/models/acme/m/discussions/2/merge", &json!({})).expect(200);
    assert_eq!(told(&place, 2)["status"], "merged");
    work.commit_file("late.txt", b"late\n");
    assert!(refused(&url, &format!("HEAD:{own}")).contains("pull request: 2 is merged"));
    place.hub.fsck();
}

/// Repositories of the fourth kind have none, and those of other hubs none here.
#[test]
fn kernels_have_no_discussions_and_bad_requests_change_nothing() {
    let place = Place::new();
    place.create("kernel", "k");
    place.create("model", "m");
    let kernel = place.hub.http().get("/api/kernels/acme/k/discussions").bearer(&place.ada.secret).send();
    assert!(kernel.expect(400).json()["error"].as_str().unwrap().contains("kernels have no discussions"));
    let open = |body: Value| place.ask("POST", "/api/models/acme/m/discussions", &body).status;
    for bad in [
        json!({"title": "ab", "description": "x"}),
        json!({"title": "two\nlines", "description": "x"}),
        json!({"title": "no text"}),
        json!({"title": "a NUL", "description": "\0"}),
        json!({"description": "no title"}),
        json!({"title": 7, "description": "x"}),
    ] {
        assert_eq!(open(bad.clone()), 400, "{bad}");
    }
    assert_eq!(open(json!({"title": "long", "description": "x".repeat(65_537)})), 413);
    for path in ["0", "-1", "x", "99999999999999999999", "1"] {
        let answer = place.hub.http().get(&format!("/api/models/acme/m/discussions/{path}")).send();
        assert!(answer.status == 404 && answer.json()["error"].is_string(), "{path}: {}", answer.text());
    }
    assert_eq!(open(json!({"title": "good", "description": "x", "unknown": 1})), 200);
    for (comment, status) in [("zz", 404), ("", 404), (&"f".repeat(16), 404), (&"f".repeat(99), 404)] {
        let path = format!("/api/models/acme/m/discussions/1/comment/{comment}/edit");
        assert_eq!(place.ask("POST", &path, &json!({"content": "x"})).status, status, "{comment}");
    }
    let list =
        place.hub.http().get("/api/models/acme/m/discussions?p=x&type=?&status=?&zz=1").send().expect(200);
    assert_eq!(list.json()["count"], 1, "what is not understood filters nothing");
}
