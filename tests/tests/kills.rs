//! A hub that follows another is killed at two hundred moments, most of them in the midst of its work, while
//! its home goes on changing: nothing is lost, nothing is published twice, and nothing is ever served that is
//! not whole.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use polder_tests::{Client, Git, Hub, LargeObject, Token, Work, have, poll, until};
use polder_types::Clock;
use serde_json::Value;

const KILLS: u32 = 200;
/// The most, where a slow machine gets less than a mirror published between two.
const KILLS_MAX: u32 = 2 * KILLS;
const REPOS: u32 = 30;
/// Changes at home for each kill.
const CHANGES: u32 = 2;
/// Repositories that are deleted while all this goes on.
const DELETED_MAX: usize = 3;
/// How many kills pass between two readers.
const READ_EVERY: u32 = 4;

/// How the log shows what a follower does, one line for each step.
const LOG: &str =
    "[log]\nformat = \"json\"\nlevel = \"warn,polder_hub::follow=debug,polder_hub::accept=debug\"";

/// What a killed follower was doing with one of its mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Git,
    Object,
    Publish,
    /// Nothing, for better or worse.
    Over,
}

impl Step {
    const KILLED_AT: [Self; 3] = [Self::Git, Self::Object, Self::Publish];

    /// What a line of the log says has begun.
    fn begun(message: &str) -> Option<Self> {
        match message {
            "fetching git" => Some(Self::Git),
            "publishing" => Some(Self::Publish),
            "published" | "a mirror is not brought up to date" => Some(Self::Over),
            other => other.starts_with("fetching object ").then_some(Self::Object),
        }
    }

    /// What some mirror or other is at, by all that the follower wrote down.
    fn under_way(log: &str) -> BTreeSet<Self> {
        let mut steps = BTreeMap::new();
        for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let fields = &line["fields"];
            let path = fields["repo"].as_str().or(fields["path"].as_str()).unwrap_or_default();
            let step = fields["message"].as_str().and_then(Self::begun);
            if let (Some((_, name)), Some(step)) = (path.split_once('/'), step) {
                steps.insert(name.to_owned(), step);
            }
        }
        steps.into_values().filter(|step| *step != Self::Over).collect()
    }
}

/// The same numbers again for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 16) % u64::from(end)).unwrap()
    }

    fn milliseconds(&mut self, end: u32) -> Duration {
        Duration::from_millis(self.below(end).into())
    }
}

/// A repository at home and the working repository behind it.
struct Source {
    name: String,
    work: Work,
    /// Branches beside `main`.
    sides: u32,
}

/// The hub that is followed, and whoever pushes to it.
struct Home {
    hub: Hub,
    token: Token,
    sources: Vec<Source>,
    seed: u64,
}

impl Home {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        let mut home = Self { hub, token, sources: Vec::new(), seed: 0 };
        for n in 0..REPOS {
            let name = format!("acme/m{n}");
            home.hub.repo(&name);
            let source = Source { name, work: Work::new(), sides: 0 };
            home.commit(&source, 2_000, &[]);
            home.push(&source, &["HEAD:main"]);
            home.sources.push(source);
        }
        home
    }

    /// Commits a large object of its own beside a file that is as large in git.
    fn commit(&mut self, source: &Source, bytes: usize, more: &[&str]) {
        self.seed += 1;
        let object = LargeObject::random(self.seed, bytes);
        object.upload(self.hub.http(), &source.name, &self.token);
        source.work.write("model.bin", object.pointer().as_bytes());
        source.work.write("notes", &LargeObject::random(self.seed << 32, bytes / 3).bytes);
        source.work.ok(&["add", "-A"]);
        source.work.ok(&[&["commit", "-q", "-m", "Train"][..], more].concat());
    }

    fn push(&self, source: &Source, refs: &[&str]) {
        let url = self.hub.repo_url_as(&source.name, &self.token);
        source.work.ok(&[&["push", "-q", "--force", &url][..], refs].concat());
    }

    /// Changes one of its repositories.
    fn change(&mut self, dice: &mut Dice, deleted: &Mutex<HashSet<String>>) {
        let place = usize::try_from(dice.below(self.sources.len().try_into().unwrap())).unwrap();
        let mut source = self.sources.swap_remove(place);
        let bytes = [3_000, 60_000, 1_500_000][usize::try_from(dice.below(3)).unwrap()];
        match dice.below(20) {
            0 if deleted.lock().unwrap().len() < DELETED_MAX => {
                deleted.lock().unwrap().insert(source.name.clone());
                self.hub.cli(&["repo", "delete", &source.name]).ok();
                return;
            }
            0..=4 => {
                self.commit(&source, bytes, &["--amend"]);
                self.push(&source, &["HEAD:main"]);
            }
            5..=8 => {
                source.sides += 1;
                self.push(&source, &[&format!("HEAD:refs/heads/side-{}", source.sides)]);
            }
            9..=11 if source.sides > 0 => {
                self.commit(&source, bytes, &[]);
                self.push(&source, &["HEAD:main", &format!(":refs/heads/side-{}", source.sides)]);
                source.sides -= 1;
            }
            _ => {
                self.commit(&source, bytes, &[]);
                self.push(&source, &["HEAD:main"]);
            }
        }
        self.sources.push(source);
    }
}

