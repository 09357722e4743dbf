//! Packs and objects that rot are had again from the other hub.

use std::path::Path;

use polder_tests::{Hub, LargeObject, Work, until};

use crate::Pair;

#[test]
fn a_pack_of_a_mirror_that_is_found_to_be_damaged_is_had_again_from_its_home() {
    let pair = Pair::new();
    let work = Work::new();
    pair.home.repo("acme/m");
    for seed in 1..=3_u32 {
        let noise: Vec<u8> =
            (0..100_000_u32).flat_map(|n| (n * seed).wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        work.commit_file(&format!("noise{seed}.dat"), &noise);
        pair.push(&work, "acme/m", &["main"]);
        if seed == 1 {
            pair.follow(&[]);
        }
        pair.in_step("m");
    }
    let packs = packs_below(&pair.mirror.data().join("store"));
    assert_eq!(packs.len(), 3, "{packs:?}");
    for (n, pack) in packs.iter().enumerate() {
        flip_a_bit(pack, n + 1);
    }
    let found = pair.mirror.cli(&["fsck"]).fails();
    assert_eq!(found.matches(": verifying a pack").count(), 3, "{found}");
    until("the packs to be repaired", 30, || pair.mirror.cli(&["fsck", "--deep"]).success().then_some(()));
    let to = pair.dir.path().join("clone");
    work.ok(&["clone", "-q", &pair.mirror.repo_url(&format!("{}/m", pair.namespace)), to.to_str().unwrap()]);
    pair.git.ok(&to, &["fsck", "--strict", "--full"]);
    assert_eq!(
        pair.git.ok(&to, &["rev-parse", "HEAD"]).trim(),
        work.ok(&["rev-parse", "main"]).trim(),
        "nothing else has changed"
    );
}

/// Flips one bit, in that quarter of a file.
fn flip_a_bit(path: &Path, quarter: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 4 * quarter;
    bytes[at] ^= 1 << quarter;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_damaged_at_home_is_had_again_from_a_hub_that_mirrors_it() {
    let mirror = Hub::start();
    let config = format!("[federation]\nmirrors = [\"http://{}\"]\n", mirror.address());
    let pair = polder_tests::Pair::of(Hub::builder().config(&config).start(), mirror);
    let work = Work::with_lfs();
    work.ok(&["lfs", "track", "*.bin"]);
    for name in ["model.bin", "noise.dat"] {
        work.write(name, &LargeObject::random(7, 3_000_000).bytes);
    }
    work.commit("weights, and as much in git");
    work.ok(&["push", "-q", &pair.home.repo_url_as("acme/m", &pair.token), "main"]);
    pair.follow(&[]).ok();
    until("the mirror to be ready", 30, || {
        (pair.upstream()["repositories"][0]["state"] == "ready").then_some(())
    });
    let objects = pair.home.stored_objects().into_iter().map(|name| pair.home.data().join(name));
    let stored: Vec<_> = packs_below(&pair.home.data().join("store")).into_iter().chain(objects).collect();
    assert_eq!(stored.len(), 2, "{stored:?}");
    for path in &stored {
        flip_a_bit(path, 2);
    }
    let found = pair.home.cli(&["fsck", "--deep"]).fails();
    assert!(found.contains(": verifying a pack") && found.contains("object"), "{found}");
    until("it to be repaired", 60, || pair.home.cli(&["fsck", "--deep"]).success().then_some(()));
    work.ok(&["clone", "-q", &pair.home.repo_url("acme/m"), "clone"]);
    for words in [&["install", "--local"][..], &["pull"]] {
        work.ok(&[&["-C", "clone", "lfs"], words].concat());
    }
    let read = |name: &str| std::fs::read(work.path().join(name)).unwrap();
    assert!(read("clone/model.bin") == read("model.bin") && read("clone/noise.dat") == read("noise.dat"));
    work.ok(&["-C", "clone", "fsck", "--strict", "--full"]);
}

fn packs_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pack") {
                found.push(path);
            }
        }
    }
    found
}
