//! Bits that flip in the packs of mirrors: found, kept from everyone, had again from the home.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_db::{MirrorMode, Repo};
use polder_git::KEPT_PREFIX;
use polder_types::PackId;

use super::evil::{EvilPeer, Question, Said};
use super::hub_peer::HubPeer;
use super::packs::PackOrigin;
use super::rehearsal::Pair;
use crate::FsckOptions;
use crate::tests::moves::{move_refs, moved};
use crate::tests::repo;
use crate::tests::scrub::flip_a_bit;

const MAIN: &str = "refs/heads/main";
const DAY_SECONDS: i64 = 24 * 3600;

/// Text that makes a pack too large for a row of the database.
fn large(seed: u32) -> String {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + state.to_be_bytes()[0] % 64)
    };
    std::iter::repeat_with(next).take(300_000).collect()
}

impl Pair {
    /// So many commits at home, each with a pack of its own here.
    async fn grow(&self, name: &str, seeds: std::ops::Range<u32>) {
        for seed in seeds {
            self.commit(name, &format!("file{seed}.txt"), &large(seed)).await;
            self.sync().await;
        }
    }

    /// The home takes its newest commit back.
    async fn rewind(&self, name: &str) {
        let hub = &self.home.hub;
        let id = hub.live_repo(&repo(name)).await.expect("there").id;
        let snapshot = hub.held(id).await.expect("held").snapshot;
        let newest = snapshot.find_ref(MAIN).expect("there").oid;
        let before = polder_git::commit_info(&snapshot, newest).expect("read").parents.first().copied();
        assert!(move_refs(hub, id, vec![moved(MAIN, Some(newest), before)]).await);
        self.sync().await;
    }

    async fn here(&self, path: &str) -> Repo {
        let id = self.mirror(path).await.repo.expect("mirrored");
        self.hub().db.repo(id).await.expect("read").expect("there")
    }

    async fn packs(&self, path: &str) -> Vec<PackId> {
        let state = self.hub().db.load_repo_state(self.here(path).await.id).await.expect("read");
        state.expect("there").packs.into_iter().map(|pack| pack.id).collect()
    }

    async fn refs(&self, path: &str) -> BTreeMap<String, String> {
        let state = self.hub().db.load_repo_state(self.here(path).await.id).await.expect("read");
        state.expect("there").refs.into_iter().map(|r| (r.name, r.oid.to_string())).collect()
    }

    /// Flips a bit in a pack, somewhere else in each, and reads all packs.
    async fn damage(&self, packs: &[PackId], days: i64) {
        for (n, id) in packs.iter().enumerate() {
            flip_a_bit(&self.hub().store.pack_paths(*id).0, (n + 1) * 130_363);
        }
        self.pass_seconds(days * DAY_SECONDS);
        let report = self.hub().scrub_once(None).await.expect("scrubbed");
        assert_eq!((report.damaged_packs, report.is_whole), (u64::try_from(packs.len()).unwrap(), true));
    }

    /// Whether every object that can be read here is what it is at home; how many cannot be.
    async fn unread(&self, path: &str) -> usize {
        let there = self.home.hub.live_repo(&repo(path)).await.expect("there").id;
        let here = self.here(path).await.id;
        self.hub().forget(here).await;
        let there = self.home.hub.held(there).await.expect("held").snapshot;
        let (here, mut unread) = (self.hub().held(here).await.expect("held").snapshot, 0);
        for id in here.packs().iter().flat_map(|pack| pack.object_ids()) {
            match here.read(&id) {
                Ok(object) => {
                    assert_eq!(object.expect("listed").data, there.read(&id).unwrap().unwrap().data);
                }
                Err(_damaged) => unread += 1,
            }
        }
        unread
    }

    fn honest(&self) -> PackOrigin {
        PackOrigin::Hub(Arc::new(HubPeer::new(&self.home.hub)), Some(self.log))
    }

    fn saying(&self, says: impl Fn(bytes::Bytes) -> Said + Send + Sync + 'static) -> PackOrigin {
        let says = move |question: &Question, answer| match question {
            Question::Git(_) => says(answer),
            _ => Said::This(answer),
        };
        PackOrigin::Hub(Arc::new(EvilPeer::saying(HubPeer::new(&self.home.hub), says)), Some(self.log))
    }

