//! What both have in common.

use super::super::fixture::Source;
use super::{ask, index_pack, request};
use crate::Protocol;

#[test]
fn a_client_without_any_capability_gets_a_bare_pack() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let want = format!("want {}", source.oid("main"));
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&[&want, "0000", "done"]));
    result.unwrap();
    let pack = out.strip_prefix(b"0008NAK\n").unwrap();
    assert!(pack.starts_with(b"PACK\0\0\0\x02"));
    index_pack(&source, pack);
}

#[test]
fn a_client_without_multi_ack_gets_one_acknowledgement() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let want = format!("want {} side-band ofs-delta", source.oid("main"));
    let (have, other) = (source.oid("main~1"), source.oid("main~2"));
    let lines = [&want, "0000", &format!("have {have}"), &format!("have {other}"), "0000"];
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&lines));
    result.unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("0031ACK {have}\n"));
}

#[test]
fn multi_ack_continues_until_the_client_is_done() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let want = format!("want {} multi_ack no-progress", source.oid("main"));
    let (have, unknown) = (source.oid("main~1"), "12".repeat(20));
    let haves = [format!("have {have}"), format!("have {unknown}")];
    let (out, result) =
        ask(&snapshot, Protocol::V0, &request(&[&want, "0000", &haves[0], &haves[1], "0000"]));
    result.unwrap();
    let expected = format!("003aACK {have} continue\n003aACK {unknown} continue\n0008NAK\n");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&[&want, "0000", &haves[0], "done"]));
    result.unwrap();
    let expected = format!("003aACK {have} continue\n0031ACK {have}\nPACK");
    assert_eq!(&out[..expected.len()], expected.as_bytes());
}

#[test]
fn no_done_lets_the_pack_follow_as_soon_as_both_are_ready() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let have = source.oid("main~1");
    let want = format!("want {} multi_ack_detailed no-done no-progress", source.oid("main"));
    let (out, result) =
        ask(&snapshot, Protocol::V0, &request(&[&want, "0000", &format!("have {have}"), "0000"]));
    result.unwrap();
    let expected = format!("0038ACK {have} common\n0037ACK {have} ready\n0008NAK\n0031ACK {have}\nPACK");
    assert_eq!(&out[..expected.len()], expected.as_bytes());
}

#[test]
fn a_hidden_commit_is_nothing_in_common() {
    let mut source = Source::with_history();
    source.git(&["checkout", "-q", "--detach"]);
    source.commit("hidden");
    source.git(&["update-ref", "refs/polder/hidden", "HEAD"]);
    source.git(&["checkout", "-q", "main"]);
    source.repack();
    let have = format!("have {}", source.oid("refs/polder/hidden"));
    let want = format!("want {}", source.oid("main"));
    let lines = ["command=fetch", "0001", &want, &have, "0000"];
    let (out, result) = ask(&source.snapshot(), Protocol::V2, &request(&lines));
    result.unwrap();
    assert_eq!(out, request(&["acknowledgments", "NAK", "0000"]));
}

#[test]
fn version_2_waits_for_done_when_asked() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let have = format!("have {}", source.oid("main~1"));
    let want = format!("want {}", source.oid("main"));
    let ack = format!("ACK {}", source.oid("main~1"));
    let lines =
        ["command=fetch", "agent=x", "object-format=sha1", "0001", "wait-for-done", &want, &have, "0000"];
    let (out, result) = ask(&snapshot, Protocol::V2, &request(&lines));
    result.unwrap();
    assert_eq!(out, request(&["acknowledgments", &ack, "0000"]));
    let lines = ["command=fetch", "0001", "no-progress", &want, &have, "0000"];
    let (out, result) = ask(&snapshot, Protocol::V2, &request(&lines));
    result.unwrap();
    let expected = request(&["acknowledgments", &ack, "ready", "0001", "packfile"]);
    assert_eq!(&out[..expected.len()], expected);
}

#[test]
fn probes_and_empty_requests_get_nothing() {
    let source = Source::empty();
    for protocol in [Protocol::V0, Protocol::V1, Protocol::V2] {
        for body in [&b"0000"[..], b""] {
            let (out, result) = ask(&source.snapshot(), protocol, body);
            result.unwrap();
            assert_eq!(out, b"");
        }
    }
}
