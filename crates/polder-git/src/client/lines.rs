//! The lines of a server's answer, so many and no more.

use std::io::Read;

use crate::pkt_line::{Packet, PacketReader};
use crate::{Error, Result};

/// Most bytes of a server's words that are repeated.
const WORDS_BYTES_MAX: usize = 500;

/// One packet, as far as it is a line of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its newline.
    Text(String),
    Flush,
    Delim,
}

/// Reads lines, and stops at the first `ERR`.
pub(super) struct Lines<'a> {
    packets: PacketReader<'a>,
    count_left: usize,
    bytes_left: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(stream: &'a mut dyn Read, lines_max: usize, bytes_max: usize) -> Self {
        Self { packets: PacketReader::new(stream), count_left: lines_max, bytes_left: bytes_max }
    }

    /// The next line; an error where the answer ends.
    pub(super) fn next_line(&mut self) -> Result<Line> {
        let packet = self.packets.next_packet().map_err(plain)?;
        let packet = packet.ok_or_else(|| Error::refused("the server's answer ends too early"))?;
        let data = match &packet {
            Packet::Flush => return Ok(Line::Flush),
            Packet::Delim => return Ok(Line::Delim),
            Packet::ResponseEnd => return Err(Error::refused("the server ends its answer in the middle")),
            Packet::Data(data) => data,
        };
        let too_long =
            || Error::too_large("the server's answer has more lines than a repository here may have");
        self.count_left = self.count_left.checked_sub(1).ok_or_else(too_long)?;
        self.bytes_left = self.bytes_left.checked_sub(data.len()).ok_or_else(too_long)?;
        let line = packet.line().unwrap_or_default();
        if let Some(words) = line.strip_prefix(b"ERR ") {
            return Err(server_says(words));
        }
        match str::from_utf8(line) {
            Ok(text) => Ok(Line::Text(text.to_owned())),
            Err(_) => {
                Err(Error::refused(format!("the server names `{}`, which is not UTF-8", printable(line))))
            }
        }
    }
}

/// What the server said went wrong.
pub(super) fn server_says(words: &[u8]) -> Error {
    Error::refused(format!("the server says: {}", printable(words)))
}

/// A line that the server sent where none such may be.
pub(super) fn unexpected(line: &str) -> Error {
    Error::refused(format!("the server sends an unexpected line: `{}`", printable(line.as_bytes())))
}

/// The same refusal without what a terminal would obey: it may repeat the server's bytes.
pub(super) fn plain(error: Error) -> Error {
    match error {
        Error::Refused { message } => Error::refused(printable(message.as_bytes())),
        error => error,
    }
}

/// A server's words in one line that a terminal shows and does not obey.
pub(super) fn printable(words: &[u8]) -> String {
    let words = words.get(..WORDS_BYTES_MAX).unwrap_or(words);
    let text = String::from_utf8_lossy(words);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
