//! Protocol version 2: one command per request.
//!
//! Source: git `Documentation/gitprotocol-v2.adoc`, `serve.c`, `upload-pack.c` (`upload_pack_v2`).

use std::collections::HashSet;

use super::RecentTips;
use super::fetch::{check_wants, send_pack, write_shallow};
use super::ls_refs::LsRefs;
use super::object_info::ObjectInfo;
use super::request::{FetchRequest, id_after, text};
use super::response::{Framing, Response};
use crate::negotiate::Negotiation;
use crate::pkt_line::{Packet, PacketSlice, write_delim, write_flush, write_line};
use crate::{Error, ObjectReader, Ref, Result, Snapshot, shallow};

enum Command {
    LsRefs,
    Fetch,
    ObjectInfo,
}

/// Answers one command.
pub(super) fn serve(
    snapshot: &Snapshot,
    recent_tips: RecentTips<'_>,
    body: &[u8],
    out: &mut Response<'_>,
) -> Result<()> {
    let mut packets = PacketSlice::new(body);
    let Some((command, arguments)) = read_head(&mut packets)? else { return Ok(()) };
    match command {
        Command::LsRefs => {
            let mut request = LsRefs::default();
            if arguments {
                each_argument(&mut packets, |line| request.take(line))?;
            }
            request.write(snapshot, out.lines());
            out.flush_lines()
        }
        Command::Fetch => {
            let mut request = FetchRequest::default();
            if arguments {
                each_argument(&mut packets, |line| take(snapshot, &mut request, line))?;
            }
            let named = take_named_wants(snapshot, &mut request)?;
            request.settle()?;
            fetch(snapshot, recent_tips, &request, &named, out)
        }
        Command::ObjectInfo => {
            let mut request = ObjectInfo::default();
            if arguments {
                each_argument(&mut packets, |line| request.take(line))?;
            }
            request.write(snapshot, out.lines())?;
            out.flush_lines()
        }
    }
}

/// Reads the command and its capabilities, and whether arguments follow.
fn read_head(packets: &mut PacketSlice<'_>) -> Result<Option<(Command, bool)>> {
    let mut command = None;
    let mut any = false;
    let arguments = loop {
        let Some(packet) = packets.next_packet()? else { break false };
        let line = match packet {
            Packet::Flush => break false,
            Packet::Delim => break true,
            Packet::ResponseEnd => return Err(Error::refused("unexpected response end packet")),
            Packet::Data(_) => text(packet.line().unwrap_or_default())?,
        };
        any = true;
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match (key, value) {
            ("command", _) if command.is_some() => {
                return Err(Error::refused(format!("command '{value}' requested after another")));
            }
            ("command", "ls-refs") => command = Some(Command::LsRefs),
            ("command", "fetch") => command = Some(Command::Fetch),
            ("command", "object-info") => command = Some(Command::ObjectInfo),
            ("command", _) => return Err(Error::refused(format!("invalid command '{value}'"))),
            ("agent" | "session-id", _) | ("object-format", "sha1") => {}
            ("object-format", _) => {
                return Err(Error::refused(format!("mismatched object format: server sha1; client {value}")));
            }
            _ => return Err(Error::refused(format!("unknown capability '{line}'"))),
        }
    };
    match command {
        Some(command) => Ok(Some((command, arguments))),
        None if any || arguments => Err(Error::refused("no command requested")),
        None => Ok(None),
    }
}

fn each_argument(packets: &mut PacketSlice<'_>, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
    loop {
        match packets.next_packet()? {
            Some(Packet::Flush) => return Ok(()),
            Some(packet @ Packet::Data(_)) => take(text(packet.line().unwrap_or_default())?)?,
            Some(Packet::Delim | Packet::ResponseEnd) | None => {
                return Err(Error::refused("expected flush after arguments"));
            }
        }
    }
}

