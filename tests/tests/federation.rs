//! What other hubs get from this one, over the wire.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use polder_log::{Advanced, Body, Content, Cursor, EventType, EventsPage, RefMap, VerifierKey};
use polder_tests::{Hub, LargeObject, Memory, Token, Work, until};
use serde_json::Value;

struct Place {
    hub: Hub,
    token: Token,
    work: Work,
}

impl Place {
    fn new(hub: Hub) -> Self {
        let token = hub.acme();
        let work = Work::new();
        Self { hub, token, work }
    }

    fn push(&self, repo: &str, refs: &[&str]) {
        let url = self.hub.repo_url_as(repo, &self.token);
        self.work.ok(&[&["push", "-q", "--force", &url][..], refs].concat());
    }

    fn about(&self) -> Option<Value> {
        let answer = self.hub.http().get("/.well-known/polder").send();
        serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)
    }

    /// Everything that the log tells of, verified; waits until `enough` is among it.
    fn follow(&self, enough: impl Fn(&Body) -> bool) -> Vec<Body> {
        until("the log to tell of it", 60, || {
            let about = self.about()?;
            let key: VerifierKey = about["keys"][0].as_str()?.parse().expect("a key");
            let log = format!("{}/polder/{}", about["origin"].as_str()?, about["epoch"]);
            let answer = self.hub.http().get("/polder/v1/log/events?from=0").send().expect(200);
            let page = EventsPage::decode(&answer.body).expect("a page");
            let Advanced { entries, .. } =
                Cursor::start(log.parse().expect("a log")).advance(&page, &key).expect("as it was signed");
            let bodies = entries.into_iter().map(|entry| match entry.content {
                Content::Body(body) => *body,
                other => panic!("{other:?}"),
            });
            let bodies: Vec<Body> = bodies.collect();
            bodies.iter().any(&enough).then_some(bodies)
        })
    }

    fn size(&self) -> u64 {
        self.about().and_then(|about| about["size"].as_u64()).expect("a log")
    }
}

fn moves(body: &Body, oid: &str) -> bool {
    body.refs.iter().flatten().any(|moved| moved.new.is_some_and(|new| new.to_string() == oid))
}

#[test]
fn a_hub_is_followed_from_its_address_to_the_last_byte() {
    let place = Place::new(Hub::start());
    let (hub, object) = (&place.hub, LargeObject::random(1, 300_000));
    hub.repo("acme/m");
    object.upload(hub.http(), "acme/m", &place.token);
    place.work.write("weights.bin", object.pointer().as_bytes());
    let first = place.work.commit_file("README.md", b"# A model\n");
    place.push("acme/m", &["main"]);
    place.follow(|body| body.kind == EventType::RepoCreate);
    let second = place.work.commit_file("README.md", b"# A better model\n");
    place.push("acme/m", &["main", "main:refs/heads/gone"]);
    let bodies = place.follow(|body| moves(body, &second));
    let create = bodies.iter().find(|body| body.kind == EventType::RepoCreate).expect("a repository");
    let newest = bodies.last().expect("an event");
    let (rid, refs) = (create.id(), newest.state.expect("a state").refs_sha256);

    let answer = hub.http().get(&format!("/polder/v1/repos/{rid}/refs/{refs}")).send().expect(200);
    let map = RefMap::decode(&answer.body).expect("a ref map");
    assert_eq!((map.sha256(), map.refs().len()), (refs, 2));
    let etag = answer.header("etag").expect("a tag").to_owned();
    let again = hub.http().get(&format!("/polder/v1/repos/{rid}/refs/{refs}"));
    assert_eq!(again.header("If-None-Match", &etag).send().status, 304);
    let tile = hub.http().get("/polder/v1/log/tile/entries/000.p/2").send().expect(200);
    assert_eq!(tile.body.len(), 2 * 122);
    assert!(tile.header("cache-control").is_some_and(|cache| cache.contains("immutable")));

    let clone = |name: &str| place.work.beside(name);
    let url = hub.url(&format!("polder/v1/git/{rid}"));
    place.work.git.ok(&clone(""), &["clone", "-q", "--mirror", &url, "mirror"]);
    assert_eq!(place.work.git.ok(&clone("mirror"), &["rev-parse", "main"]), second);
    let raw = hub.http().get(&format!("/polder/v1/objects/sha256/{}", object.oid));
    assert_eq!(raw.clone().send().expect(200).body, object.bytes);
    assert_eq!(raw.header("Range", "bytes=10-19").send().expect(206).body, object.bytes[10..20]);
    hub.http().get(&format!("/polder/v1/objects/sha256/{}/chunks", object.oid)).send().expect(200);

    // What the log told of stays fetchable for other hubs, also when its branch is gone.
    place.work.ok(&["reset", "-q", "--hard", &first]);
    let third = place.work.commit_file("README.md", b"# Another model\n");
    place.push("acme/m", &["main", ":refs/heads/gone"]);
    place.follow(|body| moves(body, &third));
    place.work.git.ok(&clone(""), &["init", "-q", "--bare", "late"]);
    place.work.git.ok(&clone("late"), &["fetch", "-q", &url, &second]);

    hub.cli(&["repo", "visibility", "acme/m", "private"]).ok();
    hub.http().get(&format!("/polder/v1/git/{rid}/info/refs?service=git-upload-pack")).send().expect(404);
    hub.http().get(&format!("/polder/v1/repos/{rid}/refs/{refs}")).send().expect(404);
    hub.http().get(&format!("/polder/v1/objects/sha256/{}", object.oid)).send().expect(404);
    place.follow(|body| body.kind == EventType::RepoVisibility);
}

