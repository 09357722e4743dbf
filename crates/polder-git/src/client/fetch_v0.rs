//! Fetching by protocol versions 0 and 1.
//!
//! Source: git `Documentation/gitprotocol-pack.adoc` ("Packfile Negotiation"), `gitprotocol-http.adoc`
//! (stateless); `fetch-pack.c` (`find_common`).

use polder_types::ObjectId;

use super::fetch_v2::{ANSWER_BYTES_MAX, ANSWER_LINES_MAX, FIRST_ROUND, ROUND_MAX, ROUNDS_MAX};
use super::haves::Haves;
use super::lines::{Line, Lines, unexpected};
use super::pack_stream::{PackStream, wrapping_of};
use super::refs::parse_id;
use super::remote::{Remote, Wanted};
use super::{RemoteBody, RemoteProgress};
use crate::Result;
use crate::capabilities::AGENT;
use crate::pkt_line::{write_flush, write_line};

/// Negotiates, if the server can, and gives the pack.
pub(super) fn fetch<'p>(
    remote: &Remote<'_>,
    wanted: &Wanted<'_>,
    haves: &mut Haves<'_>,
    progress: RemoteProgress<'p>,
) -> Result<PackStream<'p>> {
    let offers = |word: &str| remote.hello.capability(word).is_some();
    let (wrapping, band) = wrapping_of(offers);
    let detailed = offers("multi_ack_detailed");
    let mut words: Vec<&str> = band.into_iter().collect();
    words.extend(["multi_ack_detailed"].into_iter().filter(|_| detailed));
    words.extend(["ofs-delta"].into_iter().filter(|word| offers(word)));
    words.extend(["no-progress"].into_iter().filter(|word| wanted.quiet && offers(word)));
    words.extend([AGENT].into_iter().filter(|_| offers("agent")));
    let words = words.join(" ");

    let mut count = FIRST_ROUND;
    let mut last = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let offered = haves.next(if detailed { count } else { ROUND_MAX })?;
        if offered.is_empty() || !detailed {
            // Without detailed answers there is one round, and it is the last.
            last = offered;
            break;
        }
        let mut answer = remote.post(request(wanted, &words, haves, &offered, false))?;
        if read_round(&mut answer, haves)? {
            break;
        }
        count = count.saturating_mul(2).min(ROUND_MAX);
    }
    let mut answer = remote.post(request(wanted, &words, haves, &last, true))?;
    read_last(&mut answer)?;
    Ok(PackStream::new(answer, wrapping, progress))
}

fn request(wanted: &Wanted<'_>, words: &str, haves: &Haves<'_>, offers: &[ObjectId], done: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut words = Some(words).filter(|words| !words.is_empty());
    for want in wanted.ids {
        let words = words.take().map(|words| format!(" {words}")).unwrap_or_default();
        write_line(&mut out, &format!("want {want}{words}"));
    }
    write_flush(&mut out);
    for have in haves.common().iter().chain(offers) {
        write_line(&mut out, &format!("have {have}"));
    }
    if done {
        write_line(&mut out, "done");
    } else {
        write_flush(&mut out);
    }
    out
}

/// Reads the answer to one round of offers, to its `NAK`; whether the server knows enough.
fn read_round(answer: &mut RemoteBody, haves: &mut Haves<'_>) -> Result<bool> {
    let mut lines = Lines::new(answer, ANSWER_LINES_MAX, ANSWER_BYTES_MAX);
    let mut ready = false;
    loop {
        let Line::Text(line) = lines.next_line()? else {
            return Err(unexpected("an end among acknowledgements"));
        };
        if line == "NAK" {
            return Ok(ready);
        }
        let (id, status) = acknowledged(&line)?;
        ready |= status == "ready";
        haves.acknowledge(id);
    }
}

/// Reads the answer to `done`, up to the line in front of the pack.
fn read_last(answer: &mut RemoteBody) -> Result<()> {
    let mut lines = Lines::new(answer, ANSWER_LINES_MAX, ANSWER_BYTES_MAX);
    loop {
        let Line::Text(line) = lines.next_line()? else {
            return Err(unexpected("an end where the pack begins"));
        };
        // A last acknowledgement has no status behind its id.
        if line == "NAK" || acknowledged(&line)?.1.is_empty() {
            return Ok(());
        }
    }
}

fn acknowledged(line: &str) -> Result<(ObjectId, &str)> {
    let rest = line.strip_prefix("ACK ").ok_or_else(|| unexpected(line))?;
    let (id, status) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok((parse_id(id, line)?, status))
}
