//! Short requests: how many in a second, how late, and one commit of many files.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Size;
use crate::http::Client;
use crate::hub::{Hub, require_success};
use crate::table::{Table, percentiles};
use crate::throughput::rate;
use crate::tools::Result;

/// Files of a repository as most are.
const TYPICAL: u32 = 12;
/// Files of the one commit.
const FILES: u32 = 1_000;
/// Files of the folder that is listed.
const FOLDER: u32 = 10_000;
/// Clients that keep to a pace.
const CLIENTS: u32 = 8;
/// How often each of them asks: 1,000 requests a second together.
const PACE: Duration = Duration::from_millis(8);

pub(super) fn measure(size: Size, hub: &Hub, table: &mut Table) -> Result<()> {
    let mut client = Client::connect(hub.address)?;
    let authorization = [("authorization", hub.authorization.as_str())];
    let mut post = |target: &str, body: &[u8]| -> Result<Vec<u8>> {
        require_success(target, client.ask("POST", target, &authorization, body)?)
    };
    for name in ["typical", "small"] {
        let body = json!({ "organization": "bench", "name": name });
        post("/api/repos/create", body.to_string().as_bytes())?;
    }
    post("/api/models/bench/typical/commit/main", &commit("a model", 0..TYPICAL, "data"))?;
    let body = commit("a thousand files", 0..FILES, "data");
    let begun = Instant::now();
    post("/api/models/bench/small/commit/main", &body)?;
    table.at_most("commit of 1,000 small files", begun.elapsed().as_secs_f64() * 1e3, 1000.0, "ms");
    for first in (0..FOLDER).step_by(1_000) {
        post("/api/models/bench/small/commit/main", &commit("more", first..first + 1_000, "folder"))?;
    }
    let asked = [
        ("model_info", "GET", "/api/models/bench/typical"),
        ("tree", "GET", "/api/models/bench/typical/tree/main?recursive=true&expand=false"),
        ("HEAD resolve", "HEAD", "/bench/typical/resolve/main/data/7.txt"),
    ];
    for (what, method, target) in asked {
        let ask = |client: &mut Client| client.success(method, target, &authorization);
        let window = Duration::from_secs(size.seconds);
        let mut answered = 0.0;
        let cpu = hub.cpu(|| {
            answered = rate(window, hub.address, ask)?;
            Ok(())
        })?;
        table.at_least(&format!("{what}: requests"), answered, 5000.0, "/s");
        let each = cpu.as_secs_f64() * 1e6 / (answered * window.as_secs_f64());
        table.figure("  server CPU of one", each, "µs");
        let (_, most) = percentiles(paced(window, hub.address, &ask)?)?;
        table.at_most("  p99 at 1,000/s", most, 10.0, "ms");
    }
    listing(hub, table)
}

/// The first page of a folder of 10,000 entries, with the commits that changed them.
fn listing(hub: &Hub, table: &mut Table) -> Result<()> {
    let authorization = [("authorization", hub.authorization.as_str())];
    let mut client = Client::connect(hub.address)?;
    let target = "/api/models/bench/small/tree/main/folder?recursive=false&expand=true";
    let mut times = Vec::new();
    for _ in 0..2 {
        let begun = Instant::now();
        let body = require_success(target, client.ask("GET", target, &authorization, b"")?)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let page: Vec<Value> = serde_json::from_slice(&body)?;
        if !page.iter().all(|entry| entry.pointer("/lastCommit/id").is_some()) {
            return Err("an entry without its last commit".into());
        }
    }
    if let [first, again] = times.as_slice() {
        table.at_most("expanded page of a folder of 10,000, first time", *first, 100.0, "ms");
        table.at_most("  again", *again, 100.0, "ms");
    }
    Ok(())
}

/// How long each answer took of clients that together ask 1,000 times a second. One that is late asks at once;
/// what it is late counts.
fn paced(
    window: Duration,
    address: SocketAddr,
    ask: &(impl Fn(&mut Client) -> Result<()> + Sync),
) -> Result<Vec<Duration>> {
    let times = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let one = |number: u32| -> Result<()> {
            let mut client = Client::connect(address)?;
            let mut due = begun + PACE * number / CLIENTS;
            let mut own = Vec::new();
            while due < begun + window {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                ask(&mut client)?;
                own.push(due.elapsed());
                due += PACE;
            }
            times.lock().map_err(|_poisoned| "a client panicked")?.append(&mut own);
            Ok(())
        };
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || one(number))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_panic| "a client panicked")?)
    })?;
    times.into_inner().map_err(|_poisoned| "a client panicked".into())
}

/// The lines of a commit that adds files of about a kilobyte to a folder.
fn commit(summary: &str, files: std::ops::Range<u32>, folder: &str) -> Vec<u8> {
    let header = json!({ "key": "header", "value": { "summary": summary } });
    let file = |number: u32| {
        let text = format!("line {number} of {folder}\n").repeat(50);
        let value = json!({
            "path": format!("{folder}/{number}.txt"), "content": STANDARD.encode(text), "encoding": "base64",
        });
        json!({ "key": "file", "value": value })
    };
    let lines = std::iter::once(header).chain(files.map(file));
    lines.flat_map(|line| format!("{line}\n").into_bytes()).collect()
}
