//! Pkt-lines and side-band frames.
//!
//! Source: git `Documentation/gitprotocol-common.adoc` (pkt-line), `gitprotocol-pack.adoc` (side-band),
//! `gitprotocol-v2.adoc` (delimiter, response end). gix refuses the empty packet `0004`, which clients may send; so this is ours.

use std::io::Read;

use crate::{Error, Result};

/// Most payload bytes in one pkt-line.
pub const DATA_BYTES_MAX: usize = 65_516;
/// Most payload bytes in one side-band-64k frame: one byte names the band.
pub const BAND_BYTES_MAX: usize = DATA_BYTES_MAX - 1;
/// Most payload bytes in one frame of the old `side-band` (1000 bytes with length and band).
pub const SMALL_BAND_BYTES_MAX: usize = 995;

/// Length of a packet's length, in bytes.
pub(crate) const HEADER_BYTES: usize = 4;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A line or frame; may be empty.
    Data(&'a [u8]),
    /// `0000`
    Flush,
    /// `0001`
    Delim,
    /// `0002`
    ResponseEnd,
}

impl<'a> Packet<'a> {
    /// The payload without its final newline, if this is data.
    pub fn line(&self) -> Option<&'a [u8]> {
        match self {
            Self::Data(data) => Some(data.strip_suffix(b"\n").unwrap_or(data)),
            Self::Flush | Self::Delim | Self::ResponseEnd => None,
        }
    }
}

/// The side-band channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// The payload proper: a pack, a report.
    Data,
    /// Text for the user's terminal.
    Progress,
    /// A fatal error; the client stops.
    Error,
}

impl Band {
    fn number(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Progress => 2,
            Self::Error => 3,
        }
    }
}

fn length(payload: usize) -> [u8; HEADER_BYTES] {
    let total = payload.min(DATA_BYTES_MAX) + HEADER_BYTES;
    let digit = |shift: u32| HEX.get((total >> shift) & 15).copied().unwrap_or(b'0');
    [digit(12), digit(8), digit(4), digit(0)]
}

/// Appends one data packet. A payload over [`DATA_BYTES_MAX`] goes out as several.
pub fn write_data(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.is_empty() {
        out.extend_from_slice(b"0004");
    }
    for part in payload.chunks(DATA_BYTES_MAX) {
        out.extend_from_slice(&length(part.len()));
        out.extend_from_slice(part);
    }
}

/// Appends one text line with its newline.
pub fn write_line(out: &mut Vec<u8>, line: &str) {
    let line = line.get(..line.floor_char_boundary(DATA_BYTES_MAX - 1)).unwrap_or(line);
    out.extend_from_slice(&length(line.len() + 1));
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// Appends `0000`.
pub fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends `0001`.
pub fn write_delim(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// Appends `0002`.
pub fn write_response_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0002");
}

/// Appends `ERR message`, which every git client prints before it stops.
pub fn write_error(out: &mut Vec<u8>, message: &str) {
    write_line(out, &format!("ERR {message}"));
}

/// The five bytes in front of a side-band frame of `payload` bytes (at most [`BAND_BYTES_MAX`]).
pub fn band_header(band: Band, payload: usize) -> [u8; 5] {
    let [a, b, c, d] = length(payload + 1);
    [a, b, c, d, band.number()]
}

/// Appends `payload` on `band`, in as many side-band-64k frames as it takes.
pub fn write_band(out: &mut Vec<u8>, band: Band, payload: &[u8]) {
    for part in payload.chunks(BAND_BYTES_MAX) {
        out.extend_from_slice(&band_header(band, part.len()));
        out.extend_from_slice(part);
    }
}

/// What a packet's length says.
pub(crate) enum Header {
    Data(usize),
    Flush,
    Delim,
    ResponseEnd,
}

pub(crate) fn parse_header(header: [u8; HEADER_BYTES]) -> Result<Header> {
    let mut total = 0_usize;
    for byte in header {
        let Some(digit) = char::from(byte).to_digit(16) else {
            let shown = String::from_utf8_lossy(&header).into_owned();
            return Err(Error::refused(format!("protocol error: bad line length character: {shown}")));
        };
        total = total << 4 | usize::try_from(digit).unwrap_or_default();
    }
    match total {
        0 => Ok(Header::Flush),
        1 => Ok(Header::Delim),
        2 => Ok(Header::ResponseEnd),
        3 => Err(Error::refused("protocol error: bad line length 3")),
        _ if total > DATA_BYTES_MAX + HEADER_BYTES => {
            Err(Error::refused(format!("protocol error: bad line length {total}")))
        }
        _ => Ok(Header::Data(total - HEADER_BYTES)),
    }
}

/// Reads packets out of memory.
///
/// ```
/// use polder_git::pkt_line::{Packet, PacketSlice};
/// let mut packets = PacketSlice::new(b"0009done\n0000");
/// assert_eq!(packets.next_packet().unwrap().unwrap().line(), Some(&b"done"[..]));
/// assert_eq!(packets.next_packet().unwrap(), Some(Packet::Flush));
/// assert_eq!(packets.next_packet().unwrap(), None);
/// ```
#[derive(Debug, Clone)]
pub struct PacketSlice<'a> {
    rest: &'a [u8],
}

