//! What one upstream, or one repository of an upstream, does not answer or answers badly holds up no other.
//!
//! ```text
//! fifty homes ← hub      one of them is silent, with a question of every worker that it has
//! one home    ← hub      three of its repositories are silent, or not what was signed
//! ```

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use polder_db::{FollowRule, Mirror, MirrorMode, MirrorState};
use polder_git::Protocol;
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use polder_types::{Sha256, Visibility};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hub_peer::{HubPeer, read_all};
use super::peer::{About, Peer, PeerFuture};
use super::rehearsal::commit;
use super::sources::{Source, SourceSet};
use crate::error::Result;
use crate::tests::{Fixture, fixture, fixture_as, repo};
use crate::{Hub, ObjectSource};

const HOMES: usize = 50;
/// More than are worked on at once.
const OF_THE_SILENT: usize = 6;
const REPOS: usize = 30;

/// What a home does not answer for now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silent {
    Never,
    AboutAll,
    About(Sha256),
}

/// What it answers badly for good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ill {
    RefMap,
    Git,
}

/// A home as those that follow it see it.
struct Seen {
    peer: HubPeer,
    silent: watch::Sender<Silent>,
    ill: Mutex<HashMap<Sha256, Ill>>,
    /// Questions that wait for an answer, or did.
    unanswered: AtomicUsize,
    /// Questions about each repository.
    asked: Mutex<HashMap<Sha256, usize>>,
}

impl Seen {
    fn new(hub: &Hub) -> Arc<Self> {
        let (ill, asked, unanswered) = (Mutex::default(), Mutex::default(), AtomicUsize::default());
        Arc::new(Self {
            peer: HubPeer::new(hub),
            silent: watch::Sender::new(Silent::Never),
            ill,
            unanswered,
            asked,
        })
    }

    fn now(&self, silent: Silent) {
        self.silent.send_replace(silent);
    }

    /// Waits until it answers, about that repository if it is about one.
    async fn answers(&self, rid: Option<Sha256>) {
        let answers = |silent: &Silent| match silent {
            Silent::Never => true,
            Silent::AboutAll => false,
            Silent::About(one) => rid != Some(*one),
        };
        if !answers(&self.silent.borrow()) {
            self.unanswered.fetch_add(1, Ordering::SeqCst);
            self.silent.subscribe().wait_for(answers).await.expect("the home outlives the question");
        }
    }

    fn ask_about(&self, rid: Sha256) -> Option<Ill> {
        *self.asked.lock().unwrap().entry(rid).or_default() += 1;
        self.ill.lock().unwrap().get(&rid).copied()
    }

    async fn until_unanswered(&self, count: usize) {
        until("questions are not answered", async || self.unanswered.load(Ordering::SeqCst) >= count).await;
    }
}

impl Peer for Seen {
    fn name(&self) -> &'static str {
        "home"
    }

    fn about(&self) -> PeerFuture<'_, About> {
        self.peer.about()
    }

    fn events(&self, from: u64, limit: u64, wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            self.answers(None).await;
            let grown = async {
                while self.peer.hub.own_log_tip().expect("a log").size <= from {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            match tokio::time::timeout(wait, grown).await {
                Ok(()) => self.peer.events(from, limit, wait).await,
                Err(_nothing_new) => Ok(None),
            }
        })
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.peer.body(sha256)
    }

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        self.peer.namespace(nsid)
    }

    fn bodies<'a>(&'a self, hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        self.peer.bodies(hashes)
    }

    fn ref_map(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        if self.ask_about(rid) == Some(Ill::RefMap) {
            return Box::pin(async { Ok(Bytes::from_static(b"refs of another\n")) });
        }
        self.peer.ref_map(rid, sha256)
    }

    fn manifest(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.peer.manifest(rid, sha256)
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        let ill = self.ask_about(rid);
        Ok(Box::new(SeenGit { git: self.peer.git(rid)?, rid, ill, seen: self }))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        self.peer.objects()
    }
}

