//! What it costs to follow another hub: the numbers of federation, and those of a follower that asks git
//! on a timer.
//!
//! `polder-bench federation [--events N] [--repositories N] [--bootstrap N] [--timer N] [--edited-gib N]`:
//! events and repositories of a log that is taken from its beginning, repositories of a snapshot,
//! repositories that are followed by a timer, and the length of an object of which 1 MiB changes. 0 leaves a
//! part out. What a real mirror of a real hub costs is always measured.

mod backlog;
mod follower;
mod mirroring;
mod origin;
mod pair;
mod polls;
mod snapshot;
mod timer;

use std::io::Write;

use crate::hub::Hub;
use crate::table::Table;
use crate::tools::{Result, Tools};

/// How much to do.
#[derive(Debug, Clone, Copy)]
struct Size {
    events: u64,
    repositories: u64,
    bootstrap: u64,
    timer: u64,
    edited_gib: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self { events: 200_000, repositories: 20_000, bootstrap: 200_000, timer: 50, edited_gib: 1 }
    }
}

/// Measures, and prints what was measured so far even when something fails.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if let [follower::WORD, pages, data] = words {
        return follower::run(pages.as_ref(), data.as_ref());
    }
    let size = read(words)?;
    let mut table = Table::new();
    let measured = measure(size, &mut table);
    std::io::stdout().lock().write_all(table.to_string().as_bytes())?;
    measured
}

fn read(words: &[&str]) -> Result<Size> {
    let mut size = Size::default();
    for pair in words.chunks(2) {
        let [name, value] = pair else { return Err(format!("{pair:?} wants a number").into()) };
        let place = match *name {
            "--events" => &mut size.events,
            "--repositories" => &mut size.repositories,
            "--bootstrap" => &mut size.bootstrap,
            "--edited-gib" => &mut size.edited_gib,
            "--timer" => &mut size.timer,
            other => return Err(format!("`{other}` is not known").into()),
        };
        *place = value.replace('_', "").parse()?;
    }
    size.repositories = size.repositories.clamp(1, size.events.max(1));
    Ok(size)
}

fn measure(size: Size, table: &mut Table) -> Result<()> {
    if size.events > 0 {
        backlog::measure(size.events, size.repositories, table)?;
    }
    if size.bootstrap > 0 {
        snapshot::measure(size.bootstrap, table)?;
    }
    if size.timer > 0 {
        let (tools, directory) = (Tools::find()?, tempfile::tempdir()?);
        let hub = Hub::start(&tools, directory.path())?;
        timer::measure(size.timer, &tools, &hub, directory.path(), table)?;
        polls::measure(&hub, table)?;
    }
    let (tools, directory) = (Tools::find()?, tempfile::tempdir()?);
    mirroring::measure(size.edited_gib, &tools, directory.path(), table)
}
