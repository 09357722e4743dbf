//! The hubs, the network between them, and what must be true at every moment.

use std::collections::{BTreeMap, BTreeSet};

use polder_log::{
    Body, Checkpoint, Data, EventType, LogName, Meta, Namespace, ObjectEntry, Objects, RefMap, SecretKey,
    SignerKey, Statement,
};
use polder_types::{ObjectId, RepoKind, Sha256, UnixMillis};

use crate::draw::Draw;
use crate::lies::{self, LIES, Lie};
use crate::node::{Mirror, Verdict, sha256};
use crate::store::Store;

const STEPS: usize = 160;
/// Repositories of a hub.
const REPOS_MAX: usize = 3;
/// Rounds in which all must agree once the network is whole: a chain of mirrors is no longer than the hubs.
const ROUNDS_MAX: usize = 12;

struct Hub {
    key: SignerKey,
    log: LogName,
    /// What it shows; the liar has another to show to every second hub.
    own: Store,
    other: Option<Store>,
    namespace: Body,
    repos: Vec<Body>,
    /// Every state that a repository has ever had.
    states: BTreeSet<(Sha256, Sha256)>,
    mirrors: BTreeMap<usize, Mirror>,
    /// Ref maps and large objects, by hash.
    files: BTreeMap<Sha256, Vec<u8>>,
    /// How wrong its clock is, in milliseconds.
    skew: i64,
    /// The first note it ever signed.
    old_note: String,
}

pub(crate) struct World {
    draw: Draw,
    hubs: Vec<Hub>,
    /// Who lies, if anyone.
    pub(crate) liar: Option<usize>,
    /// The one lie that is told, whenever the liar is asked for events.
    pub(crate) only_lie: Option<Lie>,
    now: i64,
    /// Whom each hub may ask.
    links: Vec<BTreeSet<usize>>,
    /// Hubs that no longer answer anyone.
    dead: BTreeSet<usize>,
    /// The side of each hub while the network is split.
    sides: Option<Vec<bool>>,
    pub(crate) lies_told: usize,
    pub(crate) named: BTreeSet<&'static str>,
    pub(crate) trace: Vec<String>,
}

fn sign(key: &SignerKey, log: &LogName, store: &mut Store) {
    let checkpoint = Checkpoint { log: log.clone(), size: store.tree.size(), root: store.tree.root() };
    store.note = Some((checkpoint.size, checkpoint.sign(&[key])));
}

impl Hub {
    fn new(draw: &mut Draw, index: usize, now: i64) -> Self {
        let origin = format!("hub{index}.example.org");
        let key = SignerKey::new(&origin, SecretKey::new(&draw.bytes())).unwrap();
        let log = LogName { origin: origin.parse().unwrap(), epoch: 1 };
        let owner = SecretKey::new(&draw.bytes());
        let skew = i64::try_from(draw.below(86_400_000)).unwrap() - 43_200_000;
        let mut create =
            Statement::new(log.clone(), EventType::NsCreate, UnixMillis(now + skew), draw.bytes());
        create.rseq = 1;
        create.data = Data::Namespace(Namespace {
            handle: "acme".to_owned(),
            home: log.origin.clone(),
            signer: None,
            rotation: vec![owner.public()],
            cut: None,
        });
        let namespace = create.seal(&[&owner]).unwrap();
        let mut own = Store::default();
        own.push(namespace.leaf(), Some(namespace.bytes()));
        sign(&key, &log, &mut own);
        let old_note = own.note.as_ref().unwrap().1.clone();
        Self {
            key,
            log,
            own,
            other: None,
            namespace,
            repos: Vec::new(),
            states: BTreeSet::new(),
            mirrors: BTreeMap::new(),
            files: BTreeMap::new(),
            skew,
            old_note,
        }
    }

