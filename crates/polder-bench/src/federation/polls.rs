//! Waiting for a hub's log: what it costs while nothing happens, and how soon everyone knows.

use std::time::{Duration, Instant};

use super::backlog::real;
use super::timer;
use crate::counter::Counter;
use crate::http::{Answer, Client};
use crate::hub::{Hub, require_success};
use crate::table::Table;
use crate::tools::Result;

/// Followers that wait at once.
const WAITING: usize = 1_000;
/// How long they wait while the hub's processor time is taken.
const IDLE: Duration = Duration::from_secs(10);
/// How long the log takes to be quiet after its last event.
const QUIET_SECONDS_MAX: u32 = 30;

pub(super) fn measure(hub: &Hub, table: &mut Table) -> Result<()> {
    let counter = Counter::before(hub.address)?;
    let size = quiet(hub)?;

    let passed = counter.count(|| {
        let answer = ask(&mut Client::connect(counter.address)?, size, 1)?;
        if answer.status == 204 { Ok(()) } else { Err(format!("something came: {}", answer.status).into()) }
    })?;
    table.at_most(
        "a poll that brings nothing: requests, of however many repositories",
        real(passed.requests)?,
        1.0,
        "",
    );
    table.at_most("  bytes both ways, heads of HTTP and all", real(passed.bytes())?, 400.0, "B");

    let (one, bytes) = one_event(hub, &counter, size)?;
    table.at_most("  bytes both ways of a poll that brings one event", real(bytes)?, 4096.0, "B");
    table.figure("  from the request that makes a repository to its event here", one, "ms");
    thousand(hub, table)
}

/// One poll that waits, and what it brought.
fn one_event(hub: &Hub, counter: &Counter, size: u64) -> Result<(f64, u64)> {
    let mut seconds = 0.0;
    let passed = counter.count(|| {
        let mut waiting = Client::connect(counter.address)?;
        send(&mut waiting, size, 30)?;
        // The other request comes while this one waits.
        std::thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        timer::create(hub, &mut Client::connect(hub.address)?, "polled")?;
        require_success("events", waiting.answer()?)?;
        seconds = start.elapsed().as_secs_f64();
        Ok(())
    })?;
    Ok((seconds * 1e3, passed.bytes()))
}

/// Very many polls that wait.
fn thousand(hub: &Hub, table: &mut Table) -> Result<()> {
    let size = quiet(hub)?;
    let mut waiting = Vec::with_capacity(WAITING);
    for _ in 0..WAITING {
        let mut client = Client::connect(hub.address)?;
        send(&mut client, size, 60)?;
        waiting.push(client);
    }
    std::thread::sleep(Duration::from_secs(1));
    let idle = hub.cpu(|| {
        std::thread::sleep(IDLE);
        Ok(())
    })?;
    let share = 100.0 * idle.as_secs_f64() / IDLE.as_secs_f64();
    table.figure(&format!("{WAITING} polls that wait: processor time of the hub"), share, "%");
    let start = Instant::now();
    timer::create(hub, &mut Client::connect(hub.address)?, "awaited")?;
    for client in &mut waiting {
        require_success("events", client.answer()?)?;
    }
    table.figure("  until all of them have the next event", start.elapsed().as_secs_f64() * 1e3, "ms");
    table.figure("  peak memory of the hub", hub.peak_memory_mib()?, "MiB");
    Ok(())
}

fn send(client: &mut Client, from: u64, wait: u64) -> Result<()> {
    client.send_head("GET", &format!("/polder/v1/log/events?from={from}&wait={wait}"), &[], 0, &[])
}

fn ask(client: &mut Client, from: u64, wait: u64) -> Result<Answer> {
    send(client, from, wait)?;
    client.answer()
}

/// The length of the log once nothing is added to it any more.
fn quiet(hub: &Hub) -> Result<u64> {
    let target = "/polder/v1/log/checkpoint";
    let mut client = Client::connect(hub.address)?;
    let mut before = None;
    for _ in 0..QUIET_SECONDS_MAX {
        let note = String::from_utf8(require_success(target, client.ask("GET", target, &[], &[])?)?)?;
        let size = note.lines().nth(1).ok_or("not a checkpoint")?.parse()?;
        if before == Some(size) {
            return Ok(size);
        }
        before = Some(size);
        std::thread::sleep(Duration::from_secs(1));
    }
    Err("the log does not come to rest".into())
}
