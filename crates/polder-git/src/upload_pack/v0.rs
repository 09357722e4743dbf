//! Protocol versions 0 and 1, stateless: what libgit2 and older clients speak.
//!
//! Source: git `Documentation/gitprotocol-pack.adoc`, `upload-pack.c` (`receive_needs`,
//! `get_common_commits`).

use polder_types::ObjectId;

use super::RecentTips;
use super::fetch::{check_wants, send_pack, write_shallow};
use super::request::{FetchRequest, id_after, text};
use super::response::{Framing, Response};
use crate::negotiate::Negotiation;
use crate::pkt_line::{Packet, PacketSlice, write_flush, write_line};
use crate::{Error, ObjectReader, Result, Snapshot, shallow};

/// How the client wants common commits acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum MultiAck {
    #[default]
    None,
    Continue,
    Detailed,
}

#[derive(Default)]
struct Needs {
    fetch: FetchRequest,
    multi_ack: MultiAck,
    no_done: bool,
    framing: Option<Framing>,
}

enum Line {
    Have(ObjectId),
    Flush,
    Done,
}

/// Answers one request.
pub(super) fn serve(
    snapshot: &Snapshot,
    recent_tips: RecentTips<'_>,
    body: &[u8],
    out: &mut Response<'_>,
) -> Result<()> {
    let mut packets = PacketSlice::new(body);
    let mut needs = read_needs(snapshot, &mut packets)?;
    if needs.fetch.wants.is_empty() {
        return Ok(());
    }
    needs.fetch.settle()?;
    let lines = read_haves(&mut packets)?;
    let mut reader = ObjectReader::new(snapshot);
    check_wants(&mut reader, &needs.fetch.wants, recent_tips)?;
    let answer = shallow::answer(&mut reader, &needs.fetch.wants, &needs.fetch.shallow)?;
    if needs.fetch.shallow.moves() {
        write_shallow(out.lines(), &answer);
        write_flush(out.lines());
    }
    if lines.is_empty() {
        return out.flush_lines(); // the client takes the shallow lines first and asks again
    }
    let haves: Vec<_> =
        lines.iter().filter_map(|line| if let Line::Have(id) = line { Some(*id) } else { None }).collect();
    let mut negotiation = Negotiation::new(&mut reader, &needs.fetch.wants, &haves)?;
    if !negotiate(&mut reader, &needs, &lines, &mut negotiation, out.lines())? {
        return out.flush_lines();
    }
    let framing = needs.framing.unwrap_or(Framing::Plain);
    send_pack(&mut reader, &needs.fetch, answer, negotiation.common(), framing, out)
}

fn read_needs(snapshot: &Snapshot, packets: &mut PacketSlice<'_>) -> Result<Needs> {
    let mut needs = Needs::default();
    while let Some(packet) = packets.next_packet()? {
        let Packet::Data(_) = packet else { break };
        let line = text(packet.line().unwrap_or_default())?;
        if let Some(rest) = line.strip_prefix("want ") {
            let (id, capabilities) = rest.split_once([' ', '\0']).unwrap_or((rest, ""));
            if needs.fetch.wants.is_empty() {
                take_capabilities(&mut needs, capabilities)?;
            }
            needs.fetch.want(snapshot, line, id)?;
        } else if !needs.fetch.take_shared(line)? {
            return Err(Error::refused(format!(
                "git upload-pack: protocol error, expected to get object ID, not '{line}'"
            )));
        }
    }
    Ok(needs)
}

