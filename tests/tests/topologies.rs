//! Hubs that follow one another in many ways, each a process of its own, with real git and git-lfs.
//!
//! ```text
//! chain    home ← middle ← end            the end never reaches the home
//! cycle    home ← one, two;  one ⇄ two    each is the other's source; then the home dies
//! star     home ← twenty mirrors
//! ```
#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use polder_tests::{Git, Hub, Response, Token, Work, until};
use serde_json::Value;

/// Where no hub is: the discard port, which nothing here listens on.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A hub that has a repository and publishes it.
struct Home {
    hub: Hub,
    token: Token,
    work: Work,
    key: String,
    /// `acme.<origin>`, by which its namespace is known elsewhere.
    namespace: String,
}

impl Home {
    fn new() -> Self {
        let hub = Hub::builder().config("[log]\nformat = \"json\"").start();
        let token = hub.acme();
        hub.repo("acme/m");
        let work = Work::with_lfs();
        work.ok(&["lfs", "track", "*.bin"]);
        let about: Value = hub.http().get("/.well-known/polder").send().expect(200).json();
        let key = about["keys"][0].as_str().unwrap().to_owned();
        let namespace = format!("acme.{}", about["origin"].as_str().unwrap());
        Self { hub, token, work, key, namespace }
    }

    /// Pushes a commit with a large object of its own, and returns the object.
    fn push(&self, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()
        };
        let weights: Vec<u8> = std::iter::repeat_with(next).take(500_000).flatten().collect();
        self.work.write("model.bin", &weights);
        self.work.commit(&format!("weights {seed}"));
        let url = self.hub.repo_url_as("acme/m", &self.token);
        self.work.ok(&["push", "-q", &url, "HEAD:main"]);
        weights
    }

    fn url(&self) -> String {
        url(&self.hub)
    }

    /// The repository as its home and its mirrors call it.
    fn names<'a>(&'a self, hubs: &[&'a Hub]) -> Vec<(&'a Hub, String)> {
        let mirrored = hubs.iter().map(|hub| (*hub, format!("{}/m", self.namespace)));
        [(&self.hub, "acme/m".to_owned())].into_iter().chain(mirrored).collect()
    }
}

fn url(hub: &Hub) -> String {
    format!("http://{}", hub.address())
}

/// Makes `hub` follow a home at `at` through others, whatever there is to read at first.
fn follow(hub: &Hub, at: &str, home: &Home, sources: &[&Hub]) -> String {
    follow_in("full", hub, at, home, sources)
}

fn follow_in(mode: &str, hub: &Hub, at: &str, home: &Home, sources: &[&Hub]) -> String {
    let sources: Vec<String> = sources.iter().flat_map(|hub| ["--source".to_owned(), url(hub)]).collect();
    let mut args = vec!["follow", at, "--key", &home.key, "--mode", mode, "--alias", "acme=friends"];
    args.extend(sources.iter().map(String::as_str));
    hub.cli(&args).ok()
}

/// Waits until all of them serve the same refs of a repository; how long that took.
#[track_caller]
fn converge(hubs: &[(&Hub, String)], deadline: u64) -> Duration {
    let (dir, began) = (tempfile::tempdir().unwrap(), Instant::now());
    let git = Git::new(dir.path());
    let refs = |(hub, name): &(&Hub, String)| {
        let done = git.run(dir.path(), &["ls-remote", &hub.repo_url(name)]);
        done.success().then(|| String::from_utf8(done.stdout).unwrap())
    };
    until("all hubs to serve the same", deadline, || {
        let served: Option<Vec<String>> = hubs.iter().map(refs).collect();
        let served = served?;
        (!served[0].is_empty() && served.iter().all(|refs| *refs == served[0])).then_some(())
    });
    began.elapsed()
}

/// Clones with git and git-lfs, and compares the large object.
#[track_caller]
fn clones(hub: &Hub, name: &str, weights: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let (git, to) = (Git::new(dir.path()), dir.path().join("clone"));
    git.ok(dir.path(), &["clone", "-q", &hub.repo_url(name), to.to_str().unwrap()]);
    git.ok(&to, &["lfs", "install", "--local"]);
    git.ok(&to, &["lfs", "pull"]);
    assert!(read(&to) == weights, "{name}");
}

fn read(clone: &Path) -> Vec<u8> {
    std::fs::read(clone.join("model.bin")).unwrap()
}

/// Asks a hub for a large object as a browser does.
fn resolve(hub: &Hub, revision: &str) -> Response {
    hub.http().get(&format!("/friends/m/resolve/{revision}/model.bin")).within(60).send()
}

