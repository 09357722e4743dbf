//! Two `polder serve` processes on one PostgreSQL and one store keep one log: whichever of them dies, the
//! other goes on with it, and nobody can be shown two pasts.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use polder_log::{
    Advanced, Body, Checkpoint, Content, Cursor, EventsPage, Frontier, RepoHead, VerifierKey, check_next,
};
use polder_tests::{Http, Hub, Shared, Token, Work, binary, poll, program, run, until};
use polder_types::Sha256;
use serde_json::Value;

/// Pushes that every pusher gets through at each stage.
const PUSHES: usize = 5;
/// The lease of a dead node lasts 15 s.
const TAKEOVER_SECONDS_MAX: u64 = 40;

struct Nodes {
    first: Hub,
    second: Hub,
    token: Token,
    key: VerifierKey,
    shared: Shared,
}

impl Nodes {
    /// Two nodes with the repositories `acme/m` and `acme/n`. The first, which was alone, keeps the log.
    fn start() -> Option<Self> {
        let shared = Shared::create()?;
        let first = shared.node().start();
        let token = first.acme();
        first.repo("acme/m");
        first.repo("acme/n");
        // What is there is signed, so somebody keeps the log: the only one who could.
        let about: Value = until("the log to be signed", 60, || {
            let answer = first.http().get("/.well-known/polder").send();
            (answer.status == 200).then(|| answer.json())
        });
        let key = about["keys"][0].as_str().unwrap().parse().unwrap();
        let second = shared.node().start();
        Some(Self { first, second, token, key, shared })
    }
}

/// Which holder of the lease it is by now.
fn fence(shared: &Shared) -> i64 {
    shared.database().sql("SELECT COALESCE(MAX(fence), 0) FROM log WHERE own").trim().parse().unwrap()
}

/// The note of a node, if it answers.
fn checkpoint(node: Http) -> Option<String> {
    let answer = node.raw(&node.get("/polder/v1/log/checkpoint").to_bytes())?;
    (answer.status == 200).then(|| answer.text())
}

/// A working repository that pushes branches of its own.
struct Pusher {
    work: Work,
    name: String,
    pushed: Mutex<Vec<(String, String)>>,
}

impl Pusher {
    fn new(nodes: &Nodes, node: &Hub, repo: &str, name: &str) -> Self {
        let work = Work::new();
        work.ok(&["remote", "add", "origin", &node.repo_url_as(repo, &nodes.token)]);
        Self { work, name: name.to_owned(), pushed: Mutex::default() }
    }

    /// Pushes one commit to a new branch; whether the hub said that it has it.
    fn push(&self) -> bool {
        let branch = format!("refs/heads/{}-{}", self.name, self.pushed().len());
        let id = self.work.commit_file("file", branch.as_bytes());
        let is_there = self.work.run(&["push", "-q", "origin", &format!("HEAD:{branch}")]).success();
        if is_there {
            self.pushed.lock().unwrap().push((branch, id));
        }
        is_there
    }

    fn pushed(&self) -> Vec<(String, String)> {
        self.pushed.lock().unwrap().clone()
    }
}

/// A whole log, verified.
struct Read {
    bodies: Vec<Body>,
    /// The root at every size from 1.
    roots: Vec<Sha256>,
}

impl Read {
    fn of(node: &Hub, key: &VerifierKey) -> Self {
        let about: Value = node.http().get("/.well-known/polder").send().expect(200).json();
        let log = format!("{}/polder/{}", about["origin"].as_str().unwrap(), about["epoch"]);
        let (mut cursor, mut tree) = (Cursor::start(log.parse().unwrap()), Frontier::default());
        let (mut bodies, mut roots) = (Vec::new(), Vec::new());
        loop {
            let target = format!("/polder/v1/log/events?from={}", bodies.len());
            let page = EventsPage::decode(&node.http().get(&target).send().expect(200).body).unwrap();
            let Advanced { cursor: next, checkpoint, entries } = cursor.advance(&page, key).unwrap();
            for entry in entries {
                tree.push(entry.leaf.hash(), |_, _| ());
                roots.push(tree.root());
                match entry.content {
                    Content::Body(body) => bodies.push(*body),
                    other => panic!("{other:?}"),
                }
            }
            if next.tree.size() == checkpoint.size {
                return Self { bodies, roots };
            }
            cursor = next;
        }
    }

    /// How often it tells that this branch came to be there.
    fn tells(&self, branch: &str, id: &str) -> usize {
        let moves = self.bodies.iter().flat_map(|body| body.refs.iter().flatten());
        moves
            .filter(|moved| moved.name == branch && moved.new.is_some_and(|new| new.to_string() == id))
            .count()
    }

    /// Every branch that was pushed once, each repository's events in a chain, and no note of another past.
    #[track_caller]
    fn is_whole(&self, pushed: &[(String, String)], seen: &BTreeSet<String>, key: &VerifierKey) {
        for (branch, id) in pushed {
            assert_eq!(self.tells(branch, id), 1, "{branch}");
        }
        let mut heads = BTreeMap::new();
        for body in self.bodies.iter().filter(|body| body.meta.is_some() || body.rid.is_some()) {
            let rid = body.rid.unwrap_or_else(|| body.id());
            check_next(heads.get(&rid).copied(), body).unwrap();
            heads.insert(rid, RepoHead { rseq: body.rseq, body_sha256: body.leaf().body_sha256 });
        }
        assert_eq!(heads.len(), 2, "repositories");
        for note in seen {
            let Checkpoint { size, root, .. } = Checkpoint::open(note, key).unwrap();
            let at = usize::try_from(size).unwrap() - 1;
            assert_eq!(self.roots[at], root, "another past of {size} events was signed");
        }
    }
}

