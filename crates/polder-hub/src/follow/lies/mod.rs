//! Sources that lie about repositories: alone, and beside an honest one that is asked after them.
//!
//! All that a source or a hub may try, and which tests show that it is found out:
//!
//! | attack                                     | tests |
//! |--------------------------------------------|-------|
//! | leaf, hint, body, proof, graft, replay, endless or cut page, squatted origin, rollback, fork | `attacks` |
//! | withheld body                              | `incomplete_tests` |
//! | ref map, manifest, pack, range, chunk list, foreign oid, endless data | here, `tests::transfer` |
//! | freeze: a source that stays behind         | `passing_over`, `attacks` |
//! | freeze: one past for some, another for others | `attest` |
//! | snapshot, tiles, namespaces                | `bootstrap::tests` |
//! | downgrade                                  | `polder-log`: `cursor` |
//! | backdated move                             | `polder-log`: `keys` |
//! | deletion storm                             | `purge_tests` |
//! | any of it at any time                      | `simulation`, and that of `polder-log` |
//!
//! ```text
//! home ← liar ←── hub       first with the liar alone, then with both: what the honest one has is shown,
//!    ↑__ honest ←──┘        the liar is named, and nobody else is
//! ```

mod git;
mod objects;
mod words;

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use polder_db::{MirrorMode, MirrorState, UpstreamState};
use polder_git::Protocol;
use polder_types::{LfsPointer, ObjectId, Sha256, Visibility};
use polder_xet::{ENTRY_BYTES, HEADER_BYTES};

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::HubPeer;
use super::rehearsal::follow;
use super::sources::{Source, SourceSet};
use crate::tests::large_objects::put;
use crate::tests::transfer::sources::noise;
use crate::tests::{Fixture, body, fixture, repo, signature, write};
use crate::{BodyEncoding, Change, CommitRequest, Hub, Principal};

const HONEST: &str = "http://honest.example";
const OBJECT_BYTES: usize = 1 << 20;

/// A hub with two public repositories, each with two commits and a large object.
struct Home {
    place: Fixture,
    open: Filled,
    other: Filled,
    /// What git is told by who fetches the other one.
    other_pack: Bytes,
}

/// What a repository was filled with.
struct Filled {
    content: Bytes,
    object: Sha256,
    first: ObjectId,
    newest: ObjectId,
}

async fn fill(place: &Fixture, at: &str, seed: u64) -> Filled {
    let content = noise(seed, OBJECT_BYTES);
    let object = put(place, at, &content).await;
    let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
    let text = write("a", &format!("one of {seed}"));
    let first = commit(place, at, text).await;
    let newest = commit(place, at, Change::WritePointer { path: "weights".to_owned(), pointer }).await;
    Filled { content: content.into(), object: object.oid, first, newest }
}

async fn commit(place: &Fixture, at: &str, change: Change) -> ObjectId {
    commit_all(place, at, vec![change]).await
}

async fn commit_all(place: &Fixture, at: &str, changes: Vec<Change>) -> ObjectId {
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes,
        author: signature(),
        message: at.to_owned(),
    };
    place.hub.commit(&place.writer(at).await, request).await.expect("committed")
}

impl Home {
    async fn new() -> Self {
        let place = fixture().await;
        place.hub.begin_log().await.expect("begun");
        place.hub.add_repo(&repo("acme/other"), Visibility::Public).await.expect("added");
        let (open, other) = (fill(&place, "acme/open", 1).await, fill(&place, "acme/other", 2).await);
        place.hub.sequence_once().await.expect("sequenced");
        let read = place.hub.read(&Principal::ANONYMOUS, &repo("acme/other")).await.expect("public");
        let want = format!("0032want {}\n", other.newest);
        let request = format!("0011command=fetch0001{want}0009done\n0000");
        let request = body(&[request.as_bytes()]);
        let asked = place.hub.upload_pack(&read, Protocol::V2, request, BodyEncoding::Identity).await;
        let (mut stream, mut pack) = (asked.expect("answered"), Vec::new());
        while let Some(chunk) = stream.recv().await {
            pack.extend_from_slice(&chunk.expect("whole"));
        }
        Self { place, open, other, other_pack: pack.into() }
    }

    /// The refs that everybody is to see.
    fn refs(&self) -> Vec<String> {
        vec![format!("refs/heads/main {}", self.open.newest)]
    }

    fn peer(&self, name: &'static str) -> HubPeer {
        HubPeer { name, ..HubPeer::new(&self.place.hub) }
    }

    /// Says something else where `lie` has something.
    fn says(&self, lie: impl Fn(&Question, &[u8]) -> Option<Said> + Send + Sync + 'static) -> EvilPeer {
        let says = move |asked: &Question, answer: Bytes| lie(asked, &answer).unwrap_or(Said::This(answer));
        EvilPeer::saying(self.peer("liar"), says)
    }

    fn hears(&self, lie: impl Fn(Question) -> Question + Send + Sync + 'static) -> EvilPeer {
        EvilPeer::hearing(self.peer("liar"), lie)
    }
}

/// A hub that mirrors `acme/open` from there.
struct Follower {
    place: Fixture,
    log: i64,
}

impl Follower {
    async fn new(home: &Home) -> Self {
        Self::taking(home, MirrorMode::Full).await
    }

