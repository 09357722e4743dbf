//! What is sent equals what git's own server sends, for histories and fetches made up at random.
//!
//! `PROPTEST_CASES` says how many histories are tried.

mod differences;
mod exchange;
mod fetch;
pub(crate) mod reach;
pub(crate) mod world;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use polder_types::ObjectId;
use proptest::prelude::*;

use self::exchange::{Answer, ask_git, ask_polder};
use self::fetch::{Fetch, FetchPlan, fetches};
use self::reach::{parents, reachable};
use self::world::{World, histories};
use super::fixture::gits;
use crate::id_set::IdSet;
use crate::{ObjectKind, Protocol, peel};

/// Most requests made of one history.
const FETCHES_MAX: usize = 4;
/// Every version of git's own server on this machine.
static GITS: LazyLock<Vec<PathBuf>> = LazyLock::new(gits);

fn is_refusal(answer: &Answer) -> bool {
    answer.lines.iter().any(|line| line.starts_with("ERR "))
}

/// Where the client's history ends after it took the answer.
fn ends_after(fetch: &Fetch, answer: &Answer) -> IdSet {
    let mut ends = fetch.client_ends.clone();
    for line in &answer.lines {
        if let Some(id) = line.strip_prefix("shallow ") {
            ends.insert(id.parse().unwrap());
        } else if let Some(id) = line.strip_prefix("unshallow ") {
            ends.remove(&id.parse::<ObjectId>().unwrap());
        }
    }
    ends
}

/// The client has everything it wants after it took the answer.
fn check_whole(world: &World, fetch: &Fetch, answer: &Answer) {
    let Some(pack) = &answer.pack else { return };
    let ends = ends_after(fetch, answer);
    let mut has: IdSet = fetch.client.clone();
    has.extend(pack.objects.iter().copied());
    for base in &pack.bases {
        assert!(fetch.client.contains(base), "the client lacks the base {base}");
    }
    if !fetch.filtered {
        for id in reachable(&world.snapshot, &fetch.wants, &ends) {
            assert!(has.contains(&id), "the client lacks {id}");
        }
    }
}

/// The lines that must be the same. Of a commit whose child was acknowledged before, git says nothing in
/// version 2 and too much without `multi_ack`; polder does what the protocol's description says.
fn comparable(answer: &Answer, plan: &FetchPlan) -> Vec<String> {
    let exact = plan.protocol == Protocol::V0 && plan.has_multi_ack();
    answer.lines.iter().filter(|line| exact || !line.starts_with("ACK ")).cloned().collect()
}

/// The trees and blobs that are wanted by themselves or by a tag, with all below: polder sends them
/// whatever the client is known to have, because a partial clone asks for what its haves seem to imply.
fn named_exactly(world: &World, wants: &[ObjectId]) -> IdSet {
    let target = |id: &ObjectId| peel(&world.snapshot, *id).unwrap().unwrap_or(*id);
    let is_inner = |id: &ObjectId| {
        matches!(world.snapshot.header(id).unwrap(), Some((ObjectKind::Tree | ObjectKind::Blob, _)))
    };
    let inner: Vec<ObjectId> = wants.iter().map(target).filter(is_inner).collect();
    reachable(&world.snapshot, &inner, &IdSet::default())
}

/// What the client has and no answer may bring again: what is in the trees of the parents of commits that
/// are sent; of all that the client has where history is cut and the pack may be thin. For the rest see
/// `what_git_leaves_out_by_the_order_of_its_walk`.
fn known_to_be_held(world: &World, plan: &FetchPlan, fetch: &Fetch, answer: &Answer) -> IdSet {
    let ends = ends_after(fetch, answer);
    if plan.thin && !ends.is_empty() {
        return fetch.client.clone();
    }
    let sent = answer.pack.iter().flat_map(|pack| &pack.objects).filter(|id| !ends.contains(id));
    let mut parents: Vec<ObjectId> = sent.flat_map(|id| parents(&world.snapshot, id)).collect();
    parents.retain(|id| fetch.client.contains(id));
    let without_parents = parents.iter().copied().collect();
    reachable(&world.snapshot, &parents, &without_parents)
}

fn compare(world: &World, git: &Path, plan: &FetchPlan) {
    let fetch = plan.fit(world);
    if fetch.wants.is_empty() {
        return;
    }
    let ours = ask_polder(&world.snapshot, plan.protocol, &fetch.body, world.dir.path());
    let gits = ask_git(git, world.dir.path(), plan.protocol, &fetch.body);
    if !plan.done && (ours.pack.is_none() || gits.pack.is_none()) {
        // Whether more haves are asked for first: git takes the parents of a have for common, even those
        // that a shallow client lacks.
        return;
    }
    if is_refusal(&ours) || is_refusal(&gits) {
        assert!(
            is_refusal(&ours) && is_refusal(&gits),
            "polder: {ours:?}\ngit: {gits:?}\n{}",
            String::from_utf8_lossy(&fetch.body)
        );
        return;
    }
    let request = || String::from_utf8_lossy(&fetch.body).replace('\n', "\n  ");
    let ours_lines = comparable(&ours, plan);
    assert_eq!(ours_lines, comparable(&gits, plan), "lines (polder, git) for\n  {}", request());
    let known = known_to_be_held(world, plan, &fetch, &ours);
    if let (Some(ours), Some(gits)) = (&ours.pack, &gits.pack) {
        let named = named_exactly(world, &fetch.wants);
        let target = |id: &ObjectId| peel(&world.snapshot, *id).unwrap().unwrap_or(*id);
        let is_named = |id: &ObjectId| named.contains(&target(id));
        let may_be_sent = |id: &ObjectId| is_named(id) || fetch.client.contains(id) && !known.contains(id);
        let more: Vec<_> = ours.objects.difference(&gits.objects).filter(|id| !may_be_sent(id)).collect();
        let is_shallow =
            ours_lines.iter().any(|line| line.starts_with("shallow ")) || !fetch.client_ends.is_empty();
        // Git forgets a have whose child it was told of before, though a cut may lie between the two, and
        // sends the commit again; and it sends the tags on any object that it thought of.
        let held = |id: &ObjectId| (is_shallow || target(id) != *id) && fetch.client.contains(&target(id));
        let fewer: Vec<_> = gits.objects.difference(&ours.objects).filter(|id| !held(id)).collect();
        assert_eq!((more, fewer), (vec![], vec![]), "(only polder, only git) sent for\n  {}", request());
    }
    assert_eq!(ours.pack.is_some(), gits.pack.is_some(), "a pack (polder, git) for\n  {}", request());
    check_whole(world, &fetch, &ours);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_fetch_brings_what_gits_own_server_sends(
        history in histories(),
        plans in proptest::collection::vec(fetches(), 1..=FETCHES_MAX),
        git in any::<prop::sample::Index>(),
    ) {
        let git = git.get::<PathBuf>(&GITS);
        let world = World::build(&history, git);
        for plan in &plans {
            compare(&world, git, plan);
        }
    }
}
