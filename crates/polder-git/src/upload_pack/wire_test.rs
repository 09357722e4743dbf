//! Requests that no real client at hand sends, byte by byte.

mod advertisement;
mod negotiation;
mod packs;
mod refusals;
mod wants;

use super::fixture::Source;
use super::{NO_RECENT_TIPS, upload_pack};
use crate::pkt_line::{Packet, PacketSlice, write_delim, write_flush, write_line};
use crate::{Error, Protocol, Snapshot};

fn ask(snapshot: &Snapshot, protocol: Protocol, request: &[u8]) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    let result = upload_pack(snapshot, NO_RECENT_TIPS, protocol, request, &mut out);
    (out, result)
}

/// Lines; `0000` and `0001` stand for themselves.
fn request(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" => write_flush(&mut out),
            "0001" => write_delim(&mut out),
            _ => write_line(&mut out, line),
        }
    }
    out
}

fn index_pack(source: &Source, pack: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pack).unwrap();
    let out = file.path().with_extension("idx");
    source.git(&[
        "index-pack",
        "--strict",
        "-o",
        &out.display().to_string(),
        &file.path().display().to_string(),
    ])
}

/// The pack inside the side-band frames of a version 2 answer.
fn pack_of(out: &[u8]) -> Vec<u8> {
    let mut packets = PacketSlice::new(out);
    let mut pack = Vec::new();
    let mut begun = false;
    while let Some(packet) = packets.next_packet().unwrap() {
        match packet.line() {
            Some(b"packfile") => begun = true,
            Some(_) if begun => {
                if let Packet::Data([1, bytes @ ..]) = packet {
                    pack.extend_from_slice(bytes);
                }
            }
            _ => {}
        }
    }
    pack
}
