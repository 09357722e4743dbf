//! A namespace stores what it may and not a byte more, whatever races; who is refused is told so, before
//! the bytes are taken.
#![cfg(test)]

use std::io::{Read, Write};

use polder_tests::{Client, Hub, LargeObject, Token, Work, have, until};

/// What `acme` may store in these tests, in bytes.
const QUOTA: usize = 1_000_000;

struct Place {
    hub: Hub,
    token: Token,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        hub.repo("acme/m");
        Self { hub, token }
    }

    fn limit(&self, size: &str) {
        self.hub.cli(&["quota", "set", "acme", size]).ok();
    }

    /// One number of `quota show acme --json`.
    fn number(&self, name: &str) -> i64 {
        let shown = self.hub.cli(&["quota", "show", "acme", "--json"]).ok();
        let rows: serde_json::Value = serde_json::from_str(&shown).unwrap();
        rows[0][name].as_i64().unwrap_or_else(|| panic!("no number `{name}` in {shown}"))
    }

    fn href(&self, object: &LargeObject, repo: &str) -> String {
        object.action(self.hub.http(), repo, "upload", Some(&self.token)).expect("an upload link")
    }
}

/// Attack A42: uploads that all fit by themselves, but not together, sent at once.
#[test]
fn parallel_uploads_that_race_past_the_quota_stop_at_it() {
    let place = Place::new();
    place.hub.repo("acme/n");
    place.limit(&QUOTA.to_string());
    let objects: Vec<LargeObject> = (0..24).map(|seed| LargeObject::random(seed, 99_000)).collect();
    // Every link is given while nothing is stored yet: the batch API has no objection to any of them.
    let repo = |place: usize| ["acme/m", "acme/n"][place % 2];
    let links: Vec<String> =
        objects.iter().enumerate().map(|(at, object)| place.href(object, repo(at))).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let uploads: Vec<_> = objects
            .iter()
            .zip(&links)
            .map(|(object, link)| {
                let http = place.hub.http();
                scope.spawn(move || http.put(link, object.bytes.clone()).send())
            })
            .collect();
        let answers = uploads.into_iter().map(|upload| upload.join().unwrap());
        answers
            .map(|answer| {
                if answer.status == 507 {
                    let message = answer.json()["message"].as_str().unwrap().to_owned();
                    assert!(message.contains("`acme` has used its quota"), "{message}");
                }
                answer.status
            })
            .collect()
    });
    let stored = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 507].contains(status)), "{statuses:?}");
    assert_eq!((stored, place.number("blob_bytes")), (10, 990_000), "{statuses:?}");
    assert_eq!(place.number("reserved_bytes"), 0);
    assert!(!place.hub.stored_files().iter().any(|name| name.contains("quarantine/")));

    // The batch API says it before a byte is sent, of each object by itself; what is here needs no room.
    let refused = &objects[statuses.iter().position(|status| *status == 507).unwrap()];
    let answer = refused.batch(place.hub.http(), "acme/m", "upload", Some(&place.token)).expect(200).json();
    assert_eq!(answer.pointer("/objects/0/error/code"), Some(&507.into()), "{answer}");
    let kept = &objects[statuses.iter().position(|status| *status == 200).unwrap()];
    for repo in ["acme/m", "acme/n"] {
        let answer = kept.batch(place.hub.http(), repo, "upload", Some(&place.token)).expect(200).json();
        assert_eq!(answer.pointer("/objects/0/error"), None, "{answer}");
    }
    assert_eq!(place.number("blob_bytes"), 990_000, "an object in two repositories counts once");
    place.hub.fsck();
    // Other namespaces have their own.
    place.hub.cli(&["repo", "add", "ada/m"]).ok();
    refused.upload(place.hub.http(), "ada/m", &place.token);
}

