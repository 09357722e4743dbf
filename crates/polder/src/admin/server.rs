//! The server's end of the socket: who may connect, one command a connection, an orderly end.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use polder_http::Stop;
use polder_hub::Hub;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream, unix::UCred};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::socket_path::SocketPath;
use super::wire::{REQUEST_BYTES_MAX, Reply, Request, VERSION, read_line, write_line};
use super::{Command, Progress, execute};
use crate::Error;

/// Most commands that run at once; others wait for their turn.
const CONNECTIONS_MAX: usize = 16;
/// Longest wait for a connected client's command.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept, such as for want of a file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound admin socket, mode 0600.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: SocketPath,
}

impl Server {
    /// Binds the socket in `data_dir`. The caller owns the directory, so a socket that is already
    /// there belonged to a process that is gone.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn bind(data_dir: &Path) -> Result<Self, Error> {
        let failed = |source| Error::io("making the admin socket in", data_dir, source);
        let path = SocketPath::new(data_dir).map_err(failed)?;
        match std::fs::remove_file(path.as_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Between bind and chmod the data directory's own mode, 0700, keeps others out.
        let listener = UnixListener::bind(path.as_path()).map_err(failed)?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path.as_path(), private).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Runs commands until `stop` is pressed; then takes no new ones, lets the running ones end
    /// within `grace`, and removes the socket.
    pub async fn run(self, hub: Hub, stop: Stop, grace: Duration) {
        let turns = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut running = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.pressed() => break,
                accepted = self.listener.accept() => accepted,
            };
            while running.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { break };
                    let hub = hub.clone();
                    running.spawn(async move {
                        if let Err(error) = answer(&hub, stream).await {
                            tracing::warn!(%error, "an admin command ended without its answer");
                        }
                        drop(turn);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admin socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let all_done = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all_done).await.is_err() {
            tracing::warn!("a running admin command was cut off");
        }
        if let Err(error) = std::fs::remove_file(self.path.as_path()) {
            tracing::warn!(%error, "cannot remove the admin socket");
        }
    }
}

async fn answer(hub: &Hub, stream: UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (reader, mut writer) = stream.into_split();
    if !may_ask(&peer) {
        let error = "only the user who runs the server, or root, may give it commands";
        return write_line(&mut writer, &Reply::Error(error.to_owned())).await;
    }
    let mut reader = BufReader::new(reader);
    let request = tokio::time::timeout(REQUEST_TIME_MAX, read_line(&mut reader, REQUEST_BYTES_MAX)).await;
    let command = match request.map_err(io::Error::from).flatten() {
        Ok(Some(Request { version: VERSION, command })) => command,
        Ok(None) => return Ok(()),
        Ok(Some(Request { version, .. })) => {
            let error = format!("the server speaks admin version {VERSION}, the command {version}");
            return write_line(&mut writer, &Reply::Error(error)).await;
        }
        Err(error) => {
            let error = format!("the server does not understand the command: {error}");
            return write_line(&mut writer, &Reply::Error(error)).await;
        }
    };
    let (progress, mut lines) = Progress::new();
    let gone = async move {
        // The client sends nothing more: the end of its stream means that it was interrupted.
        let mut byte = [0];
        while !matches!(reader.read(&mut byte).await, Ok(0) | Err(_)) {}
    };
    let relay = async {
        while let Some(line) = lines.recv().await {
            write_line(&mut writer, &Reply::Line(line)).await?;
        }
        Ok::<(), io::Error>(())
    };
    let work = async {
        let outcome = perform(hub, command, &progress).await;
        drop(progress);
        outcome
    };
    let (reply, relayed) = tokio::select! {
        both = async { tokio::join!(work, relay) } => both,
        () = gone => return Ok(()),
    };
    relayed?;
    write_line(&mut writer, &reply).await
}

async fn perform(hub: &Hub, command: Command, progress: &Progress) -> Reply {
    match Box::pin(execute(hub, command, progress)).await {
        Ok(answer) => Reply::Answer(answer),
        Err(error) => Reply::Error(error.to_string()),
    }
}

fn may_ask(peer: &UCred) -> bool {
    peer.uid() == 0 || peer.uid() == rustix::process::geteuid().as_raw()
}