    /// A push with a large object, published at once.
    fn push(&mut self, draw: &mut Draw, now: i64) {
        let place = draw.below(REPOS_MAX);
        let before = self.repos.get(place);
        let map = RefMap::new(
            "refs/heads/main".to_owned(),
            vec![("refs/heads/main".to_owned(), ObjectId::new(draw.bytes()))],
        )
        .unwrap();
        let object = draw.bytes::<24>().to_vec();
        let kind = if before.is_some() { EventType::RepoRefs } else { EventType::RepoCreate };
        let mut event = Statement::new(self.log.clone(), kind, UnixMillis(now + self.skew), draw.bytes());
        event.nsid = Some(self.namespace.id());
        event.ns_head = Some(self.namespace.sha256());
        event.rid = before.and_then(Body::repo);
        event.prev = before.map(Body::sha256);
        event.rseq = before.map_or(1, |before| before.rseq + 1);
        event.state = Some(map.state());
        event.meta = Some(Meta::new(RepoKind::Model, format!("acme/m{place}"), "refs/heads/main".to_owned()));
        event.objects =
            Some(Objects::Inline(vec![ObjectEntry { sha256: sha256(&object), size: 24, xet: None }]));
        let body = event.seal(&[]).unwrap();
        self.states.insert((body.repo().unwrap(), map.sha256()));
        self.files.insert(map.sha256(), map.encode().into_bytes());
        self.files.insert(sha256(&object), object);
        self.own.push(body.leaf(), Some(body.bytes()));
        sign(&self.key, &self.log, &mut self.own);
        match self.repos.get_mut(place) {
            Some(old) => *old = body,
            None => self.repos.push(body),
        }
    }

    /// Says something else to every second hub from now on.
    fn fork(&mut self, draw: &mut Draw) {
        let other = self.other.get_or_insert_with(|| self.own.clone());
        let time = UnixMillis(1_790_000_000_000);
        let beat =
            Statement::new(self.log.clone(), EventType::Heartbeat, time, draw.bytes()).seal(&[]).unwrap();
        other.push(beat.leaf(), Some(beat.bytes()));
        sign(&self.key, &self.log, other);
    }
}

impl World {
    /// As many hubs as there are `links`, which tell whom each of them may ask; one lies, or none.
    pub(crate) fn new(seed: u64, links: Vec<BTreeSet<usize>>, has_liar: bool) -> Self {
        let mut draw = Draw::new(seed);
        let now = 1_790_000_000_000;
        let mut hubs: Vec<Hub> = (0..links.len()).map(|index| Hub::new(&mut draw, index, now)).collect();
        let known: Vec<_> = hubs.iter().map(|hub| (hub.log.clone(), hub.key.verifier().clone())).collect();
        for (index, hub) in hubs.iter_mut().enumerate() {
            for (origin, (log, key)) in known.iter().enumerate().filter(|(origin, _)| *origin != index) {
                hub.mirrors.insert(origin, Mirror::new(log.clone(), key.clone()));
            }
        }
        let liar = has_liar.then(|| draw.below(hubs.len()));
        let (named, trace, dead) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        Self { draw, hubs, liar, only_lie: None, now, links, dead, sides: None, lies_told: 0, named, trace }
    }

    /// Changes whom each hub may ask, and tells whom it might before.
    pub(crate) fn replace_links(&mut self, links: Vec<BTreeSet<usize>>) -> Vec<BTreeSet<usize>> {
        std::mem::replace(&mut self.links, links)
    }

    /// A hub goes away for good.
    pub(crate) fn kill(&mut self, hub: usize) {
        self.dead.insert(hub);
    }

    /// Splits the network: those named here hear nothing of the others.
    pub(crate) fn split(&mut self, some: &[usize]) {
        self.sides = Some((0..self.hubs.len()).map(|hub| some.contains(&hub)).collect());
    }

    /// A push to a repository of that hub.
    pub(crate) fn push(&mut self, hub: usize) {
        self.hubs[hub].push(&mut self.draw, self.now);
    }

    /// Whether `hub` believes nothing any more that `source` says of `origin`.
    pub(crate) fn is_banned(&self, hub: usize, origin: usize, source: usize) -> bool {
        self.hubs[hub].mirrors[&origin].banned.contains(&source)
    }

    /// Repositories of `origin` that are published at `hub`.
    pub(crate) fn published_at(&self, hub: usize, origin: usize) -> usize {
        self.hubs[hub].mirrors[&origin].published.len()
    }

    /// Events of `origin` that `hub` has.
    pub(crate) fn events_at(&self, hub: usize, origin: usize) -> u64 {
        self.hubs[hub].mirrors[&origin].store.tree.size()
    }