/// The git server of one of its repositories.
struct SeenGit<'a> {
    git: Box<dyn Exchange + 'a>,
    rid: Sha256,
    ill: Option<Ill>,
    seen: &'a Seen,
}

impl Exchange for SeenGit<'_> {
    fn advertisement(&self) -> io::Result<Advertisement> {
        Handle::current().block_on(self.seen.answers(Some(self.rid)));
        self.git.advertisement()
    }

    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody> {
        let mut answer = self.git.post(protocol, body)?;
        if self.ill != Some(Ill::Git) {
            return Ok(answer);
        }
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes)?;
        if let Some(at) = bytes.windows(4).position(|four| four == b"PACK") {
            bytes[at] = b'H';
        }
        Ok(Box::new(io::Cursor::new(bytes)))
    }
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let reached = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), reached).await;
    assert!(in_time.is_ok(), "{what}: not within a minute");
}

/// A hub that follows others, each in a task of its own, as it does when it is served.
struct Follower {
    place: Fixture,
    followed: Vec<Arc<Seen>>,
    tasks: JoinSet<()>,
    changes: watch::Sender<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        // No thread may wait for ever.
        self.followed.iter().for_each(|seen| seen.now(Silent::Never));
    }
}

impl Follower {
    async fn new() -> Self {
        let (place, changes) = (fixture().await, watch::Sender::new(()));
        Self { place, followed: Vec::new(), tasks: JoinSet::new(), changes }
    }

    /// Follows a home; what there is to mirror is known, and nobody works on it yet.
    async fn know(&self, seen: &Seen) -> i64 {
        let (db, about) = (&self.place.hub.db, seen.about().await.expect("it answers"));
        let url = format!("https://{}", about.log.origin);
        let log = db.open_log(about.log, about.key, false).await.expect("opened").id;
        let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }];
        db.set_upstream(log, url, rules).await.expect("followed");
        read_all(&self.place.hub, log, &seen.peer).await.expect("read");
        log
    }

    async fn follow(&mut self, log: i64, seen: &Arc<Seen>) {
        self.followed.push(Arc::clone(seen));
        let hub = self.place.hub.clone();
        let upstream = hub.db.upstream(log).await.expect("read").expect("followed");
        let peer: Arc<dyn Peer> = seen.clone();
        let home = Source::home(peer);
        let sources = Arc::new(SourceSet::new(hub.db.clone(), log, vec![home]));
        let change = self.changes.subscribe();
        self.tasks.spawn(async move { hub.follow_from(&upstream, &sources, change).await });
    }

    async fn mirrors(&self, log: i64) -> Vec<Mirror> {
        self.place.hub.db.list_mirrors(log, None, 1_000).await.expect("read")
    }

    /// Whether all that a home has, but what is `except`ed, is served as it is there now.
    async fn serves_all(&self, log: i64, home: &Fixture, except: &[Sha256]) -> bool {
        let read = self.place.hub.db.log(log).await.expect("read").expect("there").tree.size();
        let mirrors = self.mirrors(log).await;
        let is_ready = |mirror: &Mirror| mirror.state == MirrorState::Ready || except.contains(&mirror.rid);
        read == home.hub.own_log_tip().expect("a log").size && mirrors.iter().all(is_ready)
    }
}

/// A home with so many repositories beside `acme/open`, each with a commit.
async fn home(origin: &str, repos: usize) -> Fixture {
    let home = fixture_as(Some(origin)).await;
    home.hub.begin_log().await.expect("begun");
    for n in 0..repos {
        home.hub.add_repo(&repo(&format!("acme/r{n}")), Visibility::Public).await.expect("added");
    }
    change(&home, repos, "one").await;
    home
}