    /// What is wrong with all that is stored.
    async fn problems(&self) -> Vec<String> {
        self.hub().fsck(FsckOptions { deep: true }, Arc::new(|_| {})).await.expect("checked").problems
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bits_in_all_packs_of_mirrors_are_found_and_repaired_and_refs_stay() {
    let pair = Pair::open(MirrorMode::Archive).await;
    pair.add("acme/other").await;
    pair.grow("acme/open", 0..4).await;
    pair.grow("acme/other", 10..12).await;
    pair.rewind("acme/open").await;
    let refs = pair.refs("acme/open").await;
    assert!(refs.keys().any(|name| name.starts_with(KEPT_PREFIX)), "{refs:?}");
    let (open, other) = (pair.packs("acme/open").await, pair.packs("acme/other").await);
    assert_eq!((open.len(), other.len()), (4, 2));
    pair.damage(&[&open[..], &other[..]].concat(), 5).await;
    assert_eq!((pair.unread("acme/open").await, pair.unread("acme/other").await), (4, 2));
    assert_eq!(pair.problems().await.iter().filter(|line| line.contains(": pack ")).count(), 6);

    for path in ["acme/open", "acme/other"] {
        assert!(pair.hub().repair_packs(&pair.here(path).await, vec![pair.honest()]).await, "{path}");
        assert_eq!(pair.unread(path).await, 0);
    }
    assert_eq!(pair.problems().await, Vec::<String>::new());
    assert_eq!((pair.refs("acme/open").await, pair.hub().db.damage().await.expect("read").packs), (refs, 0));
    assert!(pair.packs("acme/open").await.iter().all(|id| !open.contains(id)));

    // What comes next comes as ever.
    pair.grow("acme/open", 5..6).await;
    assert_eq!(pair.problems().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lies_changes_nothing_and_an_honest_one_beside_it_repairs() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.add("acme/other").await;
    pair.grow("acme/open", 0..2).await;
    pair.grow("acme/other", 10..11).await;
    let packs = pair.packs("acme/open").await;
    pair.damage(&packs[..1], 5).await;
    let before = pair.hub().db.load_repo_state(pair.here("acme/open").await.id).await.expect("read");
    let other = pair
        .home
        .hub
        .db
        .load_repo_state(pair.home.hub.live_repo(&repo("acme/other")).await.expect("there").id)
        .await
        .expect("read")
        .expect("there");
    let (other_pack, _) = pair.home.hub.store.pack_paths(other.packs[0].id);
    let other_pack = std::fs::read(other_pack).expect("read");
    let framed = [&b"000dpackfile\n"[..], &frames(&other_pack), b"0000"].concat();

    let lies = || {
        let framed = framed.clone();
        [
            pair.saying(|_| Said::Nothing),
            pair.saying(|_| Said::Forbidden),
            pair.saying(move |_| Said::This(framed.clone().into())),
            pair.saying(|pack| {
                let mut pack = pack.to_vec();
                let at = pack.len() / 2;
                pack[at] ^= 1;
                Said::This(pack.into())
            }),
            pair.saying(|pack| Said::This(pack.slice(..pack.len() / 2))),
        ]
    };
    let here = pair.here("acme/open").await;
    for (n, lie) in lies().into_iter().enumerate() {
        assert!(!pair.hub().repair_packs(&here, vec![lie]).await, "lie {n}");
        let after = pair.hub().db.load_repo_state(here.id).await.expect("read");
        assert_eq!(after, before, "lie {n}");
    }
    let sources = lies().into_iter().chain([pair.honest()]).collect();
    assert!(pair.hub().repair_packs(&here, sources).await);
    let now = pair.packs("acme/open").await;
    assert_eq!((now.len(), now[0], pair.problems().await), (2, packs[1], Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_home_no_longer_has_is_kept_as_it_is_and_tried_again_when_anything_changes() {
    let pair = Pair::open(MirrorMode::Archive).await;
    pair.grow("acme/open", 0..2).await;
    pair.rewind("acme/open").await;
    let packs = pair.packs("acme/open").await;
    // The tip that is only kept is in the second; the home forgets it after a week.
    pair.damage(&packs[1..], 31).await;
    let here = pair.here("acme/open").await;
    assert!(!pair.hub().repair_packs(&here, vec![pair.honest()]).await);
    assert_eq!(pair.packs("acme/open").await, packs);
    let is_due = |repo: &Repo| pair.hub().pack_tries.is_due(repo, pair.hub().clock.now());
    assert!(!is_due(&here));
    pair.pass_seconds(60);
    assert!(is_due(&here), "after a while");
    assert!(!pair.hub().repair_packs(&here, vec![pair.honest()]).await);
    pair.pass_seconds(60);
    assert!(!is_due(&here), "after a longer while");
    pair.grow("acme/open", 3..4).await;
    assert!(is_due(&pair.here("acme/open").await), "or after the next event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_that_nothing_needs_goes_and_nobody_is_asked() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.grow("acme/open", 0..2).await;
    pair.rewind("acme/open").await;
    let packs = pair.packs("acme/open").await;
    pair.damage(&packs[1..], 5).await;
    let here = pair.here("acme/open").await;
    assert!(pair.hub().repair_packs(&here, vec![pair.saying(|_| Said::Nothing)]).await);
    assert_eq!((pair.packs("acme/open").await, pair.problems().await), (packs[..1].to_vec(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pack_that_proves_to_be_damaged_meanwhile_is_replaced_with_the_first() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.grow("acme/open", 0..3).await;
    let packs = pair.packs("acme/open").await;
    pair.damage(&packs[1..2], 5).await;
    flip_a_bit(&pair.hub().store.pack_paths(packs[0]).0, 900_001);
    assert!(pair.hub().repair_packs(&pair.here("acme/open").await, vec![pair.honest()]).await);
    let now = pair.packs("acme/open").await;
    assert_eq!((now.len(), now[0], pair.problems().await), (2, packs[2], Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_home_here_is_left_to_its_operator() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.commit("acme/open", "file.txt", &large(1)).await;
    let hub = &pair.home.hub;
    let id = hub.live_repo(&repo("acme/open")).await.expect("there").id;
    let state = hub.db.load_repo_state(id).await.expect("read").expect("there");
    assert!(hub.db.mark_damaged_pack(state.packs[0].id).await.expect("marked"));
    assert_eq!(hub.repair_packs_once().await.expect("looked"), 0);
    assert_eq!(hub.db.damage().await.expect("read").packs, 1);
}

/// Bytes as git sends a pack.
fn frames(bytes: &[u8]) -> Vec<u8> {
    let frame = |some: &[u8]| [format!("{:04x}\x01", some.len() + 5).as_bytes(), some].concat();
    bytes.chunks(60_000).flat_map(frame).collect()
}
