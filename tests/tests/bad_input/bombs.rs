//! Packs that are small to send and large to open: what each costs, at most.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use polder_fuzz::{Pack, object_id};
use polder_git::ObjectKind::{Blob, Commit, Tag, Tree};
use polder_tests::{Memory, push_body, sideband_text, zero};
use polder_types::ObjectId;

use crate::malicious::WHO;
use crate::place::{CAPABILITIES, Place, refuses};

/// Most memory of its own that the server may have in use, whatever has been sent to it (attack A22).
const PEAK_MIB_MAX: u64 = 256;
/// What is said of the one that is small to keep as well.
const TAKEN: &str = "ok refs/tags/bomb";
const MIB: usize = 1 << 20;

/// A pack, what it is pushed as, and what may be said of it.
struct Bomb {
    name: &'static str,
    pack: Vec<u8>,
    tip: ObjectId,
    /// Words of the refusal.
    words: &'static str,
    /// Most that the server may grow by.
    growth_mib_max: u64,
}

fn zeros(length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let part = vec![0; MIB];
    for _ in 0..length / MIB {
        encoder.write_all(&part).unwrap();
    }
    encoder.finish().unwrap()
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn commit_of(tree: ObjectId) -> Vec<u8> {
    format!("tree {tree}\nauthor {WHO}\ncommitter {WHO}\n\nm\n").into_bytes()
}

/// A delta that copies the first 16 bytes of its base and changes the last.
fn step(n: usize) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(n).unwrap().to_le_bytes();
    vec![16, 16, 0x90, 13, 3, a, b, c]
}

fn inflating() -> Vec<Bomb> {
    let bytes = zeros(1 << 30);
    let tip = ObjectId::new([1; 20]);
    let mut honest = Pack::default();
    honest.deflated(3, 1 << 30, &[], &bytes);
    let mut lying = Pack::default();
    lying.deflated(3, 100, &[], &bytes);
    let mut by_delta = Pack::default();
    by_delta.whole(Blob, b"0123456789abcdef");
    by_delta.offset_delta(0, 9, &[16, 0x80, 0x80, 0x80, 0x80, 4, 1, b'x', 0]);
    vec![
        Bomb {
            name: "1 GiB of zeros in 1 MiB",
            pack: honest.finish(),
            tip,
            words: "Git LFS",
            growth_mib_max: 16,
        },
        Bomb {
            name: "the same, claiming 100 bytes",
            pack: lying.finish(),
            tip,
            words: "another size",
            growth_mib_max: 16,
        },
        Bomb {
            name: "a delta that claims to make 1 GiB",
            pack: by_delta.finish(),
            tip,
            words: "Git LFS",
            growth_mib_max: 16,
        },
    ]
}

fn deltas() -> Vec<Bomb> {
    let tip = ObjectId::new([1; 20]);
    let mut deep = Pack::default();
    deep.whole(Blob, b"0123456789abcdef");
    for n in 0..1_000_000 {
        deep.offset_delta(0, 8, &step(n));
    }
    let mut flood = Pack::default();
    for n in 0..1_000_000 {
        flood.id_delta(ObjectId::new([7; 20]), 8, &step(n));
    }
    let mut circle = Pack::default();
    circle.id_delta(ObjectId::new([2; 20]), 8, &step(1));
    circle.id_delta(ObjectId::new([1; 20]), 8, &step(2));
    let mut fan = Pack::default();
    let base = vec![b'x'; 4 * MIB];
    fan.deflated(3, base.len(), &[], &deflated(&base));
    for n in 0..100_usize {
        // The whole base, then two bytes of its own: 4 MiB each.
        let sizes = [0x80, 0x80, 0x80, 2, 0x82, 0x80, 0x80, 2];
        let delta = [&sizes[..], &[0xc0, 0x40, 2, b'a', u8::try_from(n).unwrap()]].concat();
        fan.offset_delta(n, delta.len(), &delta);
    }
    vec![
        Bomb {
            name: "a chain of a million deltas",
            pack: deep.finish(),
            tip,
            words: "chain of more than 4095",
            growth_mib_max: 200,
        },
        Bomb {
            name: "a million deltas on nothing",
            pack: flood.finish(),
            tip,
            words: "unresolved delta",
            growth_mib_max: 200,
        },
        Bomb {
            name: "deltas in a circle",
            pack: circle.finish(),
            tip,
            words: "unresolved delta",
            growth_mib_max: 16,
        },
        Bomb {
            name: "a hundred deltas on one large base",
            pack: fan.finish(),
            tip,
            words: "missing",
            growth_mib_max: 64,
        },
    ]
}

