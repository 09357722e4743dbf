//! A log taken from its beginning, by a follower in a process of its own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use polder_log::PAGE_LEAVES_MAX;

use super::follower;
use super::origin::Origin;
use crate::table::Table;
use crate::tools::{Result, output, program};

/// Events for which the goals below are set.
const EVENTS: f64 = 1_000_000.0;
/// Bytes of the bodies of a page; the rest is for leaves and a proof.
const BODIES_BYTES_MAX: usize = 3 << 20;

pub(super) fn measure(events: u64, repositories: u64, table: &mut Table) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (pages, data) = (directory.path().join("pages"), directory.path().join("data"));
    std::fs::create_dir(&data)?;
    eprintln!("making a log of {events} events of {repositories} repositories");
    let mut origin = Origin::new()?;
    let wire = write_pages(&pages, &mut origin, events, repositories)?;

    let follower = std::env::current_exe()?;
    let said = output(program(&follower).args(["federation", follower::WORD]).arg(&pages).arg(&data))?;
    let said = String::from_utf8(said)?;
    let numbers: Vec<f64> = said.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [seconds, cpu, peak_kib, bytes] = numbers.as_slice() else {
        return Err(format!("the follower said `{said}`").into());
    };
    let share = real(events)? / EVENTS;
    let name = format!("backlog: {events} events, {repositories} repositories");
    table.at_most(&name, *seconds, 60.0 * share, "s");
    table.figure("  processor time of it", *cpu, "s");
    table.at_most("  peak memory of the follower", peak_kib / 1024.0, 256.0, "MiB");
    table.figure("  database", bytes / 1e6, "MB");
    table.figure("  bytes on the wire", real(wire)? / 1e6, "MB");
    polls(&mut origin, repositories, table)
}

/// A whole number of anything, to calculate with.
pub(super) fn real(number: u64) -> Result<f64> {
    Ok(number.to_string().parse()?)
}

/// What a waiting follower is sent, without the head of the answer.
fn polls(origin: &mut Origin, repositories: u64, table: &mut Table) -> Result<()> {
    let before = origin.size();
    let body = origin.next(repositories)?;
    let page = origin.page(before, vec![body.leaf()], vec![body.bytes().to_vec()])?.encode()?;
    table.at_most("  body of a poll that brings one event", real(page.len().try_into()?)?, 4096.0, "B");
    Ok(())
}

/// Writes the log as a follower is sent it, each page with its length before it, and tells the bytes.
fn write_pages(path: &Path, origin: &mut Origin, events: u64, repositories: u64) -> Result<u64> {
    // The proofs lead to the end of the log, so that has to be known first: bodies wait in a list.
    let bodies: Vec<_> = (0..events).map(|_| origin.next(repositories)).collect::<Result<_>>()?;
    let mut file = BufWriter::new(File::create(path)?);
    let (mut first, mut wire, mut rest) = (0, 0, bodies.as_slice());
    while !rest.is_empty() {
        let (mut count, mut bytes) = (0, 0);
        for body in rest.iter().take(PAGE_LEAVES_MAX) {
            bytes += body.bytes().len() + 4;
            if bytes > BODIES_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let (these, others) = rest.split_at(count);
        let leaves = these.iter().map(polder_log::Body::leaf).collect();
        let page = origin.page(first, leaves, these.iter().map(|body| body.bytes().to_vec()).collect())?;
        let page = page.encode()?;
        file.write_all(&u32::try_from(page.len())?.to_be_bytes())?;
        file.write_all(&page)?;
        wire += u64::try_from(page.len())?;
        first += u64::try_from(count)?;
        rest = others;
    }
    file.flush()?;
    Ok(wire)
}
