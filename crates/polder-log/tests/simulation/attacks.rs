//! Every lie alone: it is named, nothing is taken or published, and honest sources go on being believed.

use std::collections::BTreeSet;

use crate::lies::LIES;
use crate::world::World;

/// ```text
/// 0 ← 1*      2 asks the liar first, then 3, which has it all from 0
/// ↑    ↖
/// 3 ←── 2
/// ```
#[test]
fn every_lie_is_named_and_harms_nobody_but_the_liar() {
    for (lie, name) in LIES {
        let links = [vec![], vec![0], vec![1, 3], vec![0]];
        let links = links.into_iter().map(BTreeSet::from_iter).collect();
        let mut world = World::new(6, links, false);
        world.round();
        world.poll(2, 0, 3, 64, false);
        assert_eq!(world.events_at(2, 0), 1, "the log before the lie");
        (0..8).for_each(|_| world.push(0));
        for mirror in [1, 3] {
            world.poll(mirror, 0, 0, 64, false);
            world.fetch(mirror, 0, 0, false);
        }

        (world.liar, world.only_lie) = (Some(1), Some(lie));
        world.poll(2, 0, 1, 64, false);
        match name {
            Some(name) => {
                assert_eq!(world.events_at(2, 0), 1, "{lie:?}: nothing is taken");
                assert!(world.named.contains(name), "{lie:?}: {:?}", world.named);
                assert!(world.is_banned(2, 0, 1), "{lie:?}");
            }
            None => assert!(!world.is_banned(2, 0, 1), "{lie:?}: another source may have it"),
        }
        assert_eq!(world.published_at(2, 0), 0, "{lie:?}");

        for _ in 0..2 {
            world.poll(2, 0, 3, 64, false);
            world.fetch(2, 0, 3, false);
        }
        assert!(!world.is_banned(2, 0, 3), "{lie:?}");
        assert_eq!(world.events_at(2, 0), 9, "{lie:?}");
        assert!(world.published_at(2, 0) > 0, "{lie:?}: {:?}", world.trace);
        assert_eq!(world.published_at(2, 0), world.published_at(3, 0), "{lie:?}");
    }
}