/// Flips a bit in the middle of a file that is not to be written.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn mirrors(hub: &Hub) -> Value {
    serde_json::from_str(&hub.cli(&["mirrors", "--json"]).ok()).unwrap()
}

#[test]
fn the_end_of_a_chain_gets_all_from_the_middle_alone() {
    let (mut home, middle, end) = (Home::new(), Hub::start(), Hub::start());
    let weights = home.push(1);
    until("the log to tell of it", 60, || {
        let about = home.hub.http().get("/.well-known/polder").send().json();
        about["size"].as_u64().filter(|size| *size >= 3)
    });
    follow(&middle, &home.url(), &home, &[]);
    // Nobody vouches for a hub that does not answer: not a source without the key, nor a key without a source.
    let at = url(&middle);
    end.cli(&["follow", NOWHERE, "--source", &at]).fails();
    end.cli(&["follow", NOWHERE, "--key", &home.key]).fails();
    assert_eq!(mirrors(&end), Value::Array(Vec::new()));
    follow(&end, NOWHERE, &home, &[&middle]);
    converge(&home.names(&[&middle, &end]), 30);
    for name in [format!("{}/m", home.namespace), "friends/m".to_owned()] {
        clones(&end, &name, &weights);
    }

    // News pass the middle at once: nobody polls by the clock.
    let mut took = Vec::new();
    let mut newest = Vec::new();
    for seed in 2..6 {
        newest = home.push(seed);
        took.push(converge(&home.names(&[&middle, &end]), 20));
    }
    took.sort_unstable();
    assert!(took[1] < Duration::from_secs(5), "{took:?}");
    clones(&end, "friends/m", &newest);
    let listed = mirrors(&end);
    assert!(listed[0]["error"].as_str().unwrap().contains("connect"), "{listed}");
    assert_eq!(
        (&listed[0]["sources"][0]["url"], &listed[0]["sources"][0]["error"]),
        (&at.into(), &Value::Null)
    );

    // The home dies: what it said goes on to whoever asks the end for it.
    home.hub.kill();
    let late = Hub::start();
    follow(&late, NOWHERE, &home, &[&end]);
    let name = format!("{}/m", home.namespace);
    converge(&[(&end, name.clone()), (&late, name)], 30);
    clones(&late, "friends/m", &newest);
    // What goes bad is had from there, too.
    for object in late.stored_objects() {
        damage(&late.data().join(object));
    }
    late.cli(&["fsck", "--deep"]).fails();
    until("the damaged object to be repaired", 60, || late.cli(&["fsck", "--deep"]).success().then_some(()));
    clones(&late, "friends/m", &newest);
    for hub in [&middle, &end, &late] {
        hub.fsck();
    }
}

#[test]
fn a_cycle_of_mirrors_agrees_also_when_the_home_is_dead() {
    let (mut home, one, mut two) = (Home::new(), Hub::start(), Hub::start());
    home.push(1);
    follow(&one, &home.url(), &home, &[&two]);
    follow(&two, &home.url(), &home, &[&one]);
    converge(&home.names(&[&one, &two]), 30);

    // One of them misses the last thing that the home ever said, and learns of it from the other.
    two.kill();
    let weights = home.push(2);
    converge(&home.names(&[&one]), 30);
    home.hub.kill();
    two.serve(None);
    let name = format!("{}/m", home.namespace);
    converge(&[(&one, name.clone()), (&two, name)], 60);
    clones(&two, "friends/m", &weights);
    for hub in [&one, &two] {
        hub.fsck();
        assert_eq!(mirrors(hub)[0]["state"], "following");
    }
}

#[test]
fn a_lazy_mirror_has_what_a_nearer_one_lacks_fetched_for_it() {
    let (mut home, near, far, farther) = (Home::new(), Hub::start(), Hub::start(), Hub::start());
    let first = home.push(1);
    follow_in("lazy", &near, &home.url(), &home, &[]);
    follow_in("lazy", &far, NOWHERE, &home, &[&near]);
    follow_in("lazy", &farther, NOWHERE, &home, &[&far]);
    converge(&home.names(&[&near, &far, &farther]), 30);
    let stored = || [&near, &far, &farther].map(|hub| hub.stored_objects().len());
    assert_eq!(stored(), [0, 0, 0]);
    let whole = resolve(&farther, "main").expect(200);
    assert!(whole.body == first);
    assert_eq!(stored(), [1, 1, 1], "each keeps what it has passed on");

    // What the nearer one has is had from there when the home is away; what nobody has is not.
    let second = home.push(2);
    converge(&home.names(&[&near, &far, &farther]), 30);
    assert!(resolve(&near, "main").expect(200).body == second);
    let before = home.work.ok(&["rev-parse", "HEAD"]).trim().to_owned();
    home.push(3);
    converge(&home.names(&[&near, &far, &farther]), 30);
    home.hub.kill();
    assert!(resolve(&farther, &before).expect(200).body == second);
    let told = resolve(&farther, "main").expect(503).text();
    assert!(told.contains("did not arrive"), "{told}");
    for hub in [&far, &farther] {
        hub.fsck();
    }
}