/// The log of a node once it tells of all that.
#[track_caller]
fn read_all(node: &Hub, key: &VerifierKey, pushed: &[(String, String)]) -> Read {
    until("the log to tell of every push", TAKEOVER_SECONDS_MAX, || {
        let read = Read::of(node, key);
        pushed.iter().all(|(branch, id)| read.tells(branch, id) > 0).then_some(read)
    })
}

#[test]
fn the_log_survives_the_node_that_keeps_it() {
    let Some(mut nodes) = Nodes::start() else { return };
    let pushers = [
        Pusher::new(&nodes, &nodes.first, "acme/m", "one"),
        Pusher::new(&nodes, &nodes.first, "acme/n", "two"),
        Pusher::new(&nodes, &nodes.second, "acme/m", "three"),
        Pusher::new(&nodes, &nodes.second, "acme/n", "four"),
    ];
    let (held, both) = (fence(&nodes.shared), [nodes.first.http(), nodes.second.http()]);
    let (seen, done) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let pushed_by = |pushers: &[Pusher]| pushers.iter().map(|by| by.pushed().len()).collect::<Vec<_>>();
    let killed = std::thread::scope(|scope| {
        for node in both {
            let (seen, done) = (&seen, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    seen.lock().unwrap().extend(checkpoint(node));
                }
            });
        }
        for pusher in &pushers {
            let done = &done;
            scope.spawn(move || while !done.load(Ordering::SeqCst) && pusher.push() {});
        }
        let all = |pushers: &[Pusher], more: &[usize]| {
            let reached = poll(60, || {
                let now = pushed_by(pushers);
                now.iter().zip(more).all(|(now, had)| *now >= had + PUSHES).then_some(())
            });
            reached.is_some()
        };
        let reached = all(&pushers, &[0; 4]);
        let keeper = fence(&nodes.shared);
        let before = both.map(checkpoint);
        nodes.first.kill();
        let killed = Instant::now();
        let went_on = all(&pushers[2..], &pushed_by(&pushers[2..]));
        done.store(true, Ordering::SeqCst);
        assert!(reached && went_on, "pushes end: {:?}", pushed_by(&pushers));
        assert_eq!(keeper, held, "the node that is killed does not keep the log");
        seen.lock().unwrap().extend(before.map(|note| note.expect("a checkpoint")));
        killed
    });
    let mut pushed: Vec<_> = pushers.iter().flat_map(Pusher::pushed).collect();
    read_all(&nodes.second, &nodes.key, &pushed);
    println!("the other node goes on after {:?}", killed.elapsed());
    assert_ne!(fence(&nodes.shared), held, "nobody took over");

    // It goes on being kept, and the node that comes back says the same.
    assert!(pushers[3].push());
    pushed = pushers.iter().flat_map(Pusher::pushed).collect();
    nodes.first.serve(None);
    let mut seen = seen.into_inner().unwrap();
    for node in [&nodes.second, &nodes.first] {
        let read = read_all(node, &nodes.key, &pushed);
        seen.extend(checkpoint(node.http()));
        read.is_whole(&pushed, &seen, &nodes.key);
    }
    let clone = pushers[0].work.beside("clone");
    let args = ["clone", "-q", "--mirror", &nodes.second.repo_url("acme/m"), clone.to_str().unwrap()];
    pushers[0].work.ok(&args);
    let key = nodes.key.to_string();
    run(program(binary()).args(["verify", clone.to_str().unwrap(), "--key", &key])).ok();
}

#[test]
fn a_node_that_dies_at_any_step_of_the_log_leaves_it_to_the_other() {
    let Some(mut nodes) = Nodes::start() else { return };
    let pusher = Pusher::new(&nodes, &nodes.second, "acme/m", "one");
    assert!(Pusher::new(&nodes, &nodes.second, "acme/n", "two").push());
    nodes.first.stop();
    let mut seen = BTreeSet::new();
    for point in ["log.appended", "log.checkpoint_written", "log.signed", "log.stored"] {
        let armed = nodes.first.temporary().join(point);
        nodes.first.serve(Some(&format!("{point}@{}", armed.display())));
        let held = fence(&nodes.shared);
        nodes.second.stop();
        until("the first node to keep the log", TAKEOVER_SECONDS_MAX, || {
            (fence(&nodes.shared) > held).then_some(())
        });
        nodes.second.serve(None);
        pusher.work.ok(&["remote", "set-url", "origin", &nodes.second.repo_url_as("acme/m", &nodes.token)]);
        seen.extend([&nodes.first, &nodes.second].map(|node| checkpoint(node.http()).expect("a checkpoint")));
        std::fs::write(armed, "").unwrap();
        assert!(pusher.push(), "{point}");
        nodes.first.wait_crash();
        assert!(pusher.push(), "{point}");
        let read = read_all(&nodes.second, &nodes.key, &pusher.pushed());
        seen.extend(checkpoint(nodes.second.http()));
        read.is_whole(&pusher.pushed(), &seen, &nodes.key);
    }
}
