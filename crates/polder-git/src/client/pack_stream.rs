//! The pack out of a server's side-band frames.

use std::io::{self, BufReader, Read};

use super::RemoteBody;
use super::lines::{plain, printable, server_says};
use crate::Error;
use crate::pkt_line::{HEADER_BYTES, Header, parse_header};

/// Most bytes of progress in one answer: a pack of millions of objects makes some hundred kilobytes.
const PROGRESS_BYTES_MAX: usize = 4 << 20;
/// Most frames in a row that bring nothing of the pack; servers send one every five seconds while they
/// think.
const IDLE_FRAMES_MAX: usize = 20_000;
/// Bytes read from the server at a time.
const READ_BYTES: usize = 64 << 10;

/// Where the server's lines of progress go.
pub type RemoteProgress<'a> = Box<dyn FnMut(&str) + 'a>;

/// How the pack is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    SideBand,
    /// Of servers that know no side-band.
    Bare,
}

/// The bytes of a pack as a server sends them. Its end is the server's, not yet a whole pack's:
/// [`index_pack`](crate::index_pack) proves that.
pub struct PackStream<'a> {
    stream: BufReader<RemoteBody>,
    wrapping: Wrapping,
    progress: RemoteProgress<'a>,
    /// Bytes of the current frame not read yet.
    left: usize,
    progress_left: usize,
    idle_left: usize,
    ended: bool,
    line: Vec<u8>,
}

impl<'a> PackStream<'a> {
    pub(super) fn new(stream: RemoteBody, wrapping: Wrapping, progress: RemoteProgress<'a>) -> Self {
        Self {
            stream: BufReader::with_capacity(READ_BYTES, stream),
            wrapping,
            progress,
            left: 0,
            progress_left: PROGRESS_BYTES_MAX,
            idle_left: IDLE_FRAMES_MAX,
            ended: false,
            line: Vec::new(),
        }
    }

    /// Goes on to the next frame with bytes of the pack, or to the end.
    fn next_frame(&mut self) -> io::Result<()> {
        while self.left == 0 && !self.ended {
            let mut header = [0; HEADER_BYTES];
            self.stream.read_exact(&mut header).map_err(cut)?;
            let payload = match parse_header(header).map_err(|error| bad(&plain(error)))? {
                Header::Flush | Header::ResponseEnd => {
                    self.ended = true;
                    return Ok(());
                }
                Header::Delim | Header::Data(0) => {
                    return Err(bad(&Error::refused("the server sends a frame without a band")));
                }
                Header::Data(length) => length - 1,
            };
            let mut band = [0];
            self.stream.read_exact(&mut band).map_err(cut)?;
            match band {
                [1] if payload > 0 => {
                    self.left = payload;
                    self.idle_left = IDLE_FRAMES_MAX;
                }
                [1] => self.idle()?,
                [2] => self.take_progress(payload)?,
                [3] => return Err(self.server_failed(payload)),
                _ => return Err(bad(&Error::refused("the server sends a frame of an unknown band"))),
            }
        }
        Ok(())
    }

    fn idle(&mut self) -> io::Result<()> {
        let too_many = || bad(&Error::too_large("the server keeps the hub waiting for its pack"));
        self.idle_left = self.idle_left.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }

    fn take_progress(&mut self, length: usize) -> io::Result<()> {
        self.idle()?;
        let too_long = || bad(&Error::too_large("the server sends progress without end"));
        self.progress_left = self.progress_left.checked_sub(length).ok_or_else(too_long)?;
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).map_err(cut)?;
        for byte in text {
            match byte {
                b'\n' | b'\r' => self.say_line(),
                byte => self.line.push(byte),
            }
        }
        if self.line.len() > 1_000 {
            self.say_line();
        }
        Ok(())
    }

    fn say_line(&mut self) {
        let line = printable(&std::mem::take(&mut self.line));
        if !line.is_empty() {
            (self.progress)(&line);
        }
    }

    fn server_failed(&mut self, length: usize) -> io::Error {
        let mut words = vec![0; length];
        match self.stream.read_exact(&mut words) {
            Ok(()) => bad(&server_says(&words)),
            Err(error) => cut(error),
        }
    }
}

impl Read for PackStream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.wrapping == Wrapping::Bare {
            return self.stream.read(into);
        }
        self.next_frame()?;
        if self.ended {
            self.say_line();
            return Ok(0);
        }
        let length = self.left.min(into.len());
        let read = match into.get_mut(..length) {
            Some(part) => self.stream.read(part)?,
            None => 0,
        };
        if read == 0 {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= read;
        Ok(read)
    }
}

fn cut(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return bad(&Error::refused("the server broke off in the middle of its pack"));
    }
    error
}

/// What the server did wrong, as the one who reads the pack understands it.
fn bad(error: &Error) -> io::Error {
    let kind = match error {
        Error::TooLarge { .. } => io::ErrorKind::FileTooLarge,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error.to_string())
}

/// How a server of version 0 or 1 wraps the pack, and the word that asks for it.
pub(super) fn wrapping_of(offers: impl Fn(&str) -> bool) -> (Wrapping, Option<&'static str>) {
    let word = ["side-band-64k", "side-band"].into_iter().find(|word| offers(word));
    (if word.is_some() { Wrapping::SideBand } else { Wrapping::Bare }, word)
}
