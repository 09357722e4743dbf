//! Trees and the files that git reads by name.

use std::collections::HashSet;

use polder_git::{ObjectKind, Severity, check_push};

use crate::hand_made::{Pack, empty, object_id, receive};

/// The checks stop what no client should see in a tree, whatever else it holds; and they take any bytes
/// as `.gitmodules` or `.gitattributes`.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, content)) = input.split_first() else { return };
    let mut pack = Pack::default();
    match choice % 4 {
        0 => pack.whole(ObjectKind::Blob, content),
        1 => named(&mut pack, "100644 .gitmodules", content),
        2 => named(&mut pack, "100644 .gitattributes", content),
        _ => return tree(content),
    }
    let Ok(Some(received)) = receive(&pack.finish()) else { panic!("a well-formed pack is received") };
    let verdict = check_push(&empty(), Some(&received), &[], Severity::Push);
    if choice % 4 == 0 {
        assert!(verdict.is_ok(), "a file may hold anything: {verdict:?}");
    }
    let import = check_push(&empty(), Some(&received), &[], Severity::Import);
    assert!(verdict.is_err() || import.is_ok(), "an import takes what a push takes: {import:?}");
}

fn named(pack: &mut Pack, entry: &str, content: &[u8]) {
    pack.whole(ObjectKind::Tree, &one_entry(entry, content));
    pack.whole(ObjectKind::Blob, content);
}

fn one_entry(entry: &str, content: &[u8]) -> Vec<u8> {
    let mut tree = entry.as_bytes().to_vec();
    tree.push(0);
    tree.extend_from_slice(object_id(ObjectKind::Blob, content).as_bytes());
    tree
}

fn tree(content: &[u8]) {
    let mut pack = Pack::default();
    pack.whole(ObjectKind::Tree, content);
    let Ok(Some(received)) = receive(&pack.finish()) else { panic!("a well-formed pack is received") };
    if check_push(&empty(), Some(&received), &[], Severity::Push).is_err() {
        return;
    }
    let entries = entries(content);
    let mut names = HashSet::new();
    for (mode, name) in &entries {
        assert!(is_harmless(name), "{}", String::from_utf8_lossy(name));
        assert!(!mode.starts_with(b"0") && !mode.is_empty(), "{}", String::from_utf8_lossy(mode));
        assert!(names.insert(*name), "{} stands there twice", String::from_utf8_lossy(name));
    }
    // Git's order: a folder sorts as if its name ended in a slash.
    let keys: Vec<Vec<u8>> = entries.iter().map(|(mode, name)| key(mode, name)).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "sorted");
}

/// Mode and name of each entry of a tree that was accepted.
fn entries(mut tree: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while !tree.is_empty() {
        let split = |byte: u8, from: &'_ [u8]| from.iter().position(|b| *b == byte);
        let Some((space, nul)) = split(b' ', tree).zip(split(0, tree)) else { panic!("cut entry") };
        let (Some(mode), Some(name)) = (tree.get(..space), tree.get(space + 1..nul)) else {
            panic!("a malformed entry was accepted")
        };
        let Some(rest) = tree.get(nul + 21..) else { panic!("a cut entry was accepted") };
        found.push((mode, name));
        tree = rest;
    }
    found
}

fn is_harmless(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name != b"."
        && name != b".."
        && !name.contains(&b'/')
        && !matches!(&lower[..], b".git" | b".git." | b".git " | b"git~1")
        && !lower.starts_with(b".git/")
        && !lower.starts_with(b".git\\")
}

fn key(mode: &[u8], name: &[u8]) -> Vec<u8> {
    let mode = mode.iter().fold(0_u32, |mode, digit| mode << 3 | u32::from(digit & 7));
    let slash: &[u8] = if mode & 0o170_000 == 0o40_000 { b"/" } else { b"" };
    [name, slash].concat()
}
