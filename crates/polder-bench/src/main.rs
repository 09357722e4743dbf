//! Measures a hub against its peers and prints ratios, all taken in one run on one machine.
//!
//! `cargo run --release -p polder-bench` (after `cargo build --release`): starts the `polder` program
//! found beside this one on a temporary data directory, the peers beside it, and asks both the same. A
//! ratio of two figures from one run says something on a busy machine too; a figure alone does not.
//! `--quick` takes a tenth of the time. A peer whose program is missing is named and left out.
//! `polder-bench federation` measures what it costs to follow another hub, `polder-bench hf` what the clients of
//! Hugging Face meet.

mod blob;
mod cgi;
mod counter;
mod cpu;
mod federation;
mod figures;
mod git_requests;
mod http;
mod hub;
mod hugging_face;
mod overload;
mod pushes;
mod table;
mod throughput;
mod tools;
mod transfer;
mod world;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::figures::Figures;
use crate::hub::Hub;
use crate::tools::{Result, Tools};
use crate::world::World;

/// How much to do.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Requests to our server for one CPU figure; pushes are a thirtieth of it.
    requests: u32,
    /// The same requests to the peer, whose processes cost more.
    peer_requests: u32,
    /// Pushes by each of the clients that push at once; the peer's clients make a tenth of it.
    pushes_each: u32,
    /// Length of the large object, in bytes.
    object_bytes: u64,
    /// Times each figure is taken; the least disturbed one counts.
    rounds: u32,
}

const FULL: Scale =
    Scale { requests: 10_000, peer_requests: 60, pushes_each: 100, object_bytes: 1 << 30, rounds: 3 };
const QUICK: Scale =
    Scale { requests: 3_000, peer_requests: 12, pushes_each: 20, object_bytes: 128 << 20, rounds: 1 };

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => run(FULL),
        ["--quick"] => run(QUICK),
        ["federation", rest @ ..] => federation::run(rest),
        ["hf", rest @ ..] => hugging_face::run(rest),
        [other, ..] => {
            Err(format!("`{other}` is not known; there are `--quick`, `federation` and `hf`").into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("polder-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(scale: Scale) -> Result<()> {
    let tools = Tools::find()?;
    let directory = tempfile::tempdir()?;
    let world = World::make(&tools, directory.path(), scale)?;
    let hub = Hub::start(&tools, directory.path())?;
    hub.take_in(&world)?;
    let mut figures = Figures::new(&tools);
    let measured = measure(&tools, &world, &hub, directory.path(), scale, &mut figures);
    std::io::stdout().lock().write_all(figures.to_string().as_bytes())?;
    measured
}

fn measure(
    tools: &Tools,
    world: &World,
    hub: &Hub,
    directory: &Path,
    scale: Scale,
    figures: &mut Figures,
) -> Result<()> {
    git_requests::measure(tools, world, hub, scale, figures)?;
    pushes::measure(tools, world, hub, scale, figures)?;
    throughput::measure(tools, world, hub, scale, figures)?;
    overload::measure(world, hub, scale, figures)?;
    transfer::measure(tools, directory, hub, scale, figures)
}