fn counts() -> Vec<Bomb> {
    let tip = ObjectId::new([1; 20]);
    let mut one = Pack::default();
    one.whole(Blob, b"x");
    let mut many = Pack::default();
    for n in 0..1_500_000_u32 {
        many.whole(Blob, &n.to_be_bytes());
    }
    vec![
        Bomb {
            name: "one object that claims to be ten million",
            pack: one.finish_claiming(10_000_000),
            tip,
            words: "pack",
            growth_mib_max: 16,
        },
        Bomb {
            name: "one that claims to be four thousand million",
            pack: one.finish_claiming(0xffff_ffff),
            tip,
            words: "at most",
            growth_mib_max: 16,
        },
        Bomb {
            name: "as many files as fit, named by nothing",
            pack: many.finish(),
            tip,
            words: "missing",
            growth_mib_max: 200,
        },
    ]
}

/// Trees, commits and tags that are one object to send and a million things to look at.
fn graphs() -> Vec<Bomb> {
    let names = |mode: &str, id: &dyn Fn(u32) -> ObjectId, count: u32| -> Vec<u8> {
        (0..count).flat_map(|n| [format!("{mode} {n:07}\0").as_bytes(), id(n).as_bytes()].concat()).collect()
    };
    let random = |n: u32| object_id(Blob, &n.to_be_bytes());
    let deep = |wide: Vec<u8>, also: &[(polder_git::ObjectKind, &[u8])]| {
        let mut pack = Pack::default();
        for (kind, content) in also {
            pack.whole(*kind, content);
        }
        pack.deflated(2, wide.len(), &[], &deflated(&wide));
        // Every path below is almost as long as a path may be.
        let mut tree = object_id(Tree, &wide);
        for _ in 0..4 {
            let above = [format!("40000 {}\0", "d".repeat(1000)).as_bytes(), tree.as_bytes()].concat();
            pack.whole(Tree, &above);
            tree = object_id(Tree, &above);
        }
        let commit = commit_of(tree);
        pack.whole(Commit, &commit);
        (pack.finish(), object_id(Commit, &commit))
    };
    let empty = object_id(Tree, b"");
    let (folders, folders_tip) = deep(names("40000", &|_| empty, 1_000_000), &[(Tree, b"")]);
    let (files, files_tip) = deep(names("100644", &random, 1_000_000), &[]);
    let parents: Vec<String> = (0..1_000_000).map(|n| format!("parent {}\n", random(n))).collect();
    let parents = format!("tree {empty}\n{}author {WHO}\ncommitter {WHO}\n\nm\n", parents.concat());
    let mut octopus = Pack::default();
    octopus.whole(Tree, b"");
    octopus.deflated(1, parents.len(), &[], &deflated(parents.as_bytes()));
    let mut tags = Pack::default();
    tags.whole(Tree, b"");
    let (mut target, mut kind) = (empty, "tree");
    for _ in 0..200_000 {
        let tag = format!("object {target}\ntype {kind}\ntag t\ntagger {WHO}\n\nm\n");
        tags.whole(Tag, tag.as_bytes());
        (target, kind) = (object_id(Tag, tag.as_bytes()), "tag");
    }
    vec![
        Bomb {
            name: "a million files that are not there, far down",
            pack: files,
            tip: files_tip,
            words: "more than 500000 objects",
            growth_mib_max: 200,
        },
        Bomb {
            name: "a commit of a million parents",
            pack: octopus.finish(),
            tip: object_id(Commit, parents.as_bytes()),
            words: "more than 500000 objects",
            growth_mib_max: 200,
        },
        Bomb {
            name: "a tag of a tag, 200,000 times",
            pack: tags.finish(),
            tip: target,
            words: "more than 64 tags",
            growth_mib_max: 200,
        },
        Bomb {
            name: "a million folders that are one, far down",
            pack: folders,
            tip: folders_tip,
            words: TAKEN,
            growth_mib_max: 200,
        },
    ]
}

#[test]
fn every_bomb_is_met_within_its_memory() {
    let place = Place::new();
    for make in [inflating, deltas, counts, graphs] {
        for bomb in make() {
            let Bomb { name, pack, tip, words, growth_mib_max } = bomb;
            let memory = Memory::watch(place.hub.pid());
            let body = push_body(&[(&zero(), &tip.to_string(), "refs/tags/bomb")], CAPABILITIES, &pack);
            let answer = place.push(body);
            let growth = memory.growth_mib();
            let said = sideband_text(&answer.body);
            let peak = memory.own_peak_mib();
            println!("{name}: {} KiB sent, {growth} MiB more, {peak} MiB at the peak", pack.len() >> 10);
            assert!(said.contains(words), "{name}: {}", &said[..said.len().min(2000)]);
            assert!(growth <= growth_mib_max, "{name}: {growth} MiB, at most {growth_mib_max}");
            assert!(peak <= PEAK_MIB_MAX, "{name}: {peak} MiB, at most {PEAK_MIB_MAX}");
            if words != TAKEN {
                refuses(name, &answer);
                place.is_unchanged();
            }
        }
    }
    place.hub.fsck();
}