/// Another commit in each of them.
async fn change(home: &Fixture, repos: usize, content: &str) {
    commit(home, "acme/open", "a", content).await;
    for n in 0..repos {
        commit(home, &format!("acme/r{n}"), "a", content).await;
    }
    home.hub.sequence_once().await.expect("sequenced");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_nine_homes_are_followed_while_one_does_not_answer() {
    let mut follower = Follower::new().await;
    let (mut homes, mut logs) = (Vec::new(), Vec::new());
    for n in 0..HOMES {
        let home = home(&format!("hub{n}.example"), if n == 0 { OF_THE_SILENT } else { 0 }).await;
        let seen = Seen::new(&home.hub);
        logs.push(follower.know(&seen).await);
        homes.push((home, seen));
    }
    let silent = Arc::clone(&homes[0].1);
    silent.now(Silent::AboutAll);
    for (log, (_, seen)) in logs.iter().zip(&homes) {
        follower.follow(*log, seen).await;
    }
    // Every worker that it has, and whoever reads its log, waits for it.
    silent.until_unanswered(5).await;
    let others = || logs.iter().zip(&homes).skip(1);
    for (log, (home, _)) in others() {
        until("a mirror of another home", async || follower.serves_all(*log, home, &[]).await).await;
    }
    for (_, (home, _)) in others() {
        change(home, 0, "two").await;
    }
    for (log, (home, _)) in others() {
        until("the news of another home", async || follower.serves_all(*log, home, &[]).await).await;
        let mirrors = follower.mirrors(*log).await;
        assert!(mirrors.iter().all(|mirror| (mirror.attempt, mirror.failures) == (2, 0)), "{mirrors:?}");
    }
    let waiting = follower.mirrors(logs[0]).await;
    assert!(waiting.iter().all(|mirror| mirror.ready_rseq == 0), "{waiting:?}");
    assert_eq!(waiting.len(), OF_THE_SILENT + 1);

    silent.now(Silent::Never);
    until("what was silent", async || follower.serves_all(logs[0], &homes[0].0, &[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_repositories_of_a_home_cost_the_same_beside_some_that_cannot_be_had() {
    let mut follower = Follower::new().await;
    let home = home("hub.example", REPOS).await;
    let seen = Seen::new(&home.hub);
    let log = follower.know(&seen).await;
    let rid = |mirrors: &[Mirror], path: &str| {
        mirrors.iter().find(|mirror| mirror.path == path).expect("followed").rid
    };
    let mirrors = follower.mirrors(log).await;
    let [silent, other_refs, other_git] = ["acme/r3", "acme/r5", "acme/r7"].map(|path| rid(&mirrors, path));
    seen.ill.lock().unwrap().extend([(other_refs, Ill::RefMap), (other_git, Ill::Git)]);
    seen.now(Silent::About(silent));
    follower.follow(log, &seen).await;

    let (poison, mut asked) = ([silent, other_refs, other_git], Vec::new());
    for round in 1..=2 {
        if round > 1 {
            change(&home, REPOS, "two").await;
        }
        until("the others", async || follower.serves_all(log, &home, &poison).await).await;
        until("a try of what is ill", async || {
            let mirrors = follower.mirrors(log).await;
            let ill = mirrors.iter().filter(|mirror| poison[1..].contains(&mirror.rid));
            ill.filter(|mirror| mirror.attempt == round && mirror.state == MirrorState::Quarantined).count()
                == 2
        })
        .await;
        let counts = seen.asked.lock().unwrap().clone();
        asked.extend(counts.into_iter().filter(|(rid, _)| !poison.contains(rid)).map(|(_, count)| count));
    }
    seen.until_unanswered(1).await;
    let (first, second) = asked.split_at(asked.len() / 2);
    assert_eq!(first.len(), REPOS - 2);
    assert!(first.iter().all(|count| *count == first[0]), "{first:?}");
    assert!(second.iter().all(|count| *count == 2 * first[0]), "{second:?}");
    for mirror in follower.mirrors(log).await {
        if mirror.rid == silent {
            assert_eq!((mirror.attempt, mirror.ready_rseq), (1, 0));
        } else if !poison.contains(&mirror.rid) {
            assert_eq!((mirror.attempt, mirror.failures), (2, 0), "{mirror:?}");
        }
    }
    seen.now(Silent::Never);
    until("what was silent", async || follower.serves_all(log, &home, &[other_refs, other_git]).await).await;
}
