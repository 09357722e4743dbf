//! Ref names: git's own rule, over a set too large for a process each.
//!
//! Git checks the name in a tag object by the rule of `git check-ref-format`, and one `git index-pack` checks
//! every tag of a pack. So a name is put into a tag; that this is the same rule is proved on a sample.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::receive::{hash_object, read_push};
use crate::{check_pushable, check_ref_name};

/// Names compared.
const NAMES: usize = 200_000;
/// Of these, names for which the plain command is asked too.
const SAMPLE: usize = 200;

/// What git's rule is written in, and what looks like it. No line feed: it would end the tag's line.
const PIECES: &[&str] = &[
    "a", "B", "0", ".", "..", "...", "/", "//", "@", "{", "}", "@{", "@@", ".lock", "lock", ".loc", ".LOCK",
    ".lock/", ".lock.", "~", "^", ":", "?", "*", "[", "]", "\\", " ", "\t", "\r", "\x01", "\x1f", "\x7f",
    "\u{80}", "\u{a0}", "é", "模型", "\u{202e}", "\u{feff}", "-", "--", "_", "+", "#", "%2e", "%00", "$",
    "&", "|", ";", "'", "\"", "`", "<", ">", "!", "(", ")", ",", "=", "HEAD", "refs/", "heads/", "./", "/.",
    "/..",
];

/// The same names in every run.
fn names() -> BTreeSet<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut names = BTreeSet::new();
    names.extend(PIECES.iter().map(|piece| (*piece).to_owned()));
    while names.len() < NAMES {
        let length = 1 + next(7);
        names.insert((0..length).map(|_| PIECES[next(PIECES.len())]).collect());
    }
    names
}

fn tag_named(name: &str, target: ObjectId) -> Vec<u8> {
    format!("object {target}\ntype tree\ntag {name}\ntagger A <a@example.org> 1700000000 +0000\n\n")
        .into_bytes()
}

/// The tags in the pack whose names git calls bad.
fn bad_tags(git: &Git, pack: &[u8]) -> HashSet<String> {
    let (done, said) = git.run_with_stderr(&["index-pack", "--strict", "--stdin"], pack);
    assert!(done, "a bad tag name is only a remark: {}", &said[said.len().saturating_sub(500)..]);
    let remarks = said.lines().filter(|line| line.contains("badTagName"));
    remarks.filter_map(|line| Some(line.split("object ").nth(1)?.split(':').next()?.to_owned())).collect()
}

#[test]
fn a_name_is_valid_exactly_when_git_says_so_over_a_large_set() {
    let git = Git::new();
    let target = hash_object(ObjectKind::Tree, b"").unwrap();
    let names = names();
    let mut pack = Pack::new();
    pack.entry(EntryKind::Whole(ObjectKind::Tree), b"");
    for name in &names {
        pack.entry(EntryKind::Whole(ObjectKind::Tag), &tag_named(name, target));
    }
    let bad = bad_tags(&git, &pack.finish());
    let is_bad = |name: &str| {
        let id = hash_object(ObjectKind::Tag, &tag_named(name, target)).unwrap();
        bad.contains(&id.to_string())
    };
    let mut valid = 0;
    for (at, name) in names.iter().enumerate() {
        let full = format!("refs/tags/{name}");
        assert_eq!(check_ref_name(&full).is_err(), is_bad(name), "{full:?}");
        valid += usize::from(!is_bad(name));
        if at % (NAMES / SAMPLE) == 0 {
            let plain = git.try_run(&["check-ref-format", &full], b"").is_err();
            assert_eq!(plain, is_bad(name), "{full:?}: the two ways to ask git differ");
        }
    }
    // Both answers are common, or the set would prove little.
    assert!((NAMES / 20..NAMES * 19 / 20).contains(&valid), "{valid} of {NAMES} are valid");
}

#[test]
fn stricter_than_git_a_name_is_text() {
    let mut wire = Vec::new();
    let line = [format!("{0} {0} refs/heads/", ObjectId::ZERO).as_bytes(), b"\xff"].concat();
    crate::pkt_line::write_data(&mut wire, &line);
    crate::pkt_line::write_flush(&mut wire);
    assert_eq!(read_push(&mut wire.as_slice()).unwrap_err().to_string(), "ref names must be UTF-8");
}

#[test]
fn stricter_than_git_a_name_has_an_end() {
    let git = Git::new();
    let long = format!("refs/heads/{}", "n".repeat(1014));
    assert!(git.try_run(&["check-ref-format", &long], b"").is_ok());
    assert_eq!(check_ref_name(&long).unwrap_err(), "a ref name has at most 1024 bytes");
    assert!(check_ref_name(&long[..1024]).is_ok());
}

#[test]
fn stricter_than_git_a_push_makes_no_ref_beside_the_folders_of_refs() {
    let git = Git::new();
    assert!(git.try_run(&["check-ref-format", "refs/stash"], b"").is_ok());
    assert!(check_ref_name("refs/stash").is_ok());
    assert!(check_pushable("refs/stash").unwrap_err().contains("put it under refs/heads/"));
}
