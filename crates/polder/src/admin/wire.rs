//! What goes through the socket: one line of JSON to ask, then lines of JSON until the last one.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Answer, Command, Line};

/// Grows when a line changes its meaning; both ends must be of the same.
pub(super) const VERSION: u32 = 3;
/// Longest request line, in bytes.
pub(super) const REQUEST_BYTES_MAX: u64 = 1 << 20;
/// Longest reply line, in bytes: a list of about a million repositories.
pub(super) const REPLY_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) version: u32,
    pub(super) command: Command,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reply {
    /// A line; more follow.
    Line(Line),
    /// The end, well.
    Answer(Answer),
    /// The end, badly; a text for the operator.
    Error(String),
}

pub(super) async fn write_line<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    value: &T,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

/// The next line, or nothing at the end.
pub(super) async fn read_line<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    bytes_max: u64,
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(bytes_max).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if !line.ends_with(b"\n") {
        let problem = "the line is cut off or too long";
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, problem));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
