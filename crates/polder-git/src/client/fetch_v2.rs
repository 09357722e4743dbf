//! `fetch` of protocol version 2.
//!
//! Source: git `Documentation/gitprotocol-v2.adoc`, "fetch"; `fetch-pack.c` (`do_fetch_pack_v2`).

use polder_types::ObjectId;

use super::advertisement::shallow;
use super::haves::Haves;
use super::lines::{Line, Lines, unexpected};
use super::pack_stream::{PackStream, Wrapping};
use super::refs::parse_id;
use super::remote::{Remote, Wanted};
use super::{RemoteBody, RemoteProgress};
use crate::capabilities::AGENT;
use crate::pkt_line::{write_delim, write_flush, write_line};
use crate::{Error, Result};

/// Most rounds of offers before the server must decide.
pub(super) const ROUNDS_MAX: usize = 10;
/// Commits offered in the first round; each round has twice as many.
pub(super) const FIRST_ROUND: usize = 32;
/// Commits offered in the largest round.
pub(super) const ROUND_MAX: usize = 1_024;
/// Most lines of an answer before its pack.
pub(super) const ANSWER_LINES_MAX: usize = 20_000;
/// Most bytes of them.
pub(super) const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Negotiates and gives the pack.
pub(super) fn fetch<'p>(
    remote: &Remote<'_>,
    wanted: &Wanted<'_>,
    haves: &mut Haves<'_>,
    progress: RemoteProgress<'p>,
) -> Result<PackStream<'p>> {
    for round in 0..=ROUNDS_MAX {
        let count =
            FIRST_ROUND.checked_shl(u32::try_from(round).unwrap_or(0)).unwrap_or(ROUND_MAX).min(ROUND_MAX);
        let offers = if round < ROUNDS_MAX { haves.next(count)? } else { Vec::new() };
        let done = offers.is_empty();
        let mut answer = remote.post(request(wanted, haves, &offers, done))?;
        if read_answer(&mut answer, haves, done)? {
            return Ok(PackStream::new(answer, Wrapping::SideBand, progress));
        }
    }
    Err(Error::refused("the server does not send its pack"))
}

fn request(wanted: &Wanted<'_>, haves: &Haves<'_>, offers: &[ObjectId], done: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, "command=fetch");
    write_line(&mut out, AGENT);
    write_line(&mut out, "object-format=sha1");
    write_delim(&mut out);
    write_line(&mut out, "ofs-delta");
    if wanted.quiet {
        write_line(&mut out, "no-progress");
    }
    for want in wanted.ids {
        write_line(&mut out, &format!("want {want}"));
    }
    for have in haves.common().iter().chain(offers) {
        write_line(&mut out, &format!("have {have}"));
    }
    if done {
        write_line(&mut out, "done");
    }
    write_flush(&mut out);
    out
}

/// Reads up to the pack; whether there is one.
fn read_answer(answer: &mut RemoteBody, haves: &mut Haves<'_>, done: bool) -> Result<bool> {
    let mut lines = Lines::new(answer, ANSWER_LINES_MAX, ANSWER_BYTES_MAX);
    loop {
        let Line::Text(section) = lines.next_line()? else {
            return Err(unexpected("an end where a section begins"));
        };
        match section.as_str() {
            "packfile" => return Ok(true),
            "acknowledgments" if !done => {
                if !read_acknowledgments(&mut lines, haves)? {
                    return Ok(false);
                }
            }
            "shallow-info" => return Err(shallow()),
            _ => return Err(unexpected(&section)),
        }
    }
}

/// Reads one section; whether the pack follows.
fn read_acknowledgments(lines: &mut Lines<'_>, haves: &mut Haves<'_>) -> Result<bool> {
    let mut ready = false;
    loop {
        match lines.next_line()? {
            Line::Text(line) if line == "NAK" => {}
            Line::Text(line) if line == "ready" => ready = true,
            Line::Text(line) => {
                let id = line.strip_prefix("ACK ").ok_or_else(|| unexpected(&line))?;
                haves.acknowledge(parse_id(id, &line)?);
            }
            Line::Delim if ready => return Ok(true),
            Line::Flush if !ready => return Ok(false),
            Line::Delim | Line::Flush => return Err(unexpected("an end of acknowledgements that is none")),
        }
    }
}
