//! Requests of `git-upload-pack`.

use polder_tests::{FLUSH, pkt};

use crate::place::{FETCH_TYPE, Place, refuses};

#[test]
fn fetches_that_are_not_fetches_are_refused() {
    let place = Place::new();
    let tip = &place.tip;
    let v2 = |command: &str, lines: &[String]| {
        let mut body = pkt(format!("command={command}\n"));
        body.extend(pkt("object-format=sha1"));
        body.extend_from_slice(b"0001");
        body.extend(lines.iter().flat_map(pkt));
        body.extend_from_slice(FLUSH);
        body
    };
    let line = |text: &str| vec![text.to_owned(), "done\n".to_owned()];
    let both = |text: &str| vec![format!("want {tip}\n"), text.to_owned(), "done\n".to_owned()];
    for (what, body) in [
        ("not packets", b"hello, world".to_vec()),
        ("length 3", b"0003".to_vec()),
        ("a packet that is cut", b"00ffwant".to_vec()),
        ("an unknown command", v2("object-theft", &[])),
        ("no command", [&pkt("object-format=sha1")[..], FLUSH].concat()),
        (
            "sha256",
            [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha256")[..], b"0001", FLUSH].concat(),
        ),
        ("a want that is no id", v2("fetch", &line("want xyz\n"))),
        ("a want of nothing known", v2("fetch", &line(&format!("want {}\n", "12".repeat(20))))),
        ("a have that is no id", v2("fetch", &both("have xyz\n"))),
        ("a negative depth", v2("fetch", &both("deepen -1\n"))),
        ("a depth that is no number", v2("fetch", &both("deepen many\n"))),
        ("a shallow that is no id", v2("fetch", &both("shallow xyz\n"))),
        ("a filter from the repository", v2("fetch", &both("filter sparse:oid=main:README.md\n"))),
        ("a filter of another kind", v2("fetch", &both("filter nonsense\n"))),
        ("two filters", v2("fetch", &[both("filter blob:none\n"), line("filter tree:0\n")].concat())),
        ("an unknown argument", v2("fetch", &both("make-coffee\n"))),
    ] {
        refuses(what, &place.fetch(2, body));
    }
    for (what, body) in [
        ("not packets", b"hello, world".to_vec()),
        ("a want that is no id", [&pkt("want xyz\n")[..], FLUSH, &pkt("done\n")[..]].concat()),
        (
            "a want of nothing known",
            [&pkt(format!("want {}\n", "12".repeat(20)))[..], FLUSH, &pkt("done\n")[..]].concat(),
        ),
        ("a have before a want", [&pkt(format!("have {tip}\n"))[..], FLUSH].concat()),
        ("a command of protocol 2", v2("ls-refs", &[])),
    ] {
        refuses(what, &place.fetch(0, body));
    }
    let haves: Vec<u8> = (0..400_000).flat_map(|n| pkt(format!("have {n:040x}\n"))).collect();
    let large =
        [&pkt("command=fetch\n")[..], b"0001", &pkt(format!("want {tip}\n"))[..], &haves, FLUSH].concat();
    let answer =
        place.post("git-upload-pack", FETCH_TYPE, large).header("Git-Protocol", "version=2").try_send();
    // It may hang up while the client still sends; if it answers, it is in words.
    if let Some(answer) = answer {
        refuses("20 MB of haves", &answer);
    }
    place.is_unchanged();
}
