//! More than the hub takes on: who waits, who is told to come back, and that nobody else notices.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use polder_tests::{Client, Http, Hub, LargeObject, Memory, Response, Token, Work, have, poll, until};

/// More than the buffers between server and client hold.
const LARGE_BYTES: usize = 24 << 20;

struct Place {
    hub: Hub,
    token: Token,
    work: Work,
    tip: String,
}

impl Place {
    /// A hub with these `[limits]` and `acme/m`, whose one commit no client can take in without reading.
    fn new(limits: &str) -> Self {
        let hub = Hub::builder().config(&format!("[limits]\n{limits}")).start();
        let token = hub.acme();
        let work = Work::new();
        work.write("weights", &LargeObject::random(1, LARGE_BYTES).bytes);
        work.commit("Weights");
        let tip = work.ok(&["rev-parse", "HEAD"]);
        let place = Self { hub, token, work, tip };
        place.fill("acme/m");
        place
    }

    fn fill(&self, repo: &str) {
        self.hub.repo(repo);
        self.work.ok(&["push", "-q", &self.hub.repo_url_as(repo, &self.token), "main"]);
    }

    fn http(&self) -> Http {
        self.hub.http()
    }

    /// A fetch that runs and is not read.
    fn stalled(&self, http: Http, repo: &str) -> TcpStream {
        let mut stream = http.connect();
        stream.write_all(&http.fetch(repo, &self.tip).to_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200", "the fetch runs");
        stream
    }

    fn fetch(&self, http: Http, repo: &str) -> Response {
        http.fetch(repo, &self.tip).send()
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.http().get("/metrics").send().expect(200).text();
        let values = metrics.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }
}

/// `status` with a time to come back, and the words for the user in them.
#[track_caller]
fn refused(answer: &Response, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{:?} {}", answer.headers, answer.text());
    let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert!(answer.text().contains(words), "{}", answer.text());
}

#[test]
fn a_client_that_has_its_share_is_refused_and_everyone_else_is_served() {
    let place = Place::new("per-client-max = 1\nqueue-max = 0");
    let stalled = place.stalled(place.http(), "acme/m");

    refused(&place.fetch(place.http(), "acme/m"), 429, "too many transfers");
    let clone = place.work.run(&["ls-remote", &place.hub.repo_url("acme/m")]);
    assert!(clone.success(), "listing refs waits for nothing: {}", clone.stderr);
    place.http().get("/acme/m/resolve/main/weights").send().expect(200);
    let told = place.work.run(&["clone", &place.hub.repo_url("acme/m"), "refused"]).fails();
    assert!(told.contains("429"), "{told}");

    // Another address, and an account on the same address.
    place.fetch(place.http().from("127.0.0.2"), "acme/m").expect(200);
    let (user, secret) = (&place.token.user, &place.token.secret);
    place.http().fetch("acme/m", &place.tip).basic(user, secret).send().expect(200);
    assert!(place.metric("polder_transfers_refused_total{kind=\"fetch\",share=\"client\"}") >= 2);

    drop(stalled);
    until("the place to come free", 20, || (place.fetch(place.http(), "acme/m").status == 200).then_some(()));
    until("every place to be free", 20, || (place.metric("polder_transfers_running") == 0).then_some(()));
}

#[test]
fn one_repository_cannot_take_every_place_and_a_full_hub_says_so() {
    let place = Place::new("fetches-max = 2\nper-repository-max = 1\nqueue-max = 0");
    place.fill("acme/other");
    let _first = place.stalled(place.http(), "acme/m");
    refused(&place.fetch(place.http().from("127.0.0.2"), "acme/m"), 503, "busy");
    let _second = place.stalled(place.http().from("127.0.0.2"), "acme/other");
    refused(&place.fetch(place.http().from("127.0.0.3"), "acme/other"), 503, "busy");
    // Pushes have places of their own.
    place.work.commit_file("more", b"more\n");
    place.work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.token), "main"]);
}

#[test]
fn who_finds_no_place_waits_for_one() {
    let place = Place::new("fetches-max = 1\nqueue-seconds-max = 60");
    let stalled = place.stalled(place.http(), "acme/m");
    std::thread::scope(|scope| {
        let clones: Vec<_> = (0..3)
            .map(|n| {
                let place = &place;
                let url = place.hub.repo_url("acme/m");
                scope.spawn(move || place.work.run(&["clone", "-q", &url, &format!("clone{n}")]))
            })
            .collect();
        until("three to wait", 20, || (place.metric("polder_transfers_waiting") == 3).then_some(()));
        drop(stalled);
        for clone in clones {
            clone.join().unwrap().ok();
        }
    });
    assert_eq!(place.metric("polder_transfers_waiting"), 0);
}

