//! Compressed bodies.

use std::io::{Read, Write};

use polder_tests::{FLUSH, have, pkt};

use crate::place::{FETCH_TYPE, PUSH_TYPE, Place, refuses};

#[test]
fn compressed_bodies_are_bounded_and_broken_ones_refused() {
    if !have(&[polder_tests::Client::Curl]) {
        return;
    }
    let place = Place::new();
    let gzip = |bytes: &[u8]| {
        let mut child = polder_tests::program("/bin/gzip")
            .arg("-c")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let mut out = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        writer.join().unwrap();
        child.wait().unwrap();
        out
    };
    let send = |path: &str, kind: &str, coding: &str, body: Vec<u8>| {
        place
            .post(path, kind, body)
            .header("Content-Encoding", coding)
            .header("Git-Protocol", "version=2")
            .send()
    };
    let refs = [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha1")[..], b"0001", FLUSH].concat();
    let whole = gzip(&refs);
    let answer = send("git-upload-pack", FETCH_TYPE, "gzip", whole.clone()).expect(200);
    assert!(answer.text().contains("refs/heads/main"), "{}", answer.text());

    let cut = whole[..whole.len() - 10].to_vec();
    let mut flipped = whole.clone();
    let at = whole.len() - 6;
    flipped[at] ^= 0xff;
    let line = pkt(format!("have {}\n", "1".repeat(40)));
    let bomb = gzip(&[&pkt("command=fetch\n")[..], b"0001", &line.repeat(4_000_000)[..]].concat());
    assert!(bomb.len() < 2_000_000);
    for path in ["git-upload-pack", "git-receive-pack"] {
        let kind = if path == "git-upload-pack" { FETCH_TYPE } else { PUSH_TYPE };
        for (what, body) in [
            ("not gzip", b"not gzip at all".to_vec()),
            ("a cut stream", cut.clone()),
            ("a wrong checksum", flipped.clone()),
            ("200 MB of haves in 1 MB", bomb.clone()),
        ] {
            refuses(&format!("{path}: {what}"), &send(path, kind, "gzip", body));
        }
        for coding in ["br", "zstd", "deflate", "gzip, gzip"] {
            let answer = send(path, kind, coding, whole.clone());
            assert_eq!(answer.status, 415, "{coding}: {}", answer.text());
        }
    }
    let kib = memory_kib(place.hub.pid());
    assert!(kib < 400 << 10, "{kib} KiB resident after the bombs");
    place.is_unchanged();
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
