//! SHA-1 collisions: what the hasher sees, and what an object that has one may do.

use super::*;
use crate::receive::hash_object;

/// The first 320 bytes of the two `SHAttered` documents: different, with one SHA-1 (Stevens, Bursztein,
/// Karpman, Albertini, Markov, 2017).
const SHATTERED: [&[u8]; 2] = [
    include_bytes!("../../../../../fixtures/sha1/shattered-1.bin"),
    include_bytes!("../../../../../fixtures/sha1/shattered-2.bin"),
];

#[test]
fn both_halves_of_the_known_attack_are_detected_as_raw_bytes() {
    assert_ne!(SHATTERED[0], SHATTERED[1]);
    for half in SHATTERED {
        for tail in [&b""[..], b"the same end", &[0; 1000]] {
            let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
            for part in half.chunks(7) {
                hasher.update(part);
            }
            hasher.update(tail);
            let told = hasher.try_finalize().unwrap_err().to_string();
            assert!(told.contains("collision"), "{told}");
            let digest = "f92d74e3874587aaf443d1db961d4e26dde13e9c";
            assert!(!tail.is_empty() || told.contains(digest), "one SHA-1 for both: {told}");
        }
    }
    let mut innocent = gix_hash::hasher(gix_hash::Kind::Sha1);
    innocent.update(&SHATTERED[0][..192]);
    assert!(innocent.try_finalize().is_ok(), "what both begin with is no attack");
}

#[test]
fn as_files_the_two_halves_are_two_objects_like_any_other() {
    // Git hashes a header first, so the attack does not carry over to objects.
    let git = Git::new();
    let ids = SHATTERED.map(|half| git.blob(half));
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids, SHATTERED.map(|half| hash_object(ObjectKind::Blob, half).unwrap()));
    let tree = git.tree(&[("100644 1.pdf", ids[0]), ("100644 2.pdf", ids[1])]);
    let commit = git.commit(tree, &[]);
    let pack = git.push_pack(&[commit], &[]);
    push(&empty(), &pack, &[commit]).unwrap();
    let after = snapshot(&[("refs/heads/main", commit)], &[&pack]);
    for (id, half) in ids.iter().zip(SHATTERED) {
        assert_eq!(after.read(id).unwrap().unwrap().data, half, "each is kept as it came");
    }
}
