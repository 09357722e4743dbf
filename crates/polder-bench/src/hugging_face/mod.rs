//! What Hugging Face's own client costs a hub and sends it, and what the hub answers in a second.
//!
//! `polder-bench hf [--quick]`: the client that `tests/run` installs moves a file of 1 GiB (128 MiB with
//! `--quick`) up and down, with Xet and without, from the hub and from an nginx that answers the same.

mod dedup;
mod large;
mod oracle;
mod python;
mod requests;
mod static_peer;

use std::io::Write;
use std::path::Path;

use crate::hub::Hub;
use crate::table::Table;
use crate::tools::{Result, Tools};
use python::HubClient;

/// How much to do.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Length of the large file, in MiB.
    large_mib: u64,
    /// Times a download is taken; the least disturbed one counts.
    rounds: u32,
    /// Seconds for which requests are sent as fast as they are answered.
    seconds: u64,
}

const FULL: Size = Size { large_mib: 1 << 10, rounds: 3, seconds: 5 };
const QUICK: Size = Size { large_mib: 128, rounds: 1, seconds: 1 };

/// Measures, and prints what was measured so far even when something fails.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let size = match words {
        [] => FULL,
        ["--quick"] => QUICK,
        [other, ..] => return Err(format!("`{other}` is not known; there is `--quick`").into()),
    };
    let (tools, directory) = (Tools::find()?, tempfile::tempdir()?);
    let mut table = Table::new();
    let measured = measure(size, &tools, directory.path(), &mut table);
    std::io::stdout().lock().write_all(table.to_string().as_bytes())?;
    measured
}

fn measure(size: Size, tools: &Tools, directory: &Path, table: &mut Table) -> Result<()> {
    let client = HubClient::find(directory)?;
    let hub = Hub::start(tools, directory)?;
    requests::measure(size, &hub, table)?;
    oracle::measure(&hub, table)?;
    large::measure(size, tools, &client, &hub, directory, table)?;
    drop(hub);
    dedup::measure(size, tools, &client, directory, table)
}