    /// What happens, in the order drawn.
    pub(crate) fn live(&mut self) {
        for _ in 0..STEPS {
            self.now += i64::try_from(self.draw.below(60_000)).unwrap();
            let hub = self.draw.below(self.hubs.len());
            match self.draw.below(100) {
                0..12 => self.hubs[hub].push(&mut self.draw, self.now),
                12..14 => {
                    if let Some(liar) = self.liar {
                        self.hubs[liar].fork(&mut self.draw);
                    }
                }
                14..17 => {
                    let split = self.draw.percent(50);
                    let sides = self.hubs.iter().map(|_| self.draw.percent(50)).collect();
                    self.sides = split.then_some(sides);
                }
                17..60 => {
                    let (origin, source) =
                        (self.draw.below(self.hubs.len()), self.draw.below(self.hubs.len()));
                    let count = u64::try_from(1 + self.draw.below(4)).unwrap();
                    self.poll(hub, origin, source, count, true);
                }
                _ => {
                    let (origin, source) =
                        (self.draw.below(self.hubs.len()), self.draw.below(self.hubs.len()));
                    self.fetch(hub, origin, source, true);
                }
            }
            self.check_always(hub);
        }
    }

    /// Whether a question from one to the other is answered at all.
    fn arrives(&mut self, hub: usize, source: usize, lossy: bool) -> bool {
        let split = self.sides.as_ref().is_some_and(|sides| sides[hub] != sides[source]);
        let reached = self.links[hub].contains(&source) && !split;
        reached && !self.dead.contains(&source) && !(lossy && self.draw.percent(15))
    }

    pub(crate) fn poll(&mut self, hub: usize, origin: usize, source: usize, count: u64, lossy: bool) {
        if hub == origin || !self.arrives(hub, source, lossy) {
            return;
        }
        let mirror = &self.hubs[hub].mirrors[&origin];
        if mirror.banned.contains(&source) || mirror.frozen.is_some() {
            return;
        }
        let first = mirror.cursor.tree.size();
        let mut verdict = self.ask(hub, origin, source, (first, count), lossy);
        if verdict == Some(Verdict::AskWithoutLeaves) {
            // Only then it is known who is to blame.
            verdict = self.ask(hub, origin, source, (first, 0), lossy).map(|verdict| match verdict {
                Verdict::Taken | Verdict::AskWithoutLeaves => Verdict::Lied("graft"),
                other => other,
            });
        }
        let Some(verdict) = verdict else { return };
        self.trace.push(format!("{hub} asks {source} for {origin}: {verdict:?}"));
        let mirror = self.hubs[hub].mirrors.get_mut(&origin).unwrap();
        match verdict {
            Verdict::Lied(name) => {
                mirror.banned.insert(source);
                self.named.insert(name);
            }
            Verdict::TwoPasts => {
                self.named.insert("two pasts");
            }
            Verdict::Behind => {
                self.named.insert("stale");
            }
            Verdict::Taken | Verdict::AskWithoutLeaves => {}
        }
    }

    fn ask(
        &mut self,
        hub: usize,
        origin: usize,
        source: usize,
        (first, count): (u64, u64),
        lossy: bool,
    ) -> Option<Verdict> {
        let asked = &self.hubs[source];
        let store = if origin != source {
            &asked.mirrors[&origin].store
        } else if let (Some(other), 1) = (&asked.other, hub % 2) {
            other
        } else {
            &asked.own
        };
        let held = &self.hubs[hub].mirrors[&origin].cursor.held;
        if let (Some((size, note)), Some(held)) = (&store.note, held)
            && (*size, note) == (first, &held.note)
        {
            // Nothing new: the source would let the follower wait.
            return None;
        }
        let page = store.page(first, count)?;
        let bytes = if self.only_lie.is_some() && Some(source) == self.liar
            || Some(source) == self.liar && lossy && self.draw.percent(60)
        {
            self.lies_told += 1;
            let (log, old) = (&self.hubs[origin].log, &self.hubs[origin].old_note);
            let drawn = self.draw.below(LIES.len());
            self.only_lie.unwrap_or(LIES[drawn].0).tell(&mut self.draw, page, log, old)
        } else {
            page.encode().unwrap()
        };
        let dies = lossy && self.draw.percent(5);
        Some(self.hubs[hub].mirrors.get_mut(&origin).unwrap().take(&bytes, dies))
    }