#[test]
fn a_reader_that_stands_still_gives_way_to_one_who_waits() {
    let place = Place::new("fetches-max = 1\nqueue-seconds-max = 8");
    let mut stalled = place.stalled(place.http(), "acme/m");
    place.fetch(place.http().from("127.0.0.2"), "acme/m").expect(200);
    // What the first one has was cut: no last chunk, so nothing that looks whole.
    let mut rest = Vec::new();
    let _cut = stalled.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "the response looks whole");
    assert!(rest.len() < LARGE_BYTES, "{}", rest.len());
    assert_eq!(place.metric("polder_transfers_cut_total"), 1);
}

#[test]
fn uploads_of_large_objects_have_places_too() {
    let place = Place::new("per-client-max = 1\nqueue-max = 0");
    let (first, second) = (LargeObject::random(2, 1 << 20), LargeObject::random(3, 1000));
    let href = |object: &LargeObject| {
        object.action(place.http(), "acme/m", "upload", Some(&place.token)).expect("an action")
    };
    let request = place.http().put(&href(&first), first.bytes.clone()).to_bytes();
    let mut stream = place.http().connect();
    stream.write_all(&request[..request.len() / 2]).unwrap();
    until("the upload to run", 20, || (place.metric("polder_transfers_running") == 1).then_some(()));

    let answer = place.http().put(&href(&second), second.bytes.clone()).send();
    refused(&answer, 429, "too many transfers");
    assert!(answer.json()["message"].is_string(), "{}", answer.text());
    stream.write_all(&request[request.len() / 2..]).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    until("the second upload to be taken", 20, || {
        let taken = place.http().put(&href(&second), second.bytes.clone()).send();
        (taken.status == 200).then_some(())
    });
}

#[test]
fn git_lfs_comes_back_after_being_told_to() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new("uploads-max = 1\nper-client-max = 1\nqueue-max = 0");
    let work = Work::new();
    work.ok(&["lfs", "install", "--local", "--skip-repo"]);
    work.ok(&["lfs", "track", "*.bin"]);
    for n in 0..3 {
        work.write(&format!("{n}.bin"), &LargeObject::random(100 + n, 300_000).bytes);
    }
    work.ok(&["add", "-A"]);
    work.commit("Many");
    place.hub.repo("acme/lfs");
    let url = place.hub.repo_url_as("acme/lfs", &place.token);
    work.ok(&["remote", "add", "origin", &url]);
    work.ok(&["lfs", "push", "--all", "origin"]);
    work.ok(&["push", "-q", "origin", "main"]);
    assert!(place.metric("polder_transfers_refused_total") >= 1, "nothing was refused");
}

#[test]
fn request_bodies_that_must_be_held_have_a_sum() {
    let place = Place::new("held-bodies-mib-max = 16");
    let mut held = Vec::new();
    let body = vec![b'x'; 14 << 20];
    let request = place.http().fetch("acme/m", &place.tip).body(body).to_bytes();
    for _ in 0..2 {
        let mut stream = place.http().connect();
        // All but the last byte; whoever is refused may hang up meanwhile.
        let _sent = stream.write_all(&request[..request.len() - 1]);
        held.push(stream);
    }
    until("one to be refused", 20, || (place.metric("polder_bodies_refused_total") >= 1).then_some(()));
    let told = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let answers: Vec<String> = held.iter_mut().map(told).collect();
    let is_refusal =
        |answer: &String| answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 5");
    assert!(answers.iter().any(is_refusal), "{answers:?}");
    place.fetch(place.http(), "acme/m").expect(200);
    drop(held);
    until("the memory to be given back", 20, || {
        let answer = place.http().fetch("acme/m", &place.tip).body(vec![b'x'; 14 << 20]).send();
        (answer.status != 503).then_some(())
    });
}

