//! What happens, in the order drawn, and what must hold whatever does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use polder_db::UpstreamState;
use polder_types::{ObjectId, Sha256, Visibility};

use super::chaos::{self, Fates, Memory};
use super::draw::Draw;
use super::fork::Fork;
use super::node::{self, HUBS, NAMES, Node, Template, followed_by};
use crate::follow::sources::{Source, SourceSet};
use crate::tests::repo;
use crate::tests::transfer::sources::noise;

/// Steps until the hubs are left in peace.
const STEPS: usize = 50;
/// Most repositories of a hub at a time.
const REPOS_MAX: usize = 4;
/// Rounds in which everyone asks for all there is, until all must be everywhere.
const ROUNDS: usize = 3;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// How a source is spoken of that did not only fail.
const BLAME: [&str; 5] =
    ["the source lies", "lied about", "is not the one that was signed", "KeyMismatch", "two different"];

/// A repository as its home has it.
#[derive(Clone, Default)]
pub(super) struct Truth {
    /// Its commits, oldest first, and the large object that each has.
    commits: Vec<(ObjectId, Option<Sha256>)>,
    /// Where the main branch is among them.
    main: Option<usize>,
    is_private: bool,
    is_down: bool,
    is_deleted: bool,
    /// All that its refs ever were.
    states: BTreeSet<Vec<String>>,
}

