//! The command's end of the socket.

use std::io;
use std::path::Path;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::socket_path::SocketPath;
use super::wire::{REPLY_BYTES_MAX, Reply, Request, VERSION, read_line, write_line};
use super::{Answer, Command, Line};
use crate::Error;

/// A connection to the server that owns a data directory.
#[derive(Debug)]
pub struct Client(UnixStream);

impl Client {
    /// Connects; nothing if no server is there.
    ///
    /// # Errors
    /// When a server may be there but this process cannot talk to it.
    pub async fn connect(data_dir: &Path) -> Result<Option<Self>, Error> {
        let connected = match SocketPath::new(data_dir) {
            Ok(path) => UnixStream::connect(path.as_path()).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(stream) => Ok(Some(Self(stream))),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::io("talking to the server of", data_dir, error)),
        }
    }

    /// Sends a command and waits for its answer, handing each line before it to `tell`.
    ///
    /// # Errors
    /// What the server answers; or that it went away first.
    pub async fn ask(self, command: Command, mut tell: impl FnMut(&Line)) -> Result<Answer, Error> {
        let lost = |source| Error::caused_by("the server went away before it answered", source);
        let (reader, mut writer) = self.0.into_split();
        let mut reader = BufReader::new(reader);
        write_line(&mut writer, &Request { version: VERSION, command }).await.map_err(lost)?;
        loop {
            match read_line(&mut reader, REPLY_BYTES_MAX).await.map_err(lost)? {
                Some(Reply::Line(line)) => tell(&line),
                Some(Reply::Answer(answer)) => return Ok(answer),
                Some(Reply::Error(error)) => return Err(Error::plain(error)),
                None => return Err(Error::plain("the server went away before it answered")),
            }
        }
    }
}
