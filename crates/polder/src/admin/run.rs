//! Runs a command where it must run: in the server that owns the data directory, or here.

use std::time::{Duration, Instant};

use polder_hub::{Hub, Kind};
use tokio::sync::mpsc;

use super::{Answer, Client, Command, Line, Progress, execute};
use crate::config::{Config, PublicUrl};
use crate::options::hub_options;
use crate::{Error, data_dir};

/// Longest wait for a process that owns the directory but does not listen: a server that starts or
/// stops, or another command.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Who owns a data directory.
pub(crate) enum Owner {
    /// This process, from now on.
    Here(Hub),
    /// A server, which this is a connection to.
    There(Client),
}

/// Takes the data directory, or finds the server that has it. `public_url` is used when the
/// configuration names none.
///
/// # Errors
/// When it cannot be opened, or another process that is no server keeps it for too long.
pub(crate) async fn take(config: &Config, public_url: Option<&PublicUrl>) -> Result<Owner, Error> {
    let until = Instant::now() + WAIT_MAX;
    loop {
        if let Some(client) = Client::connect(&config.data).await? {
            return Ok(Owner::There(client));
        }
        match Box::pin(Hub::open(hub_options(config, public_url))).await {
            Ok(hub) => return Ok(Owner::Here(hub)),
            Err(error) if error.kind() == Kind::Conflict && Instant::now() < until => {
                tokio::time::sleep(WAIT_STEP).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Runs `command` and gives its answer, handing each line before it to `tell`.
///
/// # Errors
/// What went wrong, in the operator's words.
pub async fn run(config: &Config, command: Command, tell: impl FnMut(&Line)) -> Result<Answer, Error> {
    let command = command
        .with_absolute_paths()
        .map_err(|error| Error::caused_by("cannot tell where the directory is", error))?;
    data_dir::check(&config.data, matches!(command, Command::UserAdd { .. }))?;
    match Box::pin(take(config, None)).await? {
        Owner::There(client) => client.ask(command, tell).await,
        Owner::Here(hub) => Box::pin(run_here(&hub, command, tell)).await,
    }
}

async fn run_here(hub: &Hub, command: Command, tell: impl FnMut(&Line)) -> Result<Answer, Error> {
    let (progress, lines) = Progress::new();
    let work = async {
        let outcome = execute(hub, command, &progress).await;
        drop(progress);
        outcome
    };
    let (outcome, ()) = tokio::join!(work, relay(lines, tell));
    hub.close().await;
    outcome
}

async fn relay(mut lines: mpsc::Receiver<Line>, mut tell: impl FnMut(&Line)) {
    while let Some(line) = lines.recv().await {
        tell(&line);
    }
}