pub(super) struct World {
    seed: u64,
    pub(super) draw: Draw,
    /// The hubs, and the twin of the liar once it has one.
    pub(super) nodes: Vec<Node>,
    /// The hub that lies, until the end.
    pub(super) liar: usize,
    pub(super) fork: Fork,
    pub(super) repos: Vec<BTreeMap<String, Truth>>,
    objects: HashMap<Sha256, Vec<u8>>,
    memory: Memory,
    steps: u64,
    pub(super) trace: Vec<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, liar, .. } = self;
            eprintln!("seed {seed}, hub {liar} lies: run again with POLDER_SEED={seed}");
            self.trace.iter().for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl World {
    pub(super) async fn new(seed: u64, templates: &[Template]) -> Self {
        let mut draw = Draw::new(seed);
        let mut nodes = Vec::new();
        for (at, template) in templates.iter().enumerate() {
            let node = Node::new(at, template).await;
            let skew = i64::try_from(draw.below(86_400_000)).unwrap() - DAY_MILLIS / 2;
            node.pass(skew);
            nodes.push(node);
        }
        let liar = draw.below(HUBS);
        let fork = Fork::draw(&mut draw, STEPS);
        let known = || {
            let closed = Truth { is_private: true, ..Truth::default() };
            BTreeMap::from([("acme/open".to_owned(), Truth::default()), ("acme/closed".to_owned(), closed)])
        };
        let mut world = Self {
            seed,
            draw,
            nodes,
            liar,
            fork,
            repos: (0..HUBS).map(|_| known()).collect(),
            objects: HashMap::new(),
            memory: Memory::default(),
            steps: 0,
            trace: Vec::new(),
        };
        for hub in 0..HUBS {
            world.remember(hub, "acme/open");
        }
        world
    }

    /// All that happened.
    pub(super) fn trace(&self) -> String {
        self.trace.join("\n")
    }

    fn remember(&mut self, hub: usize, name: &str) {
        let truth = self.repos[hub].get_mut(name).expect("known");
        let main = truth.main.and_then(|at| truth.commits.get(at));
        let refs = main.map(|(oid, _)| format!("refs/heads/main {oid}")).into_iter().collect();
        truth.states.insert(refs);
    }

    /// What happens, in the order drawn.
    pub(super) async fn live(&mut self) {
        for _ in 0..STEPS {
            self.steps += 1;
            if self.fork.at == Some(self.steps) {
                self.fork_now().await;
            }
            let hub = self.draw.below(HUBS);
            match self.draw.below(100) {
                0..50 => self.change(hub).await,
                50..55 => {
                    self.trace.push(format!("{hub} dies"));
                    self.nodes[hub].crash().await;
                }
                55..58 => {
                    let millis = i64::try_from(self.draw.below(86_400_000)).unwrap() - DAY_MILLIS / 2;
                    self.trace.push(format!("the clock of {hub} goes by {millis} ms"));
                    self.nodes[hub].pass(millis);
                }
                _ => {
                    let origin = self.draw.below(2);
                    self.poll(hub, followed_by(hub)[origin], None).await;
                    self.check_always(hub).await;
                }
            }
        }
    }

    /// Something that others need to know, which the hub's log may or may not tell at once.
    async fn change(&mut self, hub: usize) {
        let hub = self.face_of(hub);
        let live = |truth: &Truth| !truth.is_deleted && !truth.is_down;
        let names = self.repos[hub].iter().filter(|(name, truth)| live(truth) && *name != "acme/closed");
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        let drawn = self.draw.below(100);
        if names.is_empty() || (names.len() < REPOS_MAX && drawn < 15) {
            let name = format!("acme/r{}", self.steps);
            self.add(hub, &name).await;
        } else {
            let name = names[self.draw.below(names.len())].clone();
            self.change_one(hub, &name, drawn).await;
            self.remember(hub, &name);
        }
        if self.draw.percent(80) {
            self.nodes[hub].hub().sequence_once().await.expect("sequenced");
        }
    }

    pub(super) async fn add(&mut self, hub: usize, name: &str) {
        self.trace.push(format!("{hub} adds {name}"));
        self.nodes[hub].hub().add_repo(&repo(name), Visibility::Public).await.expect("added");
        self.repos[hub].insert(name.to_owned(), Truth::default());
        self.remember(hub, name);
    }

    async fn change_one(&mut self, hub: usize, name: &str, drawn: usize) {
        let node = &self.nodes[hub];
        let truth = self.repos[hub].get_mut(name).expect("known");
        match drawn {
            0..70 => {
                let bytes =
                    self.draw.percent(40).then(|| noise(self.draw.next(), 1 + self.draw.below(200_000)));
                let line = format!("step {}", self.steps);
                self.trace.push(format!("{hub} commits to {name}, object: {}", bytes.is_some()));
                let (oid, object) = node.commit(name, &line, bytes.as_deref()).await;
                let before = truth.main.and_then(|at| truth.commits[at].1);
                if let (Some(object), Some(bytes)) = (object, bytes) {
                    self.objects.insert(object, bytes);
                }
                truth.commits.push((oid, object.or(before)));
                truth.main = Some(truth.commits.len() - 1);
            }
            70..82 if truth.main.is_some() => {
                let back = self.draw.below(truth.commits.len());
                self.trace.push(format!("{hub} moves {name} to its commit {back}"));
                node.move_main(name, Some(truth.commits[back].0)).await;
                truth.main = Some(back);
            }
            82..85 if truth.main.is_some() => {
                self.trace.push(format!("{hub} empties {name}"));
                node.move_main(name, None).await;
                truth.main = None;
            }
            85..95 => {
                self.trace.push(format!("{hub} shows {name}: {}", truth.is_private));
                node.show(name, truth.is_private).await;
                truth.is_private = !truth.is_private;
            }
            95..98 => {
                self.trace.push(format!("{hub} deletes {name}"));
                node.hub().delete_repo(&repo(name)).await.expect("deleted");
                truth.is_deleted = true;
            }
            98.. => {
                self.trace.push(format!("{hub} takes down {name}"));
                node.hub().take_down(&repo(name), "asked to", false).await.expect("taken down");
                truth.is_down = true;
            }
            _ => {}
        }
    }

    /// A hub asks for all there is of another one's log, and works on what it lacks. Unless it is some round of
    /// peace, answers have fates, and it may die while it does so.
    async fn poll(&mut self, hub: usize, (origin, between): (usize, Option<usize>), round: Option<usize>) {
        let lossy = round.is_none();
        let mut sources = Vec::new();
        for source in [Some(origin), between].into_iter().flatten() {
            let fates = match lossy {
                // Then the chain is all there is.
                true if source == origin && between.is_some() && self.draw.percent(40) => Fates::DEAD,
                true => Fates::draw(&mut self.draw, source == self.liar),
                false => Fates::HONEST,
            };
            let is_home = source == origin;
            let asked = match round {
                _ if !is_home => source,
                None => self.face_of(origin),
                Some(round) => self.face_in_peace(hub, origin, round),
            };
            self.trace.push(format!("{hub} asks {asked} for {origin}: {fates}"));
            let peer = Arc::new(chaos::peer(self.nodes[asked].peer(origin), fates, &self.memory));
            sources.push(if is_home { Source::home(peer) } else { Source::mirror(peer, node::url(source)) });
        }
        let node = &self.nodes[hub];
        let (db, log) = (node.hub().db.clone(), node.follows[&origin]);
        let sources = Arc::new(SourceSet::new(db, log, sources));
        let polls = if lossy && self.draw.percent(8) { self.draw.below(60) } else { usize::MAX };
        let ended = Mortal { life: Box::pin(follow(node, log, &sources)), polls }.await;
        if let Some(said) = ended {
            self.trace.extend(said.into_iter().map(|line| format!("    {line}")));
        } else {
            self.trace.push("    and dies".to_owned());
            drop(sources);
            self.nodes[hub].crash().await;
        }
    }

    /// All that is honest from now on asks everyone for everything.
    pub(super) async fn heal(&mut self) {
        self.trace.push("peace".to_owned());
        for node in &self.nodes {
            node.hub().sequence_once().await.expect("sequenced");
        }
        for round in 0..ROUNDS {
            for hub in 0..HUBS {
                // Whatever was put off is due.
                self.nodes[hub].pass(2 * DAY_MILLIS);
                for followed in followed_by(hub) {
                    self.poll(hub, followed, Some(round)).await;
                }
                self.check_always(hub).await;
            }
        }
    }

    /// Nothing is seen that never was, no origin is convicted, and nobody honest is blamed.
    async fn check_always(&self, hub: usize) {
        let node = &self.nodes[hub];
        for (&origin, &log) in &node.follows {
            let upstream = node.hub().db.upstream(log).await.expect("read").expect("followed");
            self.check_verdict(node, origin, &upstream).await;
            let mut said = vec![(origin, upstream.last_error)];
            for source in node.hub().db.list_sources(log).await.expect("read") {
                let at = (0..HUBS).find(|at| node::url(*at) == source.url).expect("known");
                said.push((at, source.last_error));
            }
            for (source, error) in said.into_iter().filter(|(source, _)| *source != self.liar) {
                let error = error.unwrap_or_default();
                let is_blamed = BLAME.iter().any(|words| error.contains(words));
                assert!(!is_blamed, "{hub} blames {}: {error}", NAMES[source]);
            }
            for (name, truth) in &self.repos[self.past_of(node, origin).await] {
                let shown = node.refs(&Node::name_of(origin, name)).await;
                let was = shown.as_ref().is_none_or(|shown| truth.states.contains(shown));
                assert!(was, "{hub} shows {name} of {origin} as it never was: {shown:?}");
            }
        }
    }

    /// All that was pushed is everywhere, and what was taken away nowhere.
    pub(super) async fn check_the_end(&mut self) {
        for hub in 0..HUBS {
            for (origin, _) in followed_by(hub) {
                if !self.check_shown(hub, origin).await {
                    self.check_all_of(&self.nodes[hub], origin).await;
                }
            }
        }
    }

    /// A hub has all that it was shown of an origin, and nothing else.
    async fn check_all_of(&self, node: &Node, origin: usize) {
        let (hub, past) = (node.at, self.past_of(node, origin).await);
        let home = &self.nodes[past];
        let held = node.hub().db.log(node.follows[&origin]).await.expect("read").expect("there");
        let own = home.hub().db.own_log().await.expect("read").expect("there");
        assert_eq!(held.tree, own.tree, "{hub} has another log of {origin}");
        for (name, truth) in &self.repos[past] {
            let shown = node.refs(&Node::name_of(origin, name)).await;
            let at_home = home.refs(&repo(name)).await;
            assert_eq!(shown, at_home, "{hub} shows {name} of {origin} otherwise");
            let is_seen = !truth.is_deleted && !truth.is_private && !truth.is_down;
            assert_eq!(shown.is_some(), is_seen, "{name} of {origin}");
            let object = truth.main.filter(|_| is_seen).and_then(|at| truth.commits[at].1);
            if let Some(object) = object {
                let bytes = node.object(object).await;
                assert!(bytes.as_ref() == self.objects.get(&object), "{hub} lacks an object of {name}");
            }
        }
    }
}

/// Reads a log to its end, and works on all that is due, while it is followed; what went wrong.
async fn follow(node: &Node, log: i64, sources: &Arc<SourceSet>) -> Vec<String> {
    let (hub, mut said) = (node.hub(), Vec::new());
    if hub.db.upstream(log).await.expect("read").expect("followed").state != UpstreamState::Following {
        return said;
    }
    if let Err(error) = hub.read_to_the_end(sources).await {
        said.push(error.chain());
    }
    let upstream = hub.db.upstream(log).await.expect("read").expect("followed");
    if upstream.state != UpstreamState::Following {
        return said;
    }
    while let Some(mirror) = hub.db.claim_mirrors(log, 300, 1).await.expect("claimed").pop() {
        let told = hub.work_on(&upstream, sources, &mirror).await.expect("written down");
        said.extend(told.map(|told| format!("{}: {told}", mirror.path)));
    }
    said
}

/// Something that comes to its end only if it does not go on so many times before.
struct Mortal<F> {
    life: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.life.as_mut().poll(context).map(Some)
    }
}
