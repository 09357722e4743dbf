//! Following without a log: git asks for every repository, each time the timer rings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::backlog::real;
use crate::counter::{Counter, Traffic};
use crate::cpu;
use crate::http::Client;
use crate::hub::{Hub, require_success};
use crate::table::Table;
use crate::tools::{Result, Tools, output};

/// Makes the repositories on the hub and their mirrors here, and measures a round in which nothing is new.
pub(super) fn measure(
    repositories: u64,
    tools: &Tools,
    hub: &Hub,
    directory: &Path,
    table: &mut Table,
) -> Result<()> {
    let counter = Counter::before(hub.address)?;
    eprintln!("making and cloning {repositories} repositories");
    let mirrors = mirror(repositories, tools, hub, counter.address, directory)?;
    let (start, before) = (Instant::now(), cpu::of_children()?);
    let mut asked = Traffic::default();
    let at_hub = hub.cpu(|| {
        asked = counter.count(|| mirrors.iter().try_for_each(|mirror| round(tools, mirror)))?;
        Ok(())
    })?;
    let at_follower = cpu::of_children()?.saturating_sub(before);
    table.figure(
        &format!("git on a timer, {repositories} repositories, nothing new: time"),
        start.elapsed().as_secs_f64(),
        "s",
    );
    table.figure("  requests", real(asked.requests)?, "");
    table.figure("  bytes both ways", real(asked.bytes())? / 1e3, "kB");
    table.figure("  processor time of the follower", at_follower.as_secs_f64(), "s");
    table.figure("  processor time of the hub", at_hub.as_secs_f64(), "s");
    Ok(())
}

/// What a script of mirrors does for each repository.
fn round(tools: &Tools, mirror: &Path) -> Result<()> {
    output(tools.git(mirror).args(["ls-remote", "--quiet", "origin"]))?;
    output(tools.git(mirror).args(["fetch", "--quiet", "--prune", "origin"]))?;
    output(tools.git(mirror).args(["lfs", "fetch", "--all", "origin"]))?;
    Ok(())
}

/// Makes a public repository of the bench's own.
pub(super) fn create(hub: &Hub, client: &mut Client, name: &str) -> Result<()> {
    let target = "/api/repos/create";
    let headers = [("authorization", hub.authorization.as_str()), ("content-type", "application/json")];
    let body = serde_json::json!({ "name": name }).to_string();
    require_success(target, client.ask("POST", target, &headers, body.as_bytes())?).map(drop)
}

/// Makes the repositories, each with its first commit, and clones them.
fn mirror(
    repositories: u64,
    tools: &Tools,
    hub: &Hub,
    from: SocketAddr,
    directory: &Path,
) -> Result<Vec<PathBuf>> {
    let mut client = Client::connect(hub.address)?;
    (0..repositories)
        .map(|number| {
            create(hub, &mut client, &format!("r{number}"))?;
            let (url, name) = (format!("http://{from}/bench/r{number}.git"), format!("mirror{number}.git"));
            output(tools.git(directory).args(["clone", "--quiet", "--mirror", &url, &name]))?;
            Ok(directory.join(name))
        })
        .collect()
}