#[test]
fn lazy_mirrors_in_a_circle_do_not_ask_round_and_round() {
    let builder = || Hub::builder().config("[log]\nformat = \"json\"");
    let (mut home, mut one, mut two) = (Home::new(), builder().start(), builder().start());
    home.push(1);
    follow_in("lazy", &one, &home.url(), &home, &[&two]);
    follow_in("lazy", &two, &home.url(), &home, &[&one]);
    converge(&home.names(&[&one, &two]), 30);
    home.hub.kill();
    let began = Instant::now();
    let told = resolve(&one, "main").expect(503).text();
    assert!(told.contains("did not arrive"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // Each was asked for its bytes once: the second time around nobody asks on.
    for hub in [&mut one, &mut two] {
        hub.stop();
        let log = hub.log();
        let answers = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let asked = answers.filter(|line| {
            let path = line["fields"]["path"].as_str().unwrap_or_default();
            path.contains("/objects/sha256/") && !path.ends_with("/chunks")
        });
        assert_eq!(asked.count(), 1);
    }
}

#[test]
fn a_star_of_twenty_agrees() {
    let home = Home::new();
    let mirrors: Vec<Hub> = std::iter::repeat_with(Hub::start).take(20).collect();
    home.push(1);
    for mirror in &mirrors {
        follow(mirror, &home.url(), &home, &[]);
    }
    let mirrors: Vec<&Hub> = mirrors.iter().collect();
    converge(&home.names(&mirrors), 60);
    let weights = home.push(2);
    converge(&home.names(&mirrors), 60);
    for mirror in [mirrors[0], mirrors[19]] {
        clones(mirror, "friends/m", &weights);
    }
}

/// Bytes of git and of large objects that a home has sent to other hubs when some follow it in a row, each in its
/// mode, and so many readers clone from the last at once.
fn cost(modes: &[&str], readers: usize) -> u64 {
    let mut home = Home::new();
    home.push(1);
    let mut chain: Vec<Hub> = Vec::new();
    for mode in modes {
        let next = Hub::start();
        match chain.last() {
            None => follow_in(mode, &next, &home.url(), &home, &[]),
            Some(before) => follow_in(mode, &next, NOWHERE, &home, &[before]),
        };
        chain.push(next);
    }
    let hubs: Vec<&Hub> = chain.iter().collect();
    converge(&home.names(&hubs), 60);
    let mut newest = Vec::new();
    for seed in 2..4 {
        newest = home.push(seed);
        converge(&home.names(&hubs), 60);
    }
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| clones(hubs[hubs.len() - 1], "friends/m", &newest));
        }
    });
    // When it has stopped, its log tells of every answer.
    home.hub.stop();
    let log = home.hub.log();
    let answers = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let sent = answers.filter_map(|line| {
        let fields = &line["fields"];
        let path = fields["path"].as_str()?;
        let counts = ["/polder/v1/git/", "/polder/v1/objects/"].iter().any(|start| path.starts_with(start));
        counts.then(|| fields["bytes"].as_u64()).flatten()
    });
    sent.sum()
}

#[test]
fn a_chain_with_many_readers_costs_its_home_no_more_than_one_follower() {
    const OBJECT_BYTES: u64 = 2_000_000;
    let (one, chain) = (cost(&["full"], 1), cost(&["full", "full", "lazy"], 3));
    println!("{one} bytes for one follower, {chain} for a chain of three with three readers");
    // Each of three objects is sent once.
    assert!(one >= 3 * OBJECT_BYTES && one * 100 <= 3 * OBJECT_BYTES * 102, "{one}");
    assert!(chain * 100 <= one * 102, "{chain} bytes for a chain, {one} for one follower");
}

#[test]
fn an_object_is_fetched_from_home_once_for_all_who_read_it_at_a_lazy_mirror() {
    const OBJECT_BYTES: u64 = 2_000_000;
    let sent = cost(&["lazy"], 3);
    println!("{sent} bytes for three readers");
    assert!(sent >= OBJECT_BYTES && sent * 100 <= OBJECT_BYTES * 102, "{sent}");
}
