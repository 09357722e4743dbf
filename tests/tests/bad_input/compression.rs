//! Compressed bodies: one coding, read to its end.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use polder_tests::{FLUSH, pkt};

use crate::place::{FETCH_TYPE, PUSH_TYPE, Place, refuses};

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_is_read_and_nothing_that_is_not_quite_gzip_or_another_coding() {
    let place = Place::new();
    let send = |path: &str, kind: &str, coding: &str, body: &[u8]| {
        let request = place.post(path, kind, body).header("Content-Encoding", coding);
        request.header("Git-Protocol", "version=2").send()
    };
    let refs = [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha1")[..], b"0001", FLUSH].concat();
    let whole = gzip(&refs);
    for body in [&whole[..], &[&gzip(&refs[..10])[..], &gzip(&refs[10..])].concat()] {
        let answer = send("git-upload-pack", FETCH_TYPE, "gzip", body).expect(200);
        assert!(answer.text().contains("refs/heads/main"), "{}", answer.text());
    }
    let mut flipped = whole.clone();
    let at = whole.len() - 6;
    flipped[at] ^= 0xff;
    for (path, kind) in [("git-upload-pack", FETCH_TYPE), ("git-receive-pack", PUSH_TYPE)] {
        for (what, body) in [
            ("not gzip", &b"not gzip at all"[..]),
            ("a cut stream", &whole[..whole.len() - 10]),
            ("a wrong checksum", &flipped),
        ] {
            refuses(&format!("{path}: {what}"), &send(path, kind, "gzip", body));
        }
        for coding in ["br", "zstd", "deflate", "gzip, gzip"] {
            let answer = send(path, kind, coding, &whole);
            assert_eq!(answer.status, 415, "{coding}: {}", answer.text());
        }
    }
    place.is_unchanged();
    assert!(!place.hub.log().contains("ERROR"), "the sender's mistakes are not the hub's");
}
