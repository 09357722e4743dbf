//! A pack that was written before, in the place of a git server that would send it.

use std::io::{self, Cursor, Read};

use super::{Advertisement, Exchange, RemoteBody};
use crate::Protocol;
use crate::capabilities::AGENT;
use crate::pkt_line::{BAND_BYTES_MAX, Band, write_band, write_flush, write_line};

/// Answers every fetch with one pack, whatever is wanted: it is all that there is. Whether it holds what is wanted,
/// the checks of whoever asked find out. Refs are not listed.
///
/// ```
/// use polder_git::client::{Remote, StoredPack};
/// let stored = StoredPack::new(|| Ok(Box::new(std::io::empty())));
/// assert_eq!(Remote::connect(&stored).unwrap().protocol(), polder_git::Protocol::V2);
/// ```
pub struct StoredPack<F> {
    open: F,
}

impl<F: Fn() -> io::Result<RemoteBody>> StoredPack<F> {
    /// The pack whose bytes `open` gives from the first to the last.
    pub fn new(open: F) -> Self {
        Self { open }
    }
}

impl<F: Fn() -> io::Result<RemoteBody>> Exchange for StoredPack<F> {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let mut body = Vec::new();
        for line in ["version 2", AGENT, "fetch", "object-format=sha1"] {
            write_line(&mut body, line);
        }
        write_flush(&mut body);
        let content_type = Some("application/x-git-upload-pack-advertisement".to_owned());
        Ok(Advertisement { content_type, body: Box::new(Cursor::new(body)) })
    }

    fn post(&self, _protocol: Protocol, _body: Vec<u8>) -> io::Result<RemoteBody> {
        let mut lines = Vec::new();
        write_line(&mut lines, "packfile");
        Ok(Box::new(Framed { pack: (self.open)()?, frame: Cursor::new(lines), ended: false }))
    }
}

/// The answer of a server that sends a pack.
struct Framed {
    pack: RemoteBody,
    frame: Cursor<Vec<u8>>,
    ended: bool,
}

impl Framed {
    fn next_frame(&mut self) -> io::Result<()> {
        let mut data = vec![0; BAND_BYTES_MAX];
        let mut frame = Vec::new();
        let count = self.pack.read(&mut data)?;
        match data.get(..count).unwrap_or_default() {
            [] => {
                self.ended = true;
                write_flush(&mut frame);
            }
            data => write_band(&mut frame, Band::Data, data),
        }
        self.frame = Cursor::new(frame);
        Ok(())
    }
}

impl Read for Framed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.frame.read(out)?;
            if count > 0 || self.ended || out.is_empty() {
                return Ok(count);
            }
            self.next_frame()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use polder_types::ObjectId;

    use super::*;
    use crate::Snapshot;
    use crate::client::Remote;

    #[test]
    fn a_fetch_gets_the_pack_byte_for_byte() {
        for size in [0, 1, BAND_BYTES_MAX, 200_000] {
            let pack: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let stored = StoredPack::new(|| {
                let body: RemoteBody = Box::new(Cursor::new(pack.clone()));
                Ok(body)
            });
            let remote = Remote::connect(&stored).unwrap();
            let ours = Snapshot::new(1, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
            let mut stream = remote.fetch(&[ObjectId::ZERO], &[], &ours, None).unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            assert_eq!(got, pack);
        }
    }
}
