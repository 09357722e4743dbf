//! How soon a mirror has what its home has, and what that costs on the wire.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use super::backlog::real;
use super::pair::{Pair, shows};
use super::timer;
use crate::Scale;
use crate::blob::{Blob, pointer};
use crate::git_requests::{push, require_pushed};
use crate::http::Client;
use crate::table::{Table, percentiles};
use crate::tools::{Result, Tools};
use crate::transfer::upload;
use crate::world::World;

/// Pushes, one after the other.
const PUSHES: u32 = 200;
/// Takedowns, one after the other.
const TAKEDOWNS: u32 = 50;
/// Length of an object that is all new.
const NEW_MIB: u64 = 1 << 10;

/// `edited_gib`: length of an object of which 1 MiB changes; 0 leaves it out.
pub(super) fn measure(edited_gib: u64, tools: &Tools, directory: &Path, table: &mut Table) -> Result<()> {
    let scale = Scale { pushes_each: PUSHES, ..crate::QUICK };
    let world = World::make(tools, directory, scale)?;
    let pair = Pair::start(tools, directory, |home| home.take_in(&world))?;
    pair.until("m", |answer| shows(answer, &world.head))?;
    pushes(&pair, &world, table)?;
    takedowns(&pair, table)?;
    objects(&pair, edited_gib, tools, directory, table)
}

fn pushes(pair: &Pair, world: &World, table: &mut Table) -> Result<()> {
    let mut client = Client::connect(pair.home.address)?;
    let mut times = Vec::new();
    for number in 0..PUSHES {
        let branch = format!("pushed-{number}-");
        let request = push(world, usize::try_from(number)?, &branch)?;
        require_pushed(&pair.home.ask(&mut client, "m", &request)?)?;
        times.push(pair.until("m", |answer| shows(answer, &branch))?);
    }
    let (half, most) = percentiles(times)?;
    table.at_most(&format!("push to visible on a mirror, {PUSHES} of git only: p50"), half, 250.0, "ms");
    table.at_most("  p99", most, 1000.0, "ms");
    Ok(())
}

fn takedowns(pair: &Pair, table: &mut Table) -> Result<()> {
    let mut client = Client::connect(pair.home.address)?;
    let names: Vec<String> = (0..TAKEDOWNS).map(|number| format!("t{number}")).collect();
    for name in &names {
        timer::create(&pair.home, &mut client, name)?;
    }
    for name in &names {
        pair.until(name, |answer| answer.status == 200)?;
    }
    let mut times = Vec::new();
    for name in &names {
        // The operator's command itself counts.
        let start = Instant::now();
        pair.home.command(&["takedown", &format!("bench/{name}"), "--reason", "measured"])?;
        pair.until(name, |answer| answer.status != 200)?;
        times.push(start.elapsed());
    }
    let (half, most) = percentiles(times)?;
    table.figure(&format!("takedown to hidden on a mirror, {TAKEDOWNS} of them: p50"), half, "ms");
    table.at_most("  p99", most, 5000.0, "ms");
    Ok(())
}

fn objects(pair: &Pair, edited_gib: u64, tools: &Tools, directory: &Path, table: &mut Table) -> Result<()> {
    let work = pair.clone_of(tools, directory)?;
    let new = Blob { seed: 1, mebibytes: NEW_MIB, edited: None };
    let saved = save(pair, new, directory)?;
    let mut sent = Sent { seconds: 0.0, bytes: 0.0 };
    let used = pair.cpu_of_mirror(|| {
        sent = mirrored(pair, tools, &work, new)?;
        Ok(())
    })?;
    table.figure("object of 1 GiB, all new: mirrored", sent.seconds, "s");
    table.figure("  the same saved by one GET, nothing checked", saved, "s");
    table.figure("  processor time of the mirror", used.as_secs_f64(), "s");
    let share = 100.0 * sent.bytes / real(new.size_bytes())?;
    table.at_most("  bytes on the wire, of those that are new", share, 102.0, "%");

    let passed = pair.counter.count(|| {
        pair.sync()?;
        let again = pair.push(tools, &work, "README.md", "again\n")?;
        pair.until("m", |answer| shows(answer, &again)).map(drop)
    })?;
    table.at_most(
        "  synced again with a small push: bytes on the wire",
        real(passed.bytes())? / 1e3,
        64.0,
        "kB",
    );
    if edited_gib == 0 {
        return Ok(());
    }
    let whole = Blob { seed: 2, mebibytes: edited_gib << 10, edited: None };
    mirrored(pair, tools, &work, whole)?;
    let sent = mirrored(pair, tools, &work, Blob { edited: Some(whole.mebibytes / 2), ..whole })?;
    let name = format!("object of {edited_gib} GiB, 1 MiB of it changed: on the wire");
    table.at_most(&name, sent.bytes / 1e6, 5.0, "MB");
    table.figure("  mirrored", sent.seconds, "s");
    Ok(())
}

/// From the answer to the push on.
struct Sent {
    seconds: f64,
    /// Both ways, git and all.
    bytes: f64,
}

/// Uploads an object, pushes its pointer, and waits until the mirror shows that.
fn mirrored(pair: &Pair, tools: &Tools, work: &Path, blob: Blob) -> Result<Sent> {
    let oid = blob.oid()?;
    upload(&pair.home, &oid, blob.size_bytes(), |client| blob.for_each_block(|block| client.send(block)))?;
    let mut seconds = 0.0;
    let passed = pair.counter.count(|| {
        let commit = pair.push(tools, work, "model.bin", &pointer(&oid, blob.size_bytes()))?;
        seconds = pair.until("m", |answer| shows(answer, &commit))?.as_secs_f64();
        Ok(())
    })?;
    Ok(Sent { seconds, bytes: real(passed.bytes())? })
}

/// Seconds in which one plain GET makes an object a durable file: what the link and the disk give.
fn save(pair: &Pair, blob: Blob, directory: &Path) -> Result<f64> {
    let (oid, other) = (Blob { seed: 3, ..blob }.oid()?, Blob { seed: 3, ..blob });
    upload(&pair.home, &oid, other.size_bytes(), |client| other.for_each_block(|block| client.send(block)))?;
    let path = directory.join("saved");
    let mut file = File::create(&path)?;
    let start = Instant::now();
    let mut client = Client::connect(pair.counter.address)?;
    client.send_head("GET", &format!("/polder/v1/objects/sha256/{oid}"), &[], 0, b"")?;
    client.save_answer(&mut file)?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(seconds)
}