/// Whoever reads from the follower.
struct Reader<'a> {
    dir: tempfile::TempDir,
    git: Git,
    namespace: &'a str,
    deleted: &'a Mutex<HashSet<String>>,
    /// What was served once stays.
    served: HashSet<String>,
    clones: u32,
}

impl Reader<'_> {
    fn mirrored(&self, name: &str) -> String {
        name.replacen("acme", self.namespace, 1)
    }

    /// Clones a mirror with all that its refs reach, if it is served; what is served must be whole.
    fn clone(&mut self, follower: &Hub, name: &str) -> bool {
        let (dir, url) = (self.dir.path(), follower.repo_url(&self.mirrored(name)));
        let to = dir.join("clone");
        let is_deleted = || self.deleted.lock().unwrap().contains(name);
        let clone = || self.git.run(dir, &["clone", "-q", "--mirror", &url, to.to_str().unwrap()]);
        let mut cloned = clone();
        // Git asks by name for a branch that it has just seen, and that is deleted by then.
        while cloned.stderr.contains("unknown ref refs/heads/side-") {
            cloned = clone();
        }
        if !cloned.success() {
            let told = cloned.fails();
            let is_away = told.contains("could not read Username");
            assert!(is_away && (is_deleted() || !self.served.contains(name)), "{name}: {told}");
            return false;
        }
        self.git.fsck(&to);
        let fetched = self.git.run(&to, &["lfs", "fetch", "--all", "origin"]);
        assert!(fetched.success() || is_deleted(), "{name}: {}{}", fetched.text(), fetched.stderr);
        std::fs::remove_dir_all(to).unwrap();
        self.served.insert(name.to_owned());
        self.clones += 1;
        true
    }

    fn refs(&self, url: &str) -> Option<String> {
        let done = self.git.run(self.dir.path(), &["ls-remote", url]);
        done.success().then(|| done.text())
    }
}

/// Waits until the follower is at that step with some mirror, and kills it a moment later.
fn kill_at(follower: &mut Hub, step: Step, moment: Duration) {
    // It may have nothing to do: then it is killed while it waits.
    let _reached = poll(1, || Step::under_way(&follower.log()).contains(&step).then_some(()));
    std::thread::sleep(moment);
    follower.kill();
}

/// How many mirrors the follower has published since it was started, as far as it could say so.
fn said_published(log: &str) -> u32 {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == "published").map(|_| 1).sum()
}

/// Kills the follower again and again while it works; how many times it was at each step.
fn kill_all_along(
    follower: &mut Hub,
    reader: &mut Reader<'_>,
    dice: &mut Dice,
    go_on: impl Fn(),
) -> BTreeMap<Step, u32> {
    let (mut hits, mut published) = (BTreeMap::new(), 0);
    for kill in 0..KILLS_MAX {
        if kill >= KILLS && published >= KILLS {
            break;
        }
        go_on();
        if dice.below(8) == 0 {
            follower.serve_for(dice.milliseconds(400));
            published += said_published(&follower.log());
            continue;
        }
        follower.serve(None);
        if kill % READ_EVERY == 0 {
            reader.clone(follower, &format!("acme/m{}", dice.below(REPOS)));
        }
        let step = Step::KILLED_AT[usize::try_from(dice.below(3)).unwrap()];
        let moment = dice.milliseconds(if step == Step::Publish { 10 } else { 40 });
        kill_at(follower, step, moment);
        let log = follower.log();
        for step in Step::under_way(&log) {
            *hits.entry(step).or_default() += 1;
        }
        published += said_published(&log);
    }
    hits
}

/// The events whose state each mirror showed, in order.
fn published(follower: &Hub) -> BTreeMap<String, Vec<u64>> {
    let mut shown: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in follower.cli(&["audit", "export"]).ok().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["action"] == "repo.mirror" {
            let rseq = line["detail"]["rseq"].as_u64().unwrap();
            shown.entry(line["repo_name"].as_str().unwrap().to_owned()).or_default().push(rseq);
        }
    }
    shown
}

fn mirrors(follower: &Hub) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&follower.cli(&["mirrors", "--json"]).ok()).unwrap();
    listed[0]["repositories"].as_array().unwrap().clone()
}

