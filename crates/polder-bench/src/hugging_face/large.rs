//! One large file, up and down.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Size;
use super::python::{HubClient, Way};
use super::static_peer::StaticPeer;
use crate::blob::Blob;
use crate::git_requests::least;
use crate::hub::Hub;
use crate::table::Table;
use crate::tools::{Result, Tools};

pub(super) fn measure(
    size: Size,
    tools: &Tools,
    client: &HubClient,
    hub: &Hub,
    directory: &Path,
    table: &mut Table,
) -> Result<()> {
    let blob = Blob { seed: 4_001, mebibytes: size.large_mib, edited: None };
    let file = client.write("large", blob)?;
    let per_gib = per_gib(size.large_mib)?;
    let begun = Instant::now();
    let cpu = hub.cpu(|| client.upload(hub, hub.address, Way::Xet, "large", &file))?;
    table.figure("upload of new data through Xet: wall", begun.elapsed().as_secs_f64(), "s");
    table.at_most("  server CPU", per_gib(cpu), 3.0, "s/GiB");
    table.figure("  the most memory of the server so far", hub.peak_memory_mib()?, "MiB");
    let plain = Blob { seed: 4_002, ..blob };
    let other = client.write("plain", plain)?;
    let cpu = hub.cpu(|| client.upload(hub, hub.address, Way::Plain, "plain", &other))?;
    table.figure("upload of new data by LFS: server CPU", per_gib(cpu), "s/GiB");
    std::fs::remove_file(other)?;
    // What nobody asked for lately is hashed before it is sent.
    let first_cpu = hub.cpu(|| client.download(hub, hub.address, Way::Xet, "large"))?;
    table.at_most("first download through Xet: server CPU", per_gib(first_cpu), 0.8, "s/GiB");
    let (xet_wall, xet_cpu) = download(size, client, hub, Way::Xet)?;
    let (wall, cpu) = download(size, client, hub, Way::Plain)?;
    table.figure("later ones: server CPU", per_gib(xet_cpu), "s/GiB");
    table.figure("download by HTTP: server CPU", per_gib(cpu), "s/GiB");
    let Some(nginx) = &tools.nginx else {
        return Err("nginx is missing: install it to compare with it".into());
    };
    let peer = StaticPeer::start(nginx, directory, &file, &blob.oid()?, blob.size_bytes())?;
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let begun = Instant::now();
        cpus.push(peer.cpu(|| client.download(hub, peer.address, Way::Plain, "large"))?);
        walls.push(begun.elapsed());
    }
    let (peer_wall, peer_cpu) = (least(&walls), least(&cpus));
    table.figure("the same from nginx: wall", peer_wall.as_secs_f64(), "s");
    table.figure("  nginx CPU", per_gib(peer_cpu), "s/GiB");
    let ratio = |ours: Duration, peers: Duration| ours.as_secs_f64() / peers.as_secs_f64();
    // Nine tenths of nginx's speed.
    table.at_most(
        "  time through Xet, later, as a multiple of nginx's",
        ratio(xet_wall, peer_wall),
        1.11,
        "×",
    );
    table.at_most("  time by HTTP, as a multiple of nginx's", ratio(wall, peer_wall), 1.11, "×");
    table.at_most("  CPU through Xet, later, as a multiple of nginx's", ratio(xet_cpu, peer_cpu), 2.0, "×");
    table.at_most("  CPU by HTTP, as a multiple of nginx's", ratio(cpu, peer_cpu), 2.0, "×");
    Ok(())
}

/// The least time and the least processor time of a few downloads.
fn download(size: Size, client: &HubClient, hub: &Hub, way: Way) -> Result<(Duration, Duration)> {
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let begun = Instant::now();
        cpus.push(hub.cpu(|| client.download(hub, hub.address, way, "large"))?);
        walls.push(begun.elapsed());
    }
    Ok((least(&walls), least(&cpus)))
}

fn per_gib(mebibytes: u64) -> Result<impl Fn(Duration) -> f64> {
    let gibibytes = f64::from(u32::try_from(mebibytes)?) / 1024.0;
    Ok(move |time: Duration| time.as_secs_f64() / gibibytes)
}