fn take_capabilities(needs: &mut Needs, capabilities: &str) -> Result<()> {
    let has = |name: &str| capabilities.split(' ').any(|capability| capability == name);
    if let Some(format) = capabilities.split(' ').find_map(|word| word.strip_prefix("object-format="))
        && format != "sha1"
    {
        return Err(Error::refused(format!("mismatched object format: server sha1; client {format}")));
    }
    needs.multi_ack = if has("multi_ack_detailed") {
        MultiAck::Detailed
    } else if has("multi_ack") {
        MultiAck::Continue
    } else {
        MultiAck::None
    };
    needs.framing = if has("side-band-64k") {
        Some(Framing::SideBand64k)
    } else {
        has("side-band").then_some(Framing::SideBand)
    };
    needs.no_done = has("no-done");
    needs.fetch.thin_pack = has("thin-pack");
    needs.fetch.offset_deltas = has("ofs-delta");
    needs.fetch.no_progress = has("no-progress");
    needs.fetch.include_tag = has("include-tag");
    needs.fetch.shallow.relative = has("deepen-relative");
    Ok(())
}

fn read_haves(packets: &mut PacketSlice<'_>) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    while let Some(packet) = packets.next_packet()? {
        let Packet::Data(_) = packet else {
            lines.push(Line::Flush);
            continue;
        };
        let line = text(packet.line().unwrap_or_default())?;
        match line.strip_prefix("have ") {
            Some(id) => lines.push(Line::Have(id_after(line, id)?)),
            None if line == "done" => {
                lines.push(Line::Done);
                break;
            }
            None => return Err(Error::refused(format!("git upload-pack: expected SHA1 list, got '{line}'"))),
        }
    }
    Ok(lines)
}

/// Writes the acknowledgements; whether the pack follows.
fn negotiate(
    reader: &mut ObjectReader<'_>,
    needs: &Needs,
    lines: &[Line],
    negotiation: &mut Negotiation,
    out: &mut Vec<u8>,
) -> Result<bool> {
    let (mut got_common, mut got_other, mut sent_ready) = (false, false, false);
    for line in lines {
        match line {
            Line::Have(id) if negotiation.offer(*id) => {
                got_common = true;
                match needs.multi_ack {
                    MultiAck::Detailed => write_line(out, &format!("ACK {id} common")),
                    MultiAck::Continue => write_line(out, &format!("ACK {id} continue")),
                    MultiAck::None if negotiation.common().len() == 1 => {
                        write_line(out, &format!("ACK {id}"));
                    }
                    MultiAck::None => {}
                }
            }
            Line::Have(id) => {
                got_other = true;
                if needs.multi_ack != MultiAck::None && negotiation.is_ready(reader)? {
                    if needs.multi_ack == MultiAck::Detailed {
                        sent_ready = true;
                        write_line(out, &format!("ACK {id} ready"));
                    } else {
                        write_line(out, &format!("ACK {id} continue"));
                    }
                }
            }
            Line::Flush => {
                return end_round(reader, needs, negotiation, (got_common && !got_other, sent_ready), out);
            }
            Line::Done => return Ok(end(needs, negotiation, out)),
        }
    }
    Ok(false)
}

fn end_round(
    reader: &mut ObjectReader<'_>,
    needs: &Needs,
    negotiation: &mut Negotiation,
    (only_common, mut sent_ready): (bool, bool),
    out: &mut Vec<u8>,
) -> Result<bool> {
    let last = negotiation.common().last().copied();
    if let Some(last) = last
        && needs.multi_ack == MultiAck::Detailed
        && only_common
        && negotiation.is_ready(reader)?
    {
        sent_ready = true;
        write_line(out, &format!("ACK {last} ready"));
    }
    if last.is_none() || needs.multi_ack != MultiAck::None {
        write_line(out, "NAK");
    }
    match last {
        Some(last) if needs.no_done && sent_ready => {
            write_line(out, &format!("ACK {last}"));
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The client sends no more haves: the pack follows in any case.
fn end(needs: &Needs, negotiation: &Negotiation, out: &mut Vec<u8>) -> bool {
    match negotiation.common().last() {
        Some(last) if needs.multi_ack != MultiAck::None => write_line(out, &format!("ACK {last}")),
        Some(_) => {}
        None => write_line(out, "NAK"),
    }
    true
}
