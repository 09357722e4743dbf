//! Who may ask whom, drawn; `a ← b` is: b asks a. What is shown is how news travels by mirrors alone.

use std::collections::BTreeSet;

use crate::world::World;

/// Everyone may ask everyone else.
pub(crate) fn everyone(hubs: usize) -> Vec<BTreeSet<usize>> {
    (0..hubs).map(|hub| (0..hubs).filter(|other| *other != hub).collect()).collect()
}

fn links<const N: usize>(links: [&[usize]; N]) -> Vec<BTreeSet<usize>> {
    links.iter().map(|some| some.iter().copied().collect()).collect()
}

/// ```text
/// 0 ← 1 ← 2
/// ```
#[test]
fn the_last_of_a_chain_has_what_the_first_signed() {
    let mut world = World::new(1, links([&[], &[0], &[1]]), false);
    for _ in 0..10 {
        world.push(0);
        world.round();
    }
    world.round();
    assert_eq!(world.events_at(2, 0), world.events_at(1, 0));
    assert_eq!(world.events_at(2, 0), 11);
}

/// ```text
/// 0 ← 1
/// ↓   ↑      news of each comes round, and stops where it began
/// 2 → 3
/// ```
#[test]
fn news_goes_round_a_cycle_once() {
    let mut world = World::new(2, links([&[2], &[0], &[3], &[1]]), false);
    (0..4).for_each(|hub| world.push(hub));
    world.heal();
    world.check_the_end();
    let before = world.trace.len();
    world.round();
    // Nothing is new, so nothing is sent.
    assert_eq!(world.trace.len(), before);
}

/// ```text
/// 1 … 19 → 0      the hub in the middle alone is asked, and asks all
/// ```
#[test]
fn twenty_hubs_around_one_have_everything() {
    let mut star = vec![BTreeSet::from([0]); 20];
    star[0] = (1..20).collect();
    let mut world = World::new(3, star, false);
    (0..20).for_each(|hub| world.push(hub));
    world.heal();
    world.check_the_end();
}

/// ```text
/// 0 ─ 1 │ 2 ─ 3
/// ```
#[test]
fn both_sides_of_a_split_go_on_and_agree_afterwards() {
    let mut world = World::new(4, everyone(4), false);
    world.heal();
    world.split(&[0, 1]);
    for _ in 0..5 {
        (0..4).for_each(|hub| world.push(hub));
        world.round();
    }
    // Each side has its own news and none of the other's.
    assert_eq!((world.events_at(0, 1), world.events_at(3, 2)), (6, 6));
    assert_eq!((world.events_at(0, 2), world.events_at(3, 1)), (1, 1));
    world.heal();
    world.check_the_end();
}

/// ```text
/// 0† ← 1 ← 2      2 has not yet heard of 0 when it dies
/// ```
#[test]
fn a_mirror_of_a_mirror_begins_after_the_origin_died() {
    let mut world = World::new(5, links([&[2], &[0, 2], &[1]]), false);
    for _ in 0..3 {
        world.push(0);
    }
    let first_only = links([&[], &[0], &[]]);
    let all = world.replace_links(first_only);
    world.round();
    assert_eq!((world.events_at(1, 0), world.events_at(2, 0)), (4, 0));
    world.kill(0);
    world.replace_links(all);
    world.push(1);
    world.push(2);
    world.heal();
    world.check_the_end();
    assert_eq!(world.events_at(2, 0), 4);
}