#[test]
fn two_thousand_who_wait_are_woken_by_one_push() {
    const WAITERS: usize = 2_000;
    let place = Place::new(Hub::start());
    place.hub.repo("acme/m");
    place.follow(|body| body.kind == EventType::RepoCreate);
    let size = place.size();
    let memory = Memory::watch(place.hub.pid());
    let line = format!(
        "GET /polder/v1/log/events?from={size}&wait=60 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"
    );
    let mut waiting: Vec<TcpStream> = (0..WAITERS)
        .map(|_| {
            let mut stream = place.hub.http().connect();
            stream.write_all(line.as_bytes()).expect("sent");
            stream
        })
        .collect();
    // Not one of them is answered before there is something.
    let first = waiting.first_mut().expect("one");
    first.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
    assert!(first.read(&mut [0]).is_err(), "answered too early");
    first.set_read_timeout(Some(Duration::from_secs(30))).expect("set");

    let commit = place.work.commit_file("README.md", b"# A model\n");
    place.push("acme/m", &["main"]);
    let start = Instant::now();
    for mut stream in waiting {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..head]));
        let page = EventsPage::decode(&answer[head + 4..]).expect("a page");
        let body = Body::decode(page.bodies.first().expect("an event")).expect("a body");
        assert!(moves(&body, &commit));
    }
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    assert!(memory.growth_mib() < 200, "{} MiB for {WAITERS} who wait", memory.growth_mib());
}

#[test]
fn who_waits_in_vain_is_told_so_and_a_stranger_pings_nobody() {
    let place = Place::new(Hub::start());
    place.hub.repo("acme/m");
    place.follow(|body| body.kind == EventType::RepoCreate);
    let size = place.size();
    let none = place.hub.http().get(&format!("/polder/v1/log/events?from={size}&wait=1")).send();
    assert_eq!((none.status, none.body.len()), (204, 0));
    let now = place.hub.http().get(&format!("/polder/v1/log/events?from={size}")).send().expect(200);
    assert!(now.body.len() < 400, "{} bytes that bring nothing", now.body.len());
    let ping = place.hub.http().post("/polder/v1/ping", "{\"origin\": \"other.example.org\"}").send();
    assert_eq!(ping.status, 404, "{}", ping.text());
}

#[test]
fn who_waits_is_answered_when_the_hub_ends_and_does_not_hold_it_up() {
    let mut place = Place::new(Hub::start());
    let size = place.size();
    let mut waiting = place.hub.http().connect();
    let line = format!("GET /polder/v1/log/events?from={size}&wait=60 HTTP/1.1\r\nHost: hub\r\n\r\n");
    waiting.write_all(line.as_bytes()).expect("sent");
    waiting.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
    assert!(waiting.read(&mut [0]).is_err(), "answered too early");

    assert!(place.hub.stop().success());
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(!place.hub.log().contains("were cut"), "it waited for whoever waits: {}", place.hub.log());
}

#[test]
fn a_hub_that_does_not_federate_says_nothing() {
    let hub = Hub::builder().config("[federation]\nenabled = false").start();
    hub.acme();
    hub.repo("acme/m");
    for path in ["/.well-known/polder", "/polder/v1/log/checkpoint", "/polder/v1/log/events"] {
        hub.http().get(path).send().expect(404);
    }
}
