//! Very many refs (A25): pushed in pieces up to the cap, listed in bounded memory.

use polder_tests::{Git, Memory, have, pack_of, push_body, sideband_text, zero};

use crate::place::{BOTH, CAPABILITIES, Place};

/// `polder_types::limits::REFS_PER_REPO_MAX`.
const REFS_MAX: usize = 50_000;
/// `polder_types::limits::REF_UPDATES_PER_PUSH_MAX`.
const UPDATES_MAX: usize = 1_000;
/// How much more memory listing them all may take.
const GROWTH_MIB_MAX: u64 = 50;

/// Pushes the tags `from..to`, all at the tip of main.
fn push_tags(place: &Place, tip: &str, range: std::ops::Range<usize>) -> String {
    let names: Vec<String> = range.map(|n| format!("refs/tags/many/{n:05}")).collect();
    let zero = zero();
    let commands: Vec<_> = names.iter().map(|name| (zero.as_str(), tip, name.as_str())).collect();
    let pack = pack_of(&place.work, &["main", "^main"]);
    sideband_text(&place.push(push_body(&commands, CAPABILITIES, &pack)).body)
}

#[test]
fn fifty_thousand_refs_are_taken_in_pieces_and_listed_in_little_memory_and_one_more_is_refused() {
    if !have(&BOTH) {
        return;
    }
    let mut place = Place::new();
    let tip = place.work.ok(&["rev-parse", "main"]);
    // One ref is there already.
    let mut made = 0;
    while made < REFS_MAX - 1 {
        let next = (made + UPDATES_MAX).min(REFS_MAX - 1);
        let text = push_tags(&place, &tip, made..next);
        assert_eq!(text.matches("ok refs/tags/many/").count(), next - made, "{}", &text[..300]);
        made = next;
    }
    let text = push_tags(&place, &tip, made..made + 3);
    assert_eq!(text.matches("too many refs in this repository").count(), 3, "{text}");
    let text = push_tags(&place, &tip, 0..UPDATES_MAX + 1);
    assert!(text.contains("a push changes at most 1000 refs"), "{text}");
    let too_many: Vec<String> = (0..=UPDATES_MAX).map(|n| format!("main:refs/tags/a/{n}")).collect();
    let args: Vec<&str> = ["push", "origin"].into_iter().chain(too_many.iter().map(String::as_str)).collect();
    let said = place.work.run(&args).fails();
    assert!(said.contains("a push changes at most 1000 refs; push in several steps"), "{said}");
    let said = place.work.run(&["push", "origin", "main:one-more"]).fails();
    assert!(said.contains("too many refs in this repository"), "{said}");
    // Of what is there, any may still move, and one that goes makes room.
    place.work.commit_file("a", b"a\n");
    place.work.ok(&["push", "-q", "origin", "main"]);
    place.work.ok(&["push", "-q", "origin", ":refs/tags/many/00007", "main:one-more"]);

    // A fresh process, so that its memory is that of listing only.
    assert!(place.hub.stop().success());
    place.hub.serve(None);
    place.hub.http().get("/readyz").send().expect(200);
    let memory = Memory::watch(place.hub.pid());
    let url = place.hub.repo_url("acme/m");
    for git in Git::every(&place.work.beside("home")) {
        let listed = git.ok(&place.work.path(), &["ls-remote", &url]);
        // HEAD besides.
        assert_eq!(listed.lines().count(), REFS_MAX + 1, "{}", git.label());
        let some = git.ok(&place.work.path(), &["ls-remote", &url, "refs/tags/many/0001*"]);
        assert_eq!(some.lines().count(), 10, "{}", git.label());
    }
    let growth = memory.growth_mib();
    println!("listing {REFS_MAX} refs: at most {growth} MiB more");
    assert!(growth < GROWTH_MIB_MAX, "{growth} MiB more");
}
