//! Packs that are not whole, or lean on what is not there.

use polder_tests::{FLUSH, LargeObject, pack_exactly, pack_of, pack_with, pkt, push_body, sideband_text};

use crate::place::{CAPABILITIES, Place, all_ok, refuses};

#[test]
fn packs_that_are_no_packs_are_refused() {
    let place = Place::new();
    let tip = place.tip.as_str();
    let new = place.work.commit_file("new", b"new\n");
    let good = pack_of(&place.work, &[&new, &format!("^{tip}")]);
    let update = |pack: &[u8]| push_body(&[(tip, &new, "refs/heads/main")], CAPABILITIES, pack);
    let broken = |at: usize| {
        let mut pack = good.clone();
        pack[at] ^= 0x55;
        pack
    };
    let last = good.len() - 1;
    for (what, pack) in [
        ("not a pack", b"this is not a pack".to_vec()),
        ("the start of a pack", good[..20].to_vec()),
        ("a pack without its end", good[..last].to_vec()),
        ("a wrong magic", broken(0)),
        ("a wrong version", broken(7)),
        ("a wrong count", broken(11)),
        ("a broken object", broken(20)),
        ("a wrong hash", broken(last)),
        ("bytes after the pack", [&good[..], b"more"].concat()),
        ("two packs", [&good[..], &good[..]].concat()),
    ] {
        refuses(what, &place.push(update(&pack)));
    }
    place.is_unchanged();
    let answer = sideband_text(&place.push(update(&good)).expect(200).body);
    assert!(all_ok(&answer), "the good push still works: {answer}");
}

#[test]
fn packs_that_lack_objects_or_lean_on_others_are_refused() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let second = work.commit_file("dir/file", "content\n".repeat(500).as_bytes());
    let third = work.commit_file("dir/file", ("content\n".repeat(500) + "more\n").as_bytes());
    let push =
        |new: &str, pack: &[u8]| place.push(push_body(&[(&tip, new, "refs/heads/main")], CAPABILITIES, pack));
    let without_parent = pack_of(work, &[&third, &format!("^{second}")]);
    refuses("a commit whose parent is missing", &push(&third, &without_parent));
    let listed = work.ok(&["rev-list", "--objects", "--no-object-names", &second, &format!("^{tip}")]);
    for left_out in listed.lines() {
        let rest: Vec<&str> = listed.lines().filter(|id| *id != left_out).collect();
        refuses(&format!("{left_out} left out"), &push(&second, &pack_exactly(work, &rest)));
    }
    refuses("an id that exists nowhere", &push(&"12".repeat(20), &pack_of(work, &[&second])));

    // Deltas whose bases are not in the pack: the hub announces `no-thin`.
    let big = work.commit_file("big", &LargeObject::random(1, 20_000).bytes);
    let body = push_body(
        &[(&tip, &big, "refs/heads/main")],
        CAPABILITIES,
        &pack_of(work, &[&big, &format!("^{tip}")]),
    );
    assert!(all_ok(&sideband_text(&place.push(body).expect(200).body)));
    let mut bytes = LargeObject::random(1, 20_000).bytes;
    bytes[10_000] ^= 1;
    let edited = work.commit_file("big", &bytes);
    let thin = pack_with(work, &[&edited, &format!("^{big}")], &["--thin"]);
    assert!(thin.len() < 5_000, "it is a thin pack: {} bytes", thin.len());
    let answer = place.push(push_body(&[(&big, &edited, "refs/heads/main")], CAPABILITIES, &thin));
    refuses("a thin pack", &answer);
    let refs = work.ok(&["ls-remote", &place.hub.repo_url("acme/m"), "refs/heads/main"]);
    assert_eq!(refs, format!("{big}\trefs/heads/main"));
    place.hub.fsck();
}

#[test]
fn a_shallow_push_that_would_leave_a_hole_is_refused_and_one_that_would_not_is_taken() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let hole = work.commit_file("a", b"1\n");
    let top = work.commit_file("a", b"2\n");
    let pack = pack_of(work, &[&top, &format!("^{hole}")]);
    let body = [
        pkt(format!("shallow {top}")),
        pkt(format!("{tip} {top} refs/heads/main\0 {CAPABILITIES}")),
        FLUSH.to_vec(),
        pack,
    ]
    .concat();
    let answer = place.push(body);
    refuses("a shallow push", &answer);
    place.is_unchanged();

    // Stock git from a shallow clone of another history: told in words.
    let shallow = work.beside("shallow");
    let url = format!("file://{}", work.path().display());
    work.git.ok(&work.beside(""), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let target = place.hub.repo_url_as("acme/m", &place.token);
    let told = work.git.run(&shallow, &["push", &target, "HEAD:refs/heads/shallow"]).fails();
    assert!(told.contains("shallow") || told.contains("missing necessary objects"), "{told}");
    place.is_unchanged();
}

#[test]
fn an_object_too_large_for_git_is_refused_with_advice() {
    let place = Place::new();
    // 80 MiB of zeros: 80 KiB on the wire.
    place.work.write("zeros", &vec![0; 80 << 20]);
    place.work.commit("Zeros");
    let told = place.work.run(&["push", &place.hub.repo_url_as("acme/m", &place.token), "main"]).fails();
    assert!(told.contains("LFS"), "{told}");
    place.is_unchanged();
}