fn take(snapshot: &Snapshot, request: &mut FetchRequest, line: &str) -> Result<()> {
    match line {
        "done" => request.done = true,
        "wait-for-done" => request.wait_for_done = true,
        "thin-pack" => request.thin_pack = true,
        "ofs-delta" => request.offset_deltas = true,
        "no-progress" => request.no_progress = true,
        "include-tag" => request.include_tag = true,
        "deepen-relative" => request.shallow.relative = true,
        _ => {
            if let Some(id) = line.strip_prefix("want ") {
                request.want(snapshot, line, id)?;
            } else if let Some(id) = line.strip_prefix("have ") {
                request.haves.push(id_after(line, id)?);
            } else if let Some(name) = line.strip_prefix("want-ref ") {
                request.want_refs.push(name.to_owned());
            } else if !request.take_shared(line)? {
                return Err(Error::refused(format!("unexpected line: '{line}'")));
            }
        }
    }
    Ok(())
}

/// Turns wants by name (`ref-in-want`) into wants by id, and tells which is which.
fn take_named_wants<'s>(
    snapshot: &'s Snapshot,
    request: &mut FetchRequest,
) -> Result<Vec<(String, &'s Ref)>> {
    let mut named = Vec::new();
    let mut seen = HashSet::new();
    for name in std::mem::take(&mut request.want_refs) {
        if !seen.insert(name.clone()) {
            return Err(Error::refused(format!("duplicate want-ref {name}")));
        }
        let found = if name == "HEAD" { snapshot.head_ref() } else { snapshot.find_ref(&name) };
        let Some(found) = found.filter(|r| r.is_visible()) else {
            return Err(Error::refused(format!("unknown ref {name}")));
        };
        request.wants.push(found.oid);
        named.push((name, found));
    }
    Ok(named)
}

fn fetch(
    snapshot: &Snapshot,
    recent_tips: RecentTips<'_>,
    request: &FetchRequest,
    named: &[(String, &Ref)],
    out: &mut Response<'_>,
) -> Result<()> {
    if request.wants.is_empty() && !request.wait_for_done {
        return Ok(()); // git: "Request didn't contain any wants, guess they didn't want anything."
    }
    let mut reader = ObjectReader::new(snapshot);
    check_wants(&mut reader, &request.wants, recent_tips)?;
    let mut negotiation = Negotiation::new(&mut reader, &request.wants, &request.haves)?;
    if !request.haves.is_empty() && !acknowledge(&mut reader, request, &mut negotiation, out)? {
        return out.flush_lines();
    }
    if request.wants.is_empty() {
        return out.flush_lines();
    }
    let answer = shallow::answer(&mut reader, &request.wants, &request.shallow)?;
    if request.shallow.is_active() {
        write_line(out.lines(), "shallow-info");
        write_shallow(out.lines(), &answer);
        write_delim(out.lines());
    }
    if !named.is_empty() {
        // After shallow-info: git's own client reads the two in this order only.
        write_line(out.lines(), "wanted-refs");
        for (name, found) in named {
            write_line(out.lines(), &format!("{} {name}", found.oid));
        }
        write_delim(out.lines());
    }
    write_line(out.lines(), "packfile");
    send_pack(&mut reader, request, answer, negotiation.common(), Framing::SideBand64k, out)
}

/// Writes the acknowledgements, if any are due; whether the pack follows.
fn acknowledge(
    reader: &mut ObjectReader<'_>,
    request: &FetchRequest,
    negotiation: &mut Negotiation,
    out: &mut Response<'_>,
) -> Result<bool> {
    for have in &request.haves {
        negotiation.offer(*have);
    }
    if request.done {
        return Ok(true);
    }
    write_line(out.lines(), "acknowledgments");
    if negotiation.common().is_empty() {
        write_line(out.lines(), "NAK");
    }
    for id in negotiation.common() {
        write_line(out.lines(), &format!("ACK {id}"));
    }
    let ready = !request.wait_for_done && negotiation.is_ready(reader)?;
    if ready {
        write_line(out.lines(), "ready");
        write_delim(out.lines());
    } else {
        write_flush(out.lines());
    }
    Ok(ready)
}
