//! The response as it goes out: lines first, then a pack, framed as the client asked.

use std::io::Write;

use bytes::Bytes;

use crate::pkt_line::{
    BAND_BYTES_MAX, Band, SMALL_BAND_BYTES_MAX, band_header, write_band, write_error, write_flush,
};
use crate::{Error, Result, Sink};

/// Frame headers are put in front of the bytes they belong to.
const HEADER_BYTES: usize = 5;

/// How the pack is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The pack alone follows the lines.
    Plain,
    /// `side-band`: frames of up to 1000 bytes.
    SideBand,
    /// `side-band-64k`.
    SideBand64k,
}

impl Framing {
    fn payload_max(self) -> usize {
        match self {
            Self::SideBand => SMALL_BAND_BYTES_MAX,
            Self::Plain | Self::SideBand64k => BAND_BYTES_MAX,
        }
    }
}

/// Collects a response into chunks and sends them.
pub(super) struct Response<'s> {
    sink: &'s mut dyn Sink,
    /// Lines not sent yet; while a pack is written, its next frame, with room for the header in front.
    buffer: Vec<u8>,
    /// Set once the pack has begun.
    pack: Option<Framing>,
}

impl<'s> Response<'s> {
    pub(super) fn new(sink: &'s mut dyn Sink) -> Self {
        Self { sink, buffer: Vec::new(), pack: None }
    }

    /// Where lines are written before the pack begins.
    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn send(&mut self, chunk: Vec<u8>) -> Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.sink.send(Bytes::from(chunk)).map_err(|_error| Error::Closed)
    }

    /// Sends the lines written so far.
    pub(super) fn flush_lines(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.buffer);
        self.send(chunk)
    }

    /// Sends the lines; from now on the pack is written.
    pub(super) fn begin_pack(&mut self, framing: Framing) -> Result<()> {
        self.flush_lines()?;
        self.pack = Some(framing);
        Ok(())
    }

    /// Tells the user something, if the framing has a band for it.
    pub(super) fn progress(&mut self, text: &str) -> Result<()> {
        match self.pack {
            None | Some(Framing::Plain) => Ok(()),
            Some(framing) => {
                self.send_frame()?;
                let mut chunk = Vec::new();
                for part in text.as_bytes().chunks(framing.payload_max()) {
                    write_band(&mut chunk, Band::Progress, part);
                }
                self.send(chunk)
            }
        }
    }

    fn send_frame(&mut self) -> Result<()> {
        let mut frame = std::mem::take(&mut self.buffer);
        let payload = frame.len().saturating_sub(HEADER_BYTES);
        if payload == 0 {
            return Ok(());
        }
        if self.pack == Some(Framing::Plain) {
            return self.sink.send(Bytes::from(frame).slice(HEADER_BYTES..)).map_err(|_error| Error::Closed);
        }
        if let Some(header) = frame.first_chunk_mut::<HEADER_BYTES>() {
            *header = band_header(Band::Data, payload);
        }
        self.send(frame)
    }

    /// Ends a whole pack.
    pub(super) fn end_pack(&mut self) -> Result<()> {
        self.send_frame()?;
        if self.pack != Some(Framing::Plain) {
            let mut end = Vec::new();
            write_flush(&mut end);
            self.send(end)?;
        }
        Ok(())
    }

    /// Tells the client why there is no more. Whether that arrives is not known.
    pub(super) fn fail(&mut self, message: &str) {
        let mut chunk = Vec::new();
        match self.pack {
            None => {
                chunk = std::mem::take(&mut self.buffer);
                write_error(&mut chunk, message);
            }
            Some(Framing::Plain) => return,
            Some(framing) => {
                let text = format!("{message}\n");
                let end = text.floor_char_boundary(framing.payload_max());
                write_band(&mut chunk, Band::Error, text.get(..end).unwrap_or_default().as_bytes());
            }
        }
        if self.send(chunk).is_err() {
            tracing::debug!("the client left before it could be told: {message}");
        }
    }
}

/// Takes the bytes of the pack.
impl Write for Response<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let full = HEADER_BYTES + self.pack.unwrap_or(Framing::Plain).payload_max();
        if self.buffer.is_empty() {
            self.buffer.reserve_exact(full);
            self.buffer.resize(HEADER_BYTES, 0);
        }
        let take = bytes.len().min(full.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(bytes.get(..take).unwrap_or_default());
        if self.buffer.len() >= full {
            let gone = |_error| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            self.send_frame().map_err(gone)?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt_line::{Packet, PacketSlice};

    fn frames(framing: Framing, size: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        let mut response = Response::new(&mut sent);
        response.lines().extend_from_slice(b"0008NAK\n");
        response.begin_pack(framing).unwrap();
        response.progress("Enumerating\n").unwrap();
        response.write_all(&vec![b'p'; size]).unwrap();
        response.end_pack().unwrap();
        sent
    }

    #[test]
    fn a_pack_is_cut_into_frames_of_the_size_asked_for() {
        for (framing, max) in [(Framing::SideBand, 996), (Framing::SideBand64k, 65_516)] {
            let sent = frames(framing, 150_000);
            let mut packets = PacketSlice::new(&sent);
            assert_eq!(packets.next_packet().unwrap(), Some(Packet::Data(b"NAK\n")));
            assert_eq!(packets.next_packet().unwrap(), Some(Packet::Data(b"\x02Enumerating\n")));
            let mut total = 0;
            while let Some(Packet::Data(frame)) = packets.next_packet().unwrap() {
                assert!(frame[0] == 1 && frame.len() <= max);
                total += frame.len() - 1;
            }
            assert_eq!(total, 150_000);
            assert_eq!(packets.rest(), b"");
        }
        let plain = frames(Framing::Plain, 150_000);
        assert_eq!(plain.len(), 8 + 150_000);
    }

    struct Deaf;
    impl Sink for Deaf {
        fn send(&mut self, _chunk: Bytes) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_client_that_left_stops_the_writing() {
        let mut deaf = Deaf;
        let mut response = Response::new(&mut deaf);
        response.pack = Some(Framing::SideBand64k);
        let error = response.write_all(&vec![0; 70_000]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
}