#[test]
fn bytes_reserved_for_an_upload_that_never_ends_come_back() {
    let mut place = Place::new();
    place.limit(&QUOTA.to_string());
    let (object, other) = (LargeObject::random(1, 900_000), LargeObject::random(2, 200_000));
    let (link, other_link) = (place.href(&object, "acme/m"), place.href(&other, "acme/m"));
    let request = place.hub.http().put(&link, object.bytes.clone()).to_bytes();
    let begin = |place: &Place| {
        let mut connection = place.hub.http().connect();
        connection.write_all(&request[..300_000]).unwrap();
        until("the bytes to be reserved", 20, || (place.number("reserved_bytes") == 900_000).then_some(()));
        connection
    };
    let connection = begin(&place);
    let refused = place.hub.http().put(&other_link, other.bytes.clone()).send();
    assert_eq!(refused.status, 507, "another is refused while they are: {}", refused.text());
    drop(connection);
    until("them to come back", 20, || (place.number("reserved_bytes") == 0).then_some(()));

    // The same when the server dies first.
    let mut connection = begin(&place);
    place.hub.kill();
    let _gone = connection.read(&mut [0]);
    place.hub.serve(None);
    assert_eq!(place.number("reserved_bytes"), 0);
    other.upload(place.hub.http(), "acme/m", &place.token);
    place.hub.fsck();
}

#[test]
fn a_push_over_the_quota_is_stopped_and_told_why() {
    let place = Place::new();
    let url = place.hub.repo_url_as("acme/m", &place.token);
    let work = Work::new();
    let noise = |seed| LargeObject::random(seed, 700_000).bytes;
    work.commit_file("first", &noise(1));
    place.limit("1MB");
    work.ok(&["push", "-q", &url, "main"]);
    let used = place.number("pack_bytes");
    assert!((700_000..720_000).contains(&used), "{used}");
    work.commit_file("second", &noise(2));
    let said = work.run(&["push", &url, "main"]).fails();
    assert!(said.contains("`acme` has used its quota"), "{said}");
    assert_eq!(place.number("pack_bytes"), used);
    assert!(!place.hub.stored_files().iter().any(|name| name.contains("quarantine/")));

    // What adds no object is not refused, even below what is stored; and room that is made is used.
    place.limit("1");
    work.ok(&["push", "-q", &url, "main~1:refs/heads/same"]);
    work.ok(&["push", "-q", &url, ":refs/heads/same"]);
    place.limit("none");
    work.ok(&["push", "-q", &url, "main"]);
    place.hub.fsck();
    place.hub.cli(&["repo", "delete", "acme/m"]).ok();
    assert_eq!(place.number("pack_bytes"), 0);
}

#[test]
fn git_lfs_shows_that_the_quota_is_used() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.limit("150KB");
    let work = Work::with_lfs();
    work.write("small.bin", &LargeObject::random(1, 100_000).bytes);
    work.write("large.bin", &LargeObject::random(2, 200_000).bytes);
    work.commit("Add weights");
    let said = work.run(&["push", &place.hub.repo_url_as("acme/m", &place.token), "main"]).fails();
    assert!(said.contains("`acme` has used its quota") && said.contains("507"), "{said}");
    // The one that fits is there all the same: a retry needs to send only the other.
    assert_eq!(place.number("blob_bytes"), 100_000);
    place.limit("default");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.token), "main"]);
    place.hub.fsck();
}

#[test]
fn the_configuration_sets_what_holds_for_all() {
    let hub = Hub::builder().config("[limits]\nnamespace-bytes = \"64KiB\"").start();
    let token = hub.acme();
    hub.repo("acme/m");
    let object = LargeObject::random(1, 70_000);
    let refusal = |object: &LargeObject| {
        let answer = object.batch(hub.http(), "acme/m", "upload", Some(&token)).expect(200).json();
        answer.pointer("/objects/0/error/code").cloned()
    };
    assert_eq!(refusal(&object), Some(507.into()));
    assert_eq!(refusal(&LargeObject::random(2, 60_000)), None);
    let shown = hub.cli(&["quota", "show"]).ok();
    assert!(shown.contains("acme") && shown.contains("of 64 KiB (default)"), "{shown}");
    hub.cli(&["quota", "set", "acme", "1MiB"]).ok();
    assert_eq!(refusal(&object), None);
    for (args, words) in [
        (&["quota", "set", "nobody", "1MiB"][..], "there is no account `nobody`"),
        (&["quota", "set", "acme", "lots"], "is not a size"),
        (&["quota", "show", "nobody"], "there is no account `nobody`"),
    ] {
        let said = hub.cli(args).fails();
        assert!(said.contains(words), "{said}");
    }
}
