//! A home and two followers between which the line dies: what is sent is lost without a word, in the midst of a
//! fetch and while polls are held. When it comes back, both go on by themselves.
#![cfg(test)]

use std::time::{Duration, Instant};

use polder_tests::{Client, Git, Hub, LargeObject, Machine, Network, Token, Work, have, until};
use serde_json::Value;

/// How long a poll is held at most, and how long an answer may take beyond that.
const POLL: Duration = Duration::from_secs(60 + 30);
/// Pauses and connections that may come after what a poll took.
const MARGIN: Duration = Duration::from_secs(15);
/// What is large enough to be cut in the middle.
const LARGE_BYTES: usize = 96 << 20;

/// How the log shows what a follower does, one line for each step.
const LOG: &str = "[log]\nlevel = \"warn,polder_hub::follow=debug\"";

struct Place {
    home: Hub,
    token: Token,
    followers: [Hub; 2],
    namespace: String,
    work: Work,
    network: Network,
}

impl Place {
    fn new() -> Self {
        let mut network = Network::create();
        let hub = |machine: Machine| Hub::builder().config(LOG).on(machine).start();
        let home = hub(network.machine());
        let followers = [hub(network.machine()), hub(network.machine())];
        let token = home.acme();
        home.repo("acme/m");
        let about: Value = until("the log to begin", 60, || {
            let answer = home.http().get("/.well-known/polder").send();
            (answer.status == 200).then(|| answer.json())
        });
        let namespace = format!("acme.{}", about["origin"].as_str().unwrap());
        let place = Self { home, token, followers, namespace, work: Work::new(), network };
        place.push(1, 10_000);
        let url = format!("http://{}", place.home.address());
        for follower in &place.followers {
            follower.cli(&["follow", &url, "--key", about["keys"][0].as_str().unwrap()]).ok();
        }
        place.in_step(Duration::from_secs(30));
        place
    }

    /// Pushes a large object of so many bytes.
    fn push(&self, seed: u64, bytes: usize) {
        let object = LargeObject::random(seed, bytes);
        object.upload(self.home.http(), "acme/m", &self.token);
        self.work.write("model.bin", object.pointer().as_bytes());
        self.work.commit("Train");
        self.work.ok(&["push", "-q", &self.home.repo_url_as("acme/m", &self.token), "HEAD:main"]);
    }

    fn refs(&self, hub: &Hub, name: &str) -> String {
        Git::new(&self.work.path()).ok(&self.work.path(), &["ls-remote", &hub.repo_url(name)])
    }

    fn shown(&self, follower: &Hub) -> String {
        self.refs(follower, &format!("{}/m", self.namespace))
    }

    /// Waits until both followers serve what the home does; how long that took.
    #[track_caller]
    fn in_step(&self, deadline: Duration) -> Duration {
        let (began, there) = (Instant::now(), self.refs(&self.home, "acme/m"));
        let name = format!("{}/m", self.namespace);
        let git = Git::new(&self.work.path());
        until("both to be in step", deadline.as_secs(), || {
            let refs = |hub: &Hub| git.run(&self.work.path(), &["ls-remote", &hub.repo_url(&name)]);
            self.followers.iter().all(|hub| refs(hub).text() == there).then_some(())
        });
        began.elapsed()
    }

    /// Waits until a follower is in the midst of fetching the large object.
    fn is_fetching(follower: &Hub) {
        let line = format!("({LARGE_BYTES} bytes)");
        until("the object to be fetched", 30, || follower.log().contains(&line).then_some(()));
    }

    /// What is wrong with the home, as a follower tells it.
    fn trouble(follower: &Hub) -> Option<String> {
        let listed: Value = serde_json::from_str(&follower.cli(&["mirrors", "--json"]).ok()).unwrap();
        listed[0]["error"].as_str().map(str::to_owned)
    }
}

#[test]
fn a_line_that_dies_for_long_is_noticed_by_the_next_poll_and_followers_go_on_when_it_is_back() {
    if !have(&[Client::Namespaces]) {
        return;
    }
    let mut place = Place::new();
    let before = place.shown(&place.followers[0]);
    // Both are cut off while they fetch the large object and wait for more news.
    place.push(2, LARGE_BYTES);
    for follower in &place.followers {
        Place::is_fetching(follower);
    }
    place.network.cut();
    let began = Instant::now();
    place.push(3, 10_000);
    for follower in &place.followers {
        until("it to notice that the line is dead", (POLL + MARGIN).as_secs(), || Place::trouble(follower));
    }
    println!("noticed after {:?}", began.elapsed());
    for follower in &place.followers {
        assert_eq!(place.shown(follower), before, "it was cut off in the midst of it");
    }
    place.push(4, 10_000);
    place.network.mend();
    let took = place.in_step(POLL);
    println!("in step {took:?} after it was mended");
    for follower in &mut place.followers {
        assert!(follower.is_running());
        follower.fsck();
    }
}

#[test]
fn a_line_that_dies_for_a_moment_costs_nothing_but_that_moment() {
    if !have(&[Client::Namespaces]) {
        return;
    }
    let place = Place::new();
    let before = place.shown(&place.followers[0]);
    place.network.cut();
    place.push(2, LARGE_BYTES);
    place.push(3, 10_000);
    for follower in &place.followers {
        assert_eq!(place.shown(follower), before, "nothing came through");
    }
    place.network.mend();
    let took = place.in_step(POLL + MARGIN);
    println!("in step {took:?} after it was mended");
    for follower in &place.followers {
        follower.fsck();
    }
}