    /// Fetches what some repository lacks, from whoever says it has it, and publishes what is whole.
    pub(crate) fn fetch(&mut self, hub: usize, origin: usize, source: usize, lossy: bool) {
        if hub == origin || !self.arrives(hub, source, lossy) {
            return;
        }
        let rids: Vec<Sha256> = self.hubs[hub].mirrors[&origin].wanted.keys().copied().collect();
        for rid in rids {
            let missing = self.hubs[hub].mirrors[&origin].missing(&rid, &self.hubs[hub].files);
            for name in missing {
                let asked = &self.hubs[source];
                let store = if origin == source { &asked.own } else { &asked.mirrors[&origin].store };
                let found = asked.files.get(&name).or_else(|| store.bodies.get(&name)).cloned();
                let is_lie = Some(source) == self.liar && lossy && self.draw.percent(60);
                let Some(file) = found.and_then(|file| {
                    if is_lie { lies::about_a_file(&mut self.draw, file) } else { Some(file) }
                }) else {
                    continue;
                };
                if sha256(&file) != name {
                    self.named.insert("file");
                    continue;
                }
                let is_body = self.hubs[hub].mirrors[&origin].wanted[&rid] == name;
                let taker = &mut self.hubs[hub];
                if is_body {
                    taker.mirrors.get_mut(&origin).unwrap().store.bodies.insert(name, file);
                } else {
                    taker.files.insert(name, file);
                }
            }
            let taker = &mut self.hubs[hub];
            taker.mirrors.get_mut(&origin).unwrap().publish(rid, &taker.files);
        }
    }

    /// The network is whole and nobody is killed; the liar has stopped, but what it signed stands.
    pub(crate) fn heal(&mut self) {
        self.sides = None;
        (0..ROUNDS_MAX).for_each(|_| self.round());
    }

    /// Everyone asks everyone it may ask for everything, once, and loses nothing.
    pub(crate) fn round(&mut self) {
        for hub in 0..self.hubs.len() {
            for source in self.links[hub].clone() {
                for origin in 0..self.hubs.len() {
                    self.poll(hub, origin, source, 64, false);
                    self.fetch(hub, origin, source, false);
                }
            }
            self.check_always(hub);
        }
    }

    /// Nothing that its origin did not sign is ever believed, and nobody honest is ever blamed.
    fn check_always(&self, hub: usize) {
        if Some(hub) == self.liar {
            return;
        }
        for (&origin, mirror) in &self.hubs[hub].mirrors {
            assert!(
                mirror.banned.iter().all(|source| Some(*source) == self.liar),
                "an honest source was banned"
            );
            if Some(origin) == self.liar {
                continue;
            }
            assert!(mirror.frozen.is_none(), "an honest origin was convicted");
            let true_log = &self.hubs[origin].own;
            assert!(true_log.leaves.starts_with(&mirror.store.leaves), "a leaf that nobody signed");
            for (rid, refs) in &mirror.published {
                assert!(self.hubs[origin].states.contains(&(*rid, *refs)), "a state that never was");
            }
        }
    }

    /// All that is honest is everywhere, and two pasts did not stay unseen.
    pub(crate) fn check_the_end(&self) {
        let honest: Vec<usize> = (0..self.hubs.len()).filter(|hub| Some(*hub) != self.liar).collect();
        for &hub in honest.iter().filter(|hub| !self.dead.contains(hub)) {
            for &origin in honest.iter().filter(|origin| **origin != hub) {
                let mirror = &self.hubs[hub].mirrors[&origin];
                assert_eq!(mirror.store.leaves, self.hubs[origin].own.leaves, "{hub} lags behind {origin}");
                let newest = self.hubs[origin].repos.iter();
                let newest = newest.map(|body| (body.repo().unwrap(), body.state.unwrap().refs_sha256));
                assert_eq!(mirror.published, newest.collect(), "{hub} has other refs than {origin}");
            }
        }
        let Some(liar) = self.liar else { return };
        let followers: Vec<&Mirror> = honest.iter().map(|hub| &self.hubs[*hub].mirrors[&liar]).collect();
        let pasts: BTreeSet<_> = followers.iter().map(|mirror| mirror.cursor.tree.root()).collect();
        let convicted = followers.iter().any(|mirror| mirror.frozen.is_some());
        let banned = followers.iter().any(|mirror| !mirror.banned.is_empty());
        assert!(pasts.len() <= 1 || convicted || banned, "two pasts, and nobody saw it");
    }
}
