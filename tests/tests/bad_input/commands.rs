//! The commands of a push.

use polder_tests::{FLUSH, pack_of, pkt, push_body, zero};

use crate::place::{CAPABILITIES, Place, refuses};

#[test]
fn commands_that_make_no_sense_are_refused() {
    let place = Place::new();
    let (tip, none) = (place.tip.as_str(), zero());
    let new = place.work.commit_file("new", b"new\n");
    let good = pack_of(&place.work, &[&new, &format!("^{tip}")]);
    let framing: Vec<(&str, Vec<u8>)> = vec![
        ("not packets", b"hello, world".to_vec()),
        ("length 1", b"0001".to_vec()),
        ("length 3", b"0003".to_vec()),
        ("not hexadecimal", b"zzzz".to_vec()),
        ("a packet that is cut", b"00ff0000".to_vec()),
        ("too long a packet", [b"ffff".to_vec(), vec![b'a'; 0xffff]].concat()),
        ("no flush", pkt(format!("{none} {new} refs/heads/x\0 {CAPABILITIES}"))),
        ("one word", [&pkt("hello")[..], FLUSH].concat()),
        (
            "a short id",
            [&pkt(format!("{} {new} refs/heads/x\0 {CAPABILITIES}", &none[..39]))[..], FLUSH].concat(),
        ),
        (
            "not an id",
            [&pkt(format!("{} {new} refs/heads/x\0 {CAPABILITIES}", "g".repeat(40)))[..], FLUSH].concat(),
        ),
        ("no name", [&pkt(format!("{none} {new} \0 {CAPABILITIES}"))[..], FLUSH].concat()),
        ("no pack", push_body(&[(&none, &new, "refs/heads/x")], CAPABILITIES, b"")),
        ("sha256", push_body(&[(&none, &new, "refs/heads/x")], "report-status object-format=sha256", &good)),
        (
            "sha256 ids",
            push_body(&[(&"0".repeat(64), &"1".repeat(64), "refs/heads/x")], "object-format=sha256", b""),
        ),
        (
            "the same ref twice",
            push_body(&[(&none, &new, "refs/heads/x"), (&none, tip, "refs/heads/x")], CAPABILITIES, &good),
        ),
        ("a stale old id", push_body(&[(&new, &new, "refs/heads/main")], CAPABILITIES, &good)),
        ("a creation of what exists", push_body(&[(&none, &new, "refs/heads/main")], CAPABILITIES, &good)),
        ("a deletion of what does not exist", push_body(&[(tip, &none, "refs/heads/x")], CAPABILITIES, b"")),
    ];
    for (what, body) in framing {
        refuses(what, &place.push(body));
    }

    place.is_unchanged();
}

#[test]
fn ref_names_that_git_would_not_have_are_refused() {
    let place = Place::new();
    let (tip, none) = (place.tip.as_str(), zero());
    let pack = pack_of(&place.work, &[tip]);
    let create = |name: &str| push_body(&[(&none, tip, name)], CAPABILITIES, &pack);
    let long = format!("refs/heads/{}", "x".repeat(2000));
    for name in [
        "HEAD",
        "main",
        "refs/heads/",
        "refs/heads//x",
        "refs/heads/x/",
        "refs/heads/../x",
        "refs/heads/a..b",
        "refs/heads/.x",
        "refs/heads/x.lock",
        "refs/heads/x.lock/y",
        "refs/heads/a b",
        "refs/heads/a~b",
        "refs/heads/a^b",
        "refs/heads/a:b",
        "refs/heads/a?b",
        "refs/heads/a*b",
        "refs/heads/a[b",
        "refs/heads/a\\b",
        "refs/heads/a@{b",
        "refs/heads/x.",
        "refs/heads/a\u{1}b",
        "refs/heads/a\u{7f}b",
        "refs/../config",
        "../../etc/passwd",
        "refs/pr/1",
        "refs/polder/keep",
        "refs/heads/main/below",
        "@",
        &long,
    ] {
        refuses(name, &place.push(create(name)));
    }
    let names: Vec<String> = (0..1001).map(|n| format!("refs/heads/b{n}")).collect();
    let many: Vec<(&str, &str, &str)> =
        names.iter().map(|name| (none.as_str(), tip, name.as_str())).collect();
    refuses("1001 commands", &place.push(push_body(&many, CAPABILITIES, &pack)));
    place.is_unchanged();
}