impl<'a> PacketSlice<'a> {
    /// Starts at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next packet; `None` at the end of the input.
    ///
    /// # Errors
    /// [`Error::Refused`] for a malformed length or an input that ends inside a packet.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cut = || Error::refused("the remote end hung up unexpectedly");
        let (header, rest) = self.rest.split_first_chunk::<HEADER_BYTES>().ok_or_else(cut)?;
        let (packet, rest) = match parse_header(*header)? {
            Header::Flush => (Packet::Flush, rest),
            Header::Delim => (Packet::Delim, rest),
            Header::ResponseEnd => (Packet::ResponseEnd, rest),
            Header::Data(size) => {
                let (data, rest) = rest.split_at_checked(size).ok_or_else(cut)?;
                (Packet::Data(data), rest)
            }
        };
        self.rest = rest;
        Ok(Some(packet))
    }
}

/// Reads packets from a stream, never a byte further than the packet returned.
pub struct PacketReader<'a> {
    stream: &'a mut dyn Read,
    buffer: Vec<u8>,
}

impl<'a> PacketReader<'a> {
    /// Starts at the stream's present position.
    pub fn new(stream: &'a mut dyn Read) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next packet; `None` at a clean end of the stream.
    ///
    /// # Errors
    /// [`Error::Refused`] for a malformed length or a stream that ends inside a packet;
    /// [`Error::Io`] when reading fails.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>> {
        let mut header = [0; HEADER_BYTES];
        match self.stream.read(&mut header[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                return self.next_packet_after(header);
            }
            Err(error) => return Err(read_failed(error)),
        }
        self.stream.read_exact(&mut header[1..]).map_err(read_failed)?;
        self.body(header)
    }

    fn next_packet_after(&mut self, mut header: [u8; HEADER_BYTES]) -> Result<Option<Packet<'_>>> {
        self.stream.read_exact(&mut header).map_err(read_failed)?;
        self.body(header)
    }

    fn body(&mut self, header: [u8; HEADER_BYTES]) -> Result<Option<Packet<'_>>> {
        Ok(Some(match parse_header(header)? {
            Header::Flush => Packet::Flush,
            Header::Delim => Packet::Delim,
            Header::ResponseEnd => Packet::ResponseEnd,
            Header::Data(size) => {
                self.buffer.resize(size, 0);
                self.stream.read_exact(&mut self.buffer).map_err(read_failed)?;
                Packet::Data(&self.buffer)
            }
        }))
    }
}

fn read_failed(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Error::refused("the remote end hung up unexpectedly");
    }
    Error::body("read the request", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_empty_packet_is_a_packet() {
        let mut wire = Vec::new();
        write_data(&mut wire, b"");
        write_line(&mut wire, "want x");
        write_flush(&mut wire);
        write_delim(&mut wire);
        write_response_end(&mut wire);
        write_data(&mut wire, &vec![7; DATA_BYTES_MAX]);
        assert!(wire.starts_with(b"0004000bwant x\n000000010002fff0"));

        let mut slice = PacketSlice::new(&wire);
        let mut bytes = wire.as_slice();
        let mut stream = PacketReader::new(&mut bytes);
        let big = vec![7; DATA_BYTES_MAX];
        let expected = [
            Some(Packet::Data(b"")),
            Some(Packet::Data(b"want x\n")),
            Some(Packet::Flush),
            Some(Packet::Delim),
            Some(Packet::ResponseEnd),
            Some(Packet::Data(&big)),
            None,
        ];
        for packet in expected {
            assert_eq!(slice.next_packet().unwrap(), packet);
            assert_eq!(stream.next_packet().unwrap(), packet);
        }
    }

    #[test]
    fn a_bad_length_is_refused_in_gits_words() {
        for (wire, words) in [
            ("00zz", "protocol error: bad line length character: 00zz"),
            ("0003", "protocol error: bad line length 3"),
            ("fff1", "protocol error: bad line length 65521"),
            ("0009abc", "the remote end hung up unexpectedly"),
            ("00", "the remote end hung up unexpectedly"),
        ] {
            let error = PacketSlice::new(wire.as_bytes()).next_packet().unwrap_err();
            assert_eq!(error.to_string(), words);
            let mut bytes = wire.as_bytes();
            let error = PacketReader::new(&mut bytes).next_packet().map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn a_stream_reader_leaves_what_follows_the_packet() {
        let mut bytes: &[u8] = b"0000PACK";
        assert_eq!(PacketReader::new(&mut bytes).next_packet().unwrap(), Some(Packet::Flush));
        assert_eq!(bytes, b"PACK");
    }

    #[test]
    fn a_band_frame_is_never_over_the_limit() {
        let mut wire = Vec::new();
        write_band(&mut wire, Band::Progress, &vec![b'x'; BAND_BYTES_MAX + 1]);
        let mut packets = PacketSlice::new(&wire);
        let Some(Packet::Data(first)) = packets.next_packet().unwrap() else { panic!("a frame") };
        assert_eq!((first.len(), first[0]), (DATA_BYTES_MAX, 2));
        assert_eq!(packets.next_packet().unwrap(), Some(Packet::Data(b"\x02x")));
    }
}
