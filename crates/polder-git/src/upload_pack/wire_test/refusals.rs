//! What cannot be answered is refused in words.

use super::super::fixture::Source;
use super::{ask, request};
use crate::pkt_line::{Packet, PacketSlice};
use crate::{Error, Protocol};

#[test]
fn a_bad_request_is_refused_in_words() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let oid = source.oid("main");
    let want = format!("want {oid}");
    let fetch = |line: &str| request(&["command=fetch", "0001", line, "0000"]);
    for (protocol, body, words) in [
        (Protocol::V2, request(&["command=steal", "0000"]), "invalid command 'steal'"),
        (Protocol::V2, request(&["command=fetch", "colour=red", "0000"]), "unknown capability 'colour=red'"),
        (Protocol::V2, request(&["agent=x", "0000"]), "no command requested"),
        (
            Protocol::V2,
            request(&["command=fetch", "object-format=sha256", "0000"]),
            "mismatched object format: server sha1; client sha256",
        ),
        (
            Protocol::V2,
            fetch("want xyz"),
            "git upload-pack: protocol error, expected to get object ID, not 'want xyz'",
        ),
        (Protocol::V2, fetch("deepen 0"), "Invalid deepen: deepen 0"),
        (Protocol::V2, fetch("sing"), "unexpected line: 'sing'"),
        (Protocol::V2, fetch("filter sparse:oid=main:x"), "invalid filter-spec 'sparse:oid=main:x'"),
        (Protocol::V2, request(&["command=fetch", "0001", &want]), "expected flush after arguments"),
        (Protocol::V2, b"00zz".to_vec(), "protocol error: bad line length character: 00zz"),
        (
            Protocol::V0,
            request(&[&want, "0000", "gimme"]),
            "git upload-pack: expected SHA1 list, got 'gimme'",
        ),
        (
            Protocol::V0,
            request(&[&format!("{want} object-format=sha256"), "0000", "done"]),
            "mismatched object format: server sha1; client sha256",
        ),
        (
            Protocol::V0,
            request(&[&want, "deepen 1", "deepen-since 5", "0000", "done"]),
            "git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together",
        ),
    ] {
        let (out, result) = ask(&snapshot, protocol, &body);
        assert!(
            matches!(&result, Err(Error::Refused { message }) if message == words),
            "{words}: {result:?}"
        );
        let mut packets = PacketSlice::new(&out);
        let told = packets.next_packet().unwrap().unwrap();
        assert_eq!(told.line().unwrap(), format!("ERR {words}").as_bytes());
    }
}

#[test]
fn damage_ends_in_an_error_never_in_a_short_pack() {
    let source = Source::with_history();
    let snapshot = source.snapshot_with(|mut pack| {
        let middle = pack.len() / 2;
        pack[middle] ^= 0x55;
        pack
    });
    let want = format!("want {}", source.oid("main"));
    let (out, result) =
        ask(&snapshot, Protocol::V2, &request(&["command=fetch", "0001", &want, "done", "0000"]));
    assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
    let mut packets = PacketSlice::new(&out);
    let mut last = Packet::Flush;
    while let Some(packet) = packets.next_packet().unwrap() {
        last = packet;
    }
    assert_eq!(last.line().unwrap(), b"\x03upload-pack: the repository is damaged on the server");
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&[&want, "0000", "done"]));
    assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
    assert!(out.starts_with(b"0008NAK\n"));
}
