//! What is sent of files that the hub has, or nearly has, by a client that remembers nothing.

use std::io::Write;
use std::num::TryFromIntError;
use std::path::Path;

use super::Size;
use super::python::{HubClient, Way};
use crate::blob::Blob;
use crate::counter::Counter;
use crate::hub::Hub;
use crate::table::Table;
use crate::tools::{Result, Tools};

/// Length of a file to which a little is appended, in MiB: 280 MB.
const APPENDED_MIB: u64 = 267;
/// What is appended, in bytes.
const APPENDED_BYTES: usize = 300_000;
/// Length of a file of which the header is edited, in MiB.
const EDITED_MIB: u64 = 25;

pub(super) fn measure(
    size: Size,
    tools: &Tools,
    client: &HubClient,
    directory: &Path,
    table: &mut Table,
) -> Result<()> {
    let directory = directory.join("counted");
    std::fs::create_dir(&directory)?;
    // Its links lead through the counter, too.
    let (hub, door) = Counter::open(|door| {
        let hub = Hub::start_as(tools, &directory, Some(door))?;
        let address = hub.address;
        Ok((hub, address))
    })?;
    let blob = Blob { seed: 4_001, mebibytes: size.large_mib, edited: None };
    let large = client.write("large", blob)?;
    let mut sent = |what: &str, repo: &str, file: &Path, most: Option<f64>| -> Result<()> {
        let passed = door.count(|| client.upload(&hub, door.address, Way::Xet, repo, file))?;
        let kilobytes = |bytes: u64| Ok::<f64, TryFromIntError>(f64::from(u32::try_from(bytes)?) / 1e3);
        let (what, to_hub) = (format!("{what}: to the hub"), kilobytes(passed.to_hub)?);
        match most {
            Some(most) => table.at_most(&what, to_hub, most, "kB"),
            None => table.figure(&what, to_hub, "kB"),
        }
        table.figure("  from the hub", kilobytes(passed.from_hub)?, "kB");
        Ok(())
    };
    sent("the large file, all new", "large", &large, None)?;
    sent("again what the repository has", "large", &large, Some(10.0))?;
    sent("again, to another repository", "other", &large, Some(1000.0))?;

    let grown = client.write("grown", Blob { seed: 4_003, mebibytes: APPENDED_MIB, edited: None })?;
    sent("280 MB, all new", "grown", &grown, None)?;
    let mut more = Vec::new();
    Blob { seed: 4_004, mebibytes: 1, edited: None }.for_each_block(|block| {
        more.extend_from_slice(block);
        Ok(())
    })?;
    more.truncate(APPENDED_BYTES);
    std::fs::File::options().append(true).open(&grown)?.write_all(&more)?;
    sent("300 kB appended to it", "grown", &grown, Some(500.0))?;

    let edited = client.write("edited", Blob { seed: 4_005, mebibytes: EDITED_MIB, edited: None })?;
    sent("25 MiB, all new", "edited", &edited, None)?;
    let bytes = std::fs::read(&edited)?;
    let header = b"another header, longer than the one before it";
    std::fs::write(&edited, [&header[..], bytes.get(8..).unwrap_or_default()].concat())?;
    sent("with another header", "edited", &edited, Some(200.0))
}