#[test]
fn a_follower_killed_at_two_hundred_moments_loses_nothing_and_never_serves_half_of_it() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let seed = u64::try_from(Clock::System.now().0).unwrap();
    println!("seed {seed}");
    let (mut dice, mut other_dice) = (Dice(seed | 1), Dice(seed << 1 | 1));
    let (mut home, mut follower) = (Home::new(), Hub::builder().config(LOG).start());
    let url = format!("http://{}", home.hub.address());
    until("the log of the home to begin", 60, || {
        (home.hub.http().get("/.well-known/polder").send().status == 200).then_some(())
    });
    follower.cli(&["follow", &url]).ok();
    follower.kill();
    let namespace = format!("acme.{}", home.hub.address().to_string().replace(':', "_"));
    let deleted = Mutex::new(HashSet::new());
    let dir = tempfile::tempdir().unwrap();
    let git = Git::new(dir.path());
    let (namespace, deleted) = (&namespace, &deleted);
    let mut reader = Reader { dir, git, namespace, deleted, served: HashSet::new(), clones: 0 };
    let (go_on, to_change) = mpsc::channel();
    let hits = std::thread::scope(|scope| {
        let home = &mut home;
        scope.spawn(move || to_change.iter().for_each(|()| home.change(&mut other_dice, deleted)));
        let again = || (0..CHANGES).for_each(|_| go_on.send(()).unwrap());
        let ended = kill_all_along(&mut follower, &mut reader, &mut dice, again);
        drop(go_on);
        ended
    });
    println!("killed at {hits:?}; {} clones", reader.clones);
    assert!(Step::KILLED_AT.iter().all(|step| hits.get(step).is_some_and(|count| *count >= 10)), "{hits:?}");
    assert!(reader.clones >= KILLS / READ_EVERY / 3, "only {} clones", reader.clones);

    follower.serve(None);
    for Source { name, .. } in &home.sources {
        let there = until("the home", 5, || reader.refs(&home.hub.repo_url(name)));
        until(&format!("{name} to be in step"), 60, || {
            (reader.refs(&follower.repo_url(&reader.mirrored(name)))? == there).then_some(())
        });
        assert!(reader.clone(&follower, name), "{name}");
    }
    for name in deleted.lock().unwrap().iter() {
        until("what is deleted at home to be hidden", 60, || {
            reader.refs(&follower.repo_url(&reader.mirrored(name))).is_none().then_some(())
        });
    }
    let listed = mirrors(&follower);
    assert_eq!(listed.len(), usize::try_from(REPOS).unwrap());
    for mirror in &listed {
        let is_deleted = deleted.lock().unwrap().contains(mirror["id"].as_str().unwrap());
        assert_eq!(mirror["state"], if is_deleted { "hidden" } else { "ready" }, "{mirror}");
    }
    let shown = published(&follower);
    let publishes: usize = shown.values().map(Vec::len).sum();
    assert!(publishes >= usize::try_from(KILLS).unwrap(), "only {publishes} publishes among the kills");
    for (name, events) in &shown {
        assert!(
            events.is_sorted_by(|one, next| one < next),
            "{name} was shown twice or went back: {events:?}"
        );
    }
    follower.fsck();
}

#[test]
fn a_follower_killed_at_fifty_moments_of_a_sync_fetches_less_than_a_twentieth_of_it_again() {
    const SYNC_KILLS: u64 = 50;
    const OBJECTS: u64 = 10;
    const OBJECT_BYTES: u64 = 40_000_000;
    /// What comes at least between two kills: half as much as may come, so that the last kill is in time.
    const STRETCH: u64 = OBJECTS * OBJECT_BYTES / (2 * SYNC_KILLS);
    let (home, mut follower) = (Hub::start(), Hub::start());
    let (token, work) = (home.acme(), Work::new());
    home.repo("acme/m");
    let objects: Vec<LargeObject> =
        (0..OBJECTS).map(|seed| LargeObject::random(seed, usize::try_from(OBJECT_BYTES).unwrap())).collect();
    for (n, object) in objects.iter().enumerate() {
        object.upload(home.http(), "acme/m", &token);
        work.commit_file(&format!("{n}.bin"), object.pointer().as_bytes());
    }
    work.ok(&["push", "-q", &home.repo_url_as("acme/m", &token), "HEAD:main"]);
    until("the log of the home to tell of it", 60, || {
        let about = home.http().get("/.well-known/polder").send();
        (about.status == 200 && about.json()["size"].as_u64()? >= 4).then_some(())
    });
    // Slowly, so that it can be told how far it is when it is killed.
    follower.cli(&["follow", &format!("http://{}", home.address()), "--rate", "30MB/s"]).ok();
    let mut all = 0;
    for kill in 0..SYNC_KILLS {
        if kill > 0 {
            follower.serve(None);
        }
        all += until("some of it to come", 60, || {
            Some(follower.received_bytes()).filter(|bytes| *bytes >= STRETCH)
        });
        follower.kill();
    }
    let is_ready = |follower: &Hub| mirrors(follower)[0]["state"] == "ready";
    assert!(!is_ready(&follower), "it was over before");
    follower.serve(None);
    until("the rest to come", 180, || is_ready(&follower).then_some(()));
    all += follower.received_bytes();
    // By what it gives: a kill between the file of an object and its row leaves the file to the sweep.
    let repo = format!("acme.{}/m", home.address().to_string().replace(':', "_"));
    for object in &objects {
        let href = object.action(follower.http(), &repo, "download", None).expect("an action");
        assert!(follower.http().get(&href).send().expect(200).body == object.bytes, "{}", object.oid);
    }
    follower.fsck();
    let once = OBJECTS * OBJECT_BYTES;
    println!("{all} bytes came for {once}");
    // What comes between the last count and the kill is kept and counted nowhere; all of it was compared above.
    assert!(all * 4 > once * 3 && all * 20 < once * 21, "{all} bytes came for {once}");
}
