//! Histories made up at random, fetched in two steps.

use std::path::PathBuf;
use std::sync::LazyLock;

use polder_types::ObjectId;
use proptest::prelude::*;

use super::{Backend, Exchange, Local, PROTOCOLS, Polder};
use crate::id_set::IdSet;
use crate::upload_pack::fixture::gits;
use crate::upload_pack::random_history::reach::reachable;
use crate::upload_pack::random_history::world::{World, histories};
use crate::{ObjectKind, Ref};

static GITS: LazyLock<Vec<PathBuf>> = LazyLock::new(gits);

/// First some commits, then everything: whole, and of what was there nothing but what git's short cuts send
/// twice.
fn fetch_twice(world: &World, server: &dyn Exchange, first: &[usize]) {
    let commits: Vec<ObjectId> = first
        .iter()
        .filter(|_| !world.commits.is_empty())
        .map(|at| world.commits[at % world.commits.len()])
        .collect();
    let named =
        |(at, oid): (usize, &ObjectId)| Ref { name: format!("refs/heads/f{at:02}"), oid: *oid, peeled: None };
    let refs: Vec<Ref> = commits.iter().enumerate().map(named).collect();
    let mut local = Local::empty();
    local.fetch(server, &commits, refs).unwrap();
    let had = local.all();
    let expected = reachable(&world.snapshot, &commits, &IdSet::default());
    assert_eq!(had, expected);

    let received = local.mirror(server).unwrap();
    let roots: Vec<ObjectId> = world.snapshot.visible_refs().map(|r| r.oid).collect();
    assert_eq!(local.all(), reachable(&world.snapshot, &roots, &IdSet::default()));
    let is_commit =
        |id: &&ObjectId| matches!(world.snapshot.header(id).unwrap(), Some((ObjectKind::Commit, _)));
    let again: Vec<_> = received.iter().filter(is_commit).filter(|id| had.contains(id)).collect();
    assert!(again.is_empty(), "sent again: {again:?}");
    let refs: Vec<_> = world.snapshot.visible_refs().cloned().collect();
    assert_eq!(local.snapshot.refs(), refs);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn a_second_fetch_makes_any_history_whole_and_sends_no_commit_again(
        history in histories(),
        first in proptest::collection::vec(0_usize..40, 0..4),
        git in any::<prop::sample::Index>(),
        newest in proptest::sample::select(&PROTOCOLS[..]),
        ours in any::<bool>(),
    ) {
        let git = git.get::<PathBuf>(&GITS);
        let world = World::build(&history, git);
        if ours {
            fetch_twice(&world, &Polder { snapshot: &world.snapshot, newest }, &first);
        } else {
            fetch_twice(&world, &Backend { git: git.clone(), dir: world.dir.path().to_owned(), newest }, &first);
        }
    }
}