    async fn taking(home: &Home, mode: MirrorMode) -> Self {
        let place = fixture().await;
        let log = follow(&home.place.hub, &place.hub, "acme/open", mode).await;
        place.hub.db.name_sources(log, vec![HONEST.to_owned()]).await.expect("named");
        Self { place, log }
    }

    fn hub(&self) -> &Hub {
        &self.place.hub
    }

    /// Reads the log and works on what is due; what is wrong first, if anything is.
    async fn sync(&self, sources: Vec<Arc<Source>>) -> Option<String> {
        let sources = Arc::new(SourceSet::new(self.hub().db.clone(), self.log, sources));
        if let Err(error) = self.hub().read_to_the_end(&sources).await {
            return Some(error.message().to_owned());
        }
        let upstream = self.hub().db.upstream(self.log).await.expect("read").expect("there");
        let mut wrong = None;
        while let Some(mirror) = self.hub().db.claim_mirrors(self.log, 300, 1).await.expect("claimed").pop() {
            let told = self.hub().work_on(&upstream, &sources, &mirror).await.expect("written down");
            wrong = wrong.or(told);
        }
        wrong
    }

    async fn state(&self) -> Option<MirrorState> {
        let mirrors = self.hub().db.list_mirrors(self.log, None, 10).await.expect("read");
        mirrors.first().map(|mirror| mirror.state)
    }

    /// The refs that clients see, as long as they see any of it.
    async fn shown(&self) -> Option<Vec<String>> {
        let at = repo("acme.hub.example/open");
        let grant = self.hub().read(&Principal::ANONYMOUS, &at).await.ok()?;
        let snapshot = self.hub().held(grant.repo_id()).await.expect("held").snapshot;
        Some(snapshot.visible_refs().map(|r| format!("{} {}", r.name, r.oid)).collect())
    }

    async fn object(&self, oid: Sha256) -> Option<Vec<u8>> {
        let open = self.hub().public_object(oid).await.ok()?;
        let mut bytes = Vec::new();
        (&*open.file).read_to_end(&mut bytes).expect("read");
        Some(bytes)
    }

    async fn expect_the_truth(&self, home: &Home, what: &str) {
        assert_eq!(self.state().await, Some(MirrorState::Ready), "{what}");
        assert_eq!(self.shown().await, Some(home.refs()), "{what}");
        let bytes = self.object(home.open.object).await;
        assert!(bytes.is_some_and(|bytes| bytes == home.open.content), "{what}: the object");
    }
}

/// What comes of a lie.
#[derive(Debug, Clone, Copy)]
enum Comes {
    /// Nothing is taken from the liar, which is named with these words.
    Named(&'static str),
    /// As before; but it may be no lie, so that with an honest source nothing is said of it.
    Failed(&'static str),
    /// What it adds is not even looked at.
    Nothing,
}

type Attack = (&'static str, fn(&Home) -> EvilPeer, Comes);

async fn attack_all(attacks: &[Attack]) {
    let home = Home::new().await;
    for (what, evil, comes) in attacks {
        alone(&home, what, evil(&home), *comes).await;
        beside_an_honest_one(&home, what, evil(&home), *comes).await;
    }
}

async fn alone(home: &Home, what: &str, evil: EvilPeer, comes: Comes) {
    let follower = Follower::new(home).await;
    let told = follower.sync(vec![Source::home(Arc::new(evil))]).await;
    match comes {
        Comes::Named(words) | Comes::Failed(words) => {
            let told = told.unwrap_or_else(|| panic!("{what}: nothing is said"));
            let upstream = follower.hub().db.upstream(follower.log).await.expect("read").expect("there");
            let said = format!("{told}\n{}", upstream.last_error.unwrap_or_default());
            assert!(said.contains(words), "{what}: {said}");
            assert_eq!(follower.shown().await, None, "{what}: something is shown");
            assert_eq!(follower.object(home.open.object).await, None, "{what}: an object is given out");
        }
        Comes::Nothing => {
            assert_eq!(told, None, "{what}");
            follower.expect_the_truth(home, what).await;
        }
    }
    assert_eq!(follower.object(home.other.object).await, None, "{what}: another object is given out");
}

async fn beside_an_honest_one(home: &Home, what: &str, evil: EvilPeer, comes: Comes) {
    let follower = Follower::new(home).await;
    let honest = Source::mirror(Arc::new(home.peer("honest")), HONEST.to_owned());
    let told = follower.sync(vec![Source::home(Arc::new(evil)), Arc::clone(&honest)]).await;
    assert_eq!(told, None, "{what}");
    follower.expect_the_truth(home, what).await;
    assert!(!honest.is_doubtful(), "{what}: the honest source is put aside");
    let noted = follower.hub().db.list_sources(follower.log).await.expect("read").swap_remove(0);
    assert_eq!(noted.last_error, None, "{what}: the honest source is blamed");
    let upstream = follower.hub().db.upstream(follower.log).await.expect("read").expect("there");
    assert_eq!(upstream.state, UpstreamState::Following, "{what}");
    let noted = upstream.last_error.unwrap_or_default();
    match comes {
        Comes::Named(words) => assert!(noted.contains(words), "{what}: {noted:?}"),
        Comes::Failed(_) | Comes::Nothing => assert_eq!(noted, "", "{what}"),
    }
}

fn flip(answer: &[u8]) -> Said {
    let mut answer = answer.to_vec();
    let middle = answer.len() / 2;
    answer[middle] ^= 1;
    Said::This(answer.into())
}
