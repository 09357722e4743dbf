//! Sources that lie about repositories: alone, and beside an honest one that is asked after them.
//!
//! ```text
//! home ← liar ←── hub       first with the liar alone, then with both: what the honest one has is shown,
//!    ↑__ honest ←──┘        the liar is named, and nobody else is
//! ```

use std::io::Read as _;
use std::sync::Arc;

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
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![change],
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
        let place = fixture().await;
        let log = follow(&home.place.hub, &place.hub, "acme/open", MirrorMode::Full).await;
        place.hub.db.name_sources(log, vec![HONEST.to_owned()]).await.expect("named");
        Self { place, log }
    }

    fn hub(&self) -> &Hub {
        &self.place.hub
    }

    /// Reads the log and works on the mirror once; what is wrong, if anything is.
    async fn sync(&self, sources: Vec<Arc<Source>>) -> Option<String> {
        let sources = Arc::new(SourceSet::new(self.hub().db.clone(), self.log, sources));
        if let Err(error) = self.hub().read_to_the_end(&sources).await {
            return Some(error.message().to_owned());
        }
        let upstream = self.hub().db.upstream(self.log).await.expect("read").expect("there");
        let mirror = self.hub().db.claim_mirrors(self.log, 300, 1).await.expect("claimed").pop()?;
        self.hub().work_on(&upstream, &sources, &mirror).await.expect("written down")
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

/// The other object's part of a question about the first one.
fn of_other(question: Question, other: Sha256) -> Question {
    match question {
        Question::Range(_, place) => Question::Range(other, place),
        Question::Extents(_, places) => Question::Extents(other, places),
        question => question,
    }
}

const NOT_SIGNED: &str = "the ref map of `liar` is not the one that was signed";

#[tokio::test(flavor = "multi_thread")]
async fn another_ref_map_is_named() {
    const ATTACKS: [Attack; 4] = [
        (
            "refs of before",
            |home| {
                let (newest, first) = (home.open.newest.to_string(), home.open.first.to_string());
                home.says(move |asked, map| {
                    let map = || String::from_utf8(map.to_vec()).unwrap().replace(&newest, &first);
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(map().into()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
        (
            "a ref more",
            |home| {
                let line = format!("{} refs/heads/more\n", home.open.first);
                home.says(move |asked, map| {
                    let map = || [map, line.as_bytes()].concat();
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(map().into()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
        (
            "unsorted",
            |home| {
                home.says(|asked, map| {
                    let lines = || map.split_inclusive(|byte| *byte == b'\n').rev().collect::<Vec<_>>();
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(lines().concat().into()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
        (
            "cut off",
            |home| {
                home.says(|asked, map| {
                    let short = || Bytes::copy_from_slice(&map[..map.len() - 1]);
                    matches!(asked, Question::RefMap(..)).then(|| Said::This(short()))
                })
            },
            Comes::Named(NOT_SIGNED),
        ),
    ];
    attack_all(&ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pack_is_named() {
    const ATTACKS: [Attack; 7] = [
        (
            "flipped byte",
            |home| home.says(|asked, pack| matches!(asked, Question::Git(_)).then(|| flip(pack))),
            Comes::Named("`liar`: pack has bad object at "),
        ),
        (
            "the pack of another repository",
            |home| {
                let other = home.other_pack.clone();
                home.says(move |asked, _| {
                    matches!(asked, Question::Git(_)).then(|| Said::This(other.clone()))
                })
            },
            Comes::Named("`liar`: missing necessary objects: "),
        ),
        (
            "a commit is missing",
            |home| {
                let have = format!("0032have {}\n", home.open.first);
                home.hears(move |asked| match asked {
                    Question::Git(request) => {
                        let text = String::from_utf8(request).unwrap();
                        assert!(text.contains("0009done\n"), "{text}");
                        Question::Git(text.replace("0009done\n", &format!("{have}0009done\n")).into())
                    }
                    asked => asked,
                })
            },
            Comes::Named("`liar`: missing necessary objects: commit "),
        ),
        (
            "endless",
            |home| {
                home.says(|asked, pack| {
                    let endless = || Said::Endless(Bytes::copy_from_slice(&pack[..pack.len() - 4]));
                    matches!(asked, Question::Git(_)).then(endless)
                })
            },
            Comes::Named("`liar`: pack has junk at the end"),
        ),
        (
            "endless progress",
            |home| {
                home.says(|asked, _| {
                    let lines = || [b"000dpackfile\n", &b"0007\x02..".repeat(100_000)[..]].concat();
                    matches!(asked, Question::Git(_)).then(|| Said::Endless(lines().into()))
                })
            },
            Comes::Named("`liar`: the server keeps the hub waiting for its pack"),
        ),
        (
            "nothing",
            |home| home.says(|asked, _| matches!(asked, Question::Git(_)).then_some(Said::Nothing)),
            Comes::Named("`liar`: it says nothing"),
        ),
        (
            "forbidden",
            |home| home.says(|asked, _| matches!(asked, Question::Git(_)).then_some(Said::Forbidden)),
            Comes::Named("`liar`: it wants to know who asks"),
        ),
    ];
    attack_all(&ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_an_object_are_named() {
    const WRONG: Comes = Comes::Named("wrong bytes at ");
    const ATTACKS: [Attack; 7] = [
        ("flipped byte", |home| home.says(|asked, bytes| is_range(asked).then(|| flip(bytes))), WRONG),
        (
            "a shifted range",
            |home| {
                home.says(|asked, bytes| {
                    let shifted = || [&bytes[1..], &[0]].concat();
                    is_range(asked).then(|| Said::This(shifted().into()))
                })
            },
            WRONG,
        ),
        (
            "another range",
            |home| {
                home.says(|asked, bytes| {
                    let (first, second) = bytes.split_at(bytes.len() / 2);
                    is_range(asked).then(|| Said::This([second, first].concat().into()))
                })
            },
            WRONG,
        ),
        (
            "the bytes of another object",
            |home| {
                let other = home.other.object;
                home.hears(move |asked| if is_range(&asked) { of_other(asked, other) } else { asked })
            },
            WRONG,
        ),
        (
            "short",
            |home| {
                home.says(|asked, bytes| {
                    let short = || Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
                    is_range(asked).then(|| Said::This(short()))
                })
            },
            Comes::Failed("`liar`: its answer was cut short"),
        ),
        (
            "more than was asked for",
            |home| {
                home.says(|asked, bytes| {
                    let more = || [bytes, &[7; 100_000]].concat();
                    is_range(asked).then(|| Said::This(more().into()))
                })
            },
            Comes::Nothing,
        ),
        (
            "endless",
            |home| {
                home.says(|asked, bytes| {
                    is_range(asked).then(|| Said::Endless(Bytes::copy_from_slice(bytes)))
                })
            },
            Comes::Nothing,
        ),
    ];
    attack_all(&ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chunk_list_is_named() {
    const ATTACKS: [Attack; 7] = [
        (
            "another hash of a chunk",
            |home| altered_list(home, |list| list[HEADER_BYTES + 1] ^= 1),
            Comes::Named("as the chunk list: "),
        ),
        (
            "another length of a chunk",
            |home| altered_list(home, |list| list[HEADER_BYTES + ENTRY_BYTES - 1] ^= 1),
            Comes::Named("as the chunk list: "),
        ),
        (
            "chunks in another order",
            |home| {
                altered_list(home, |list| {
                    let (first, second) = list[HEADER_BYTES..].split_at_mut(ENTRY_BYTES);
                    first.swap_with_slice(&mut second[..ENTRY_BYTES]);
                })
            },
            Comes::Named("as the chunk list: "),
        ),
        (
            "more chunks than it can have",
            |home| {
                altered_list(home, |list| {
                    let most = u32::try_from(OBJECT_BYTES / 4096 + 3).unwrap();
                    list[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&most.to_be_bytes());
                })
            },
            Comes::Named(
                "as the chunk list: not a list for this object: it has more chunks than the object can have",
            ),
        ),
        (
            "the right list of another object",
            |home| {
                let other = home.other.object;
                home.hears(move |asked| match asked {
                    Question::Chunks(_, from) => Question::Chunks(other, from),
                    asked => asked,
                })
            },
            Comes::Named("as the chunk list: it is the list of another object"),
        ),
        (
            "all of another object",
            |home| {
                let other = home.other.object;
                home.hears(move |asked| match asked {
                    Question::Chunks(_, from) => Question::Chunks(other, from),
                    asked => of_other(asked, other),
                })
            },
            Comes::Named("as the chunk list: it is the list of another object"),
        ),
        (
            "endless",
            |home| {
                home.says(|asked, list| {
                    let more = || [list, &list[HEADER_BYTES..].repeat(10_000)].concat();
                    matches!(asked, Question::Chunks(..)).then(|| Said::This(more().into()))
                })
            },
            Comes::Named("as the chunk list: "),
        ),
    ];
    attack_all(&ATTACKS).await;
}

fn is_range(asked: &Question) -> bool {
    matches!(asked, Question::Range(..) | Question::Extents(..))
}

fn altered_list(home: &Home, alter: fn(&mut [u8])) -> EvilPeer {
    home.says(move |asked, list| {
        matches!(asked, Question::Chunks(..)).then(|| {
            let mut list = list.to_vec();
            alter(&mut list);
            Said::This(list.into())
        })
    })
}