#[test]
fn an_address_that_tries_many_wrong_tokens_is_refused_for_a_while_and_nobody_else_is() {
    let place = Place::new("");
    let refs = "/acme/m.git/info/refs?service=git-upload-pack";
    let ask = |http: Http, token: &str| http.get(refs).basic("ada", token).send();
    let fresh = place.hub.token("ada", "read");
    assert_eq!(ask(place.http(), &place.token.secret).status, 200);
    for n in 0..20 {
        // A guess that looks like a token, one that does not, and the three ways to send one.
        let wrong = format!("pld_{n}");
        let answer = match n % 3 {
            0 => ask(place.http(), &wrong),
            1 => place.http().get(refs).bearer(&wrong).send(),
            _ => place.http().get("/acme/m/resolve/main/weights").bearer(&wrong).send(),
        };
        assert_eq!(answer.status, 401, "{n}: {}", answer.text());
    }
    let bad = LargeObject::random(9, 10);
    for answer in [
        ask(place.http(), "pld_x"),
        ask(place.http(), &fresh.secret),
        place.http().get("/acme/m/resolve/main/weights").bearer("pld_x").send(),
        bad.batch(place.http(), "acme/m", "download", Some(&Token { secret: "x".into(), ..fresh.clone() })),
    ] {
        refused(&answer, 429, "tokens that are not valid");
    }
    // The same address with a token that is in use, or without any; another address with any.
    assert_eq!(ask(place.http(), &place.token.secret).status, 200);
    assert_eq!(place.http().get(refs).send().status, 200);
    assert_eq!(ask(place.http().from("127.0.0.2"), &fresh.secret).status, 200);
    assert_eq!(ask(place.http().from("127.0.0.2"), "pld_x").status, 401);
}

/// Reads an answer without keeping it: its status, and whether it came to its end.
fn drained(mut stream: TcpStream, request: &[u8]) -> Option<(u16, bool)> {
    stream.write_all(request).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length: Option<u64> =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let (mut count, mut tail) = (0, Vec::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = stream.read(&mut buffer).ok()?;
        if read == 0 {
            break;
        }
        count += u64::try_from(read).unwrap();
        tail.extend_from_slice(&buffer[read.saturating_sub(7)..read]);
        tail.drain(..tail.len().saturating_sub(7));
    }
    let is_whole = length.map_or(tail == b"\r\n0\r\n\r\n", |length| length == count);
    Some((head[9..12].parse().unwrap(), is_whole))
}

/// Scorecard F16 and F17: what does not fit is refused in a way that clients understand, everyone gets
/// everything in the end, and the memory is that of a small node.
#[test]
fn a_hundred_clones_at_once_fit_into_the_memory_of_a_small_node() {
    const CLONES: usize = 100;
    let place = Place::new("queue-max = 128");
    let object = LargeObject::random(5, LARGE_BYTES);
    object.upload(place.http(), "acme/m", &place.token);
    let href = object.action(place.http(), "acme/m", "download", None).expect("an action");
    let fetch = place.http().fetch("acme/m", &place.tip).to_bytes();
    let download = place.http().get(&href).to_bytes();
    let refused = AtomicUsize::new(0);
    let memory = Memory::watch(place.hub.pid());
    std::thread::scope(|scope| {
        for _ in 0..CLONES {
            let (place, fetch, download, refused) = (&place, &fetch, &download, &refused);
            scope.spawn(move || {
                for request in [fetch, download] {
                    until("a clone's turn", 120, || match drained(place.http().connect(), request) {
                        Some((200, true)) => Some(()),
                        Some((429 | 503, true)) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            poll(1, || None::<()>)
                        }
                        other => panic!("{other:?}"),
                    });
                }
            });
        }
    });
    let peak = memory.peak_mib();
    println!("{CLONES} clones: {} refusals, at most {peak} MiB", refused.load(Ordering::Relaxed));
    assert!(peak < 512, "{peak} MiB");
    assert!(refused.load(Ordering::Relaxed) > 0, "nothing was refused, so this was no overload");
    // A place comes free when an answer is over, which the client may be first to know.
    until("every place to be free", 20, || {
        (place.metric("polder_transfers_running") + place.metric("polder_transfers_waiting") == 0)
            .then_some(())
    });
    place.fetch(place.http(), "acme/m").expect(200);
}

/// A26. Two thousand connections send a byte a second: they are cut after 10 s, whatever trickles in.
#[test]
fn connections_that_trickle_are_cut_and_a_healthy_client_is_served_meanwhile() {
    const COUNT: usize = 2_000;
    let place = Place::new("");
    let memory = Memory::watch(place.hub.pid());
    let mut slow: Vec<TcpStream> = (0..COUNT).map(|_| place.http().connect()).collect();
    let begun = Instant::now();
    let mut open = COUNT;
    while open > 0 {
        slow.retain_mut(|stream| stream.write_all(b"G").is_ok());
        open = slow.len();
        assert!(begun.elapsed() < Duration::from_secs(30), "{open} are still open");
        place.http().get("/readyz").send().expect(200);
        let refs = place.work.run(&["ls-remote", &place.hub.repo_url("acme/m")]);
        assert!(refs.success(), "{}", refs.stderr);
        poll(1, || None::<()>);
    }
    let growth = memory.growth_mib();
    println!("{COUNT} connections: at most {growth} MiB more");
    assert!(growth < 128, "{growth} MiB more");
}
