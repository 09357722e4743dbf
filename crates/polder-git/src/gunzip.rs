//! Request bodies that arrive as gzip.
//!
//! Source: git 2.47 `remote-curl.c` `post_rpc` (fetch requests over 1 KiB), `http-backend.c`
//! `inflate_request`; RFC 1952 for bodies of several members.

use std::io::{self, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

const NOT_GZIP: &str = "the request body is not valid gzip";

/// Reads the plain bytes of a gzip body, of any number of members, to its very end.
///
/// What arrives is bounded as well as what comes out: a body of empty members would keep a reader busy
/// for ever without making a byte. Failures that are the sender's are of kind
/// [`ErrorKind::InvalidData`] (not gzip, or cut) or [`ErrorKind::FileTooLarge`].
///
/// ```
/// use std::io::Read;
/// let mut text = String::new();
/// let error = polder_git::Gunzip::new(&b"plain"[..], 100).read_to_string(&mut text).unwrap_err();
/// assert_eq!(error.to_string(), "the request body is not valid gzip");
/// ```
#[derive(Debug)]
pub struct Gunzip<R> {
    decoder: MultiGzDecoder<Bounded<R>>,
}

impl<R: Read> Gunzip<R> {
    /// Decodes `body`, of which at most `encoded_bytes_max` are read.
    pub fn new(body: R, encoded_bytes_max: u64) -> Self {
        Self { decoder: MultiGzDecoder::new(Bounded { body, left: encoded_bytes_max }) }
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(out).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                io::Error::new(ErrorKind::InvalidData, NOT_GZIP)
            }
            _ => error,
        })
    }
}

/// Decodes a whole body; `plain_bytes_max` bounds what comes out of it.
///
/// # Errors
/// [`Error::TooLarge`] over the limit, [`Error::Refused`] when it is cut short or is not gzip.
pub fn gunzip(body: &[u8], plain_bytes_max: u64) -> Result<Vec<u8>> {
    let encoded = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    Gunzip::new(body, encoded)
        .take(plain_bytes_max.saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(|error| Error::body("decode the request", error))?;
    if u64::try_from(plain.len()).is_ok_and(|length| length <= plain_bytes_max) {
        return Ok(plain);
    }
    Err(Error::too_large(format!("the request is over {plain_bytes_max} bytes")))
}

/// A reader that fails when more than its share comes.
#[derive(Debug)]
struct Bounded<R> {
    body: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(out)?;
        match self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)) {
            Some(left) => self.left = left,
            None => return Err(io::Error::new(ErrorKind::FileTooLarge, "the compressed body is too large")),
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn refusal(body: &[u8]) -> String {
        let error = gunzip(body, 1000).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        error.to_string()
    }

    #[test]
    fn members_are_read_one_after_another() {
        let two = [gzip(b"one"), gzip(b""), gzip(b"two")].concat();
        assert_eq!(gunzip(&two, 6).unwrap(), b"onetwo");
    }

    #[test]
    fn what_is_not_gzip_to_its_end_is_refused() {
        let whole = gzip(b"a body of some length, some length, some length");
        for end in 1..whole.len() {
            assert_eq!(refusal(&whole[..end]), NOT_GZIP, "cut at {end}");
        }
        // A byte may be flipped where nothing depends on it: time stamp, hints, system.
        for at in (0..4).chain(10..whole.len()) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            assert_eq!(refusal(&flipped), NOT_GZIP, "flipped at {at}");
        }
        assert_eq!(refusal(&[&whole[..], b"junk"].concat()), NOT_GZIP);
        assert_eq!(refusal(b"x"), NOT_GZIP);
        // Compressed twice is read once, as it was called.
        assert_eq!(gunzip(&gzip(&whole), 1000).unwrap(), whole);
    }

    #[test]
    fn what_comes_out_and_what_goes_in_are_bounded() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(matches!(gunzip(&bomb, 1000), Err(Error::TooLarge { .. })));
        assert_eq!(gunzip(&bomb, 1 << 20).unwrap().len(), 1 << 20);

        // Members without content, for ever.
        let endless = Cycle { bytes: gzip(b""), at: 0 };
        let mut out = Vec::new();
        let error = Gunzip::new(endless, 1 << 20).read_to_end(&mut out).unwrap_err();
        assert_eq!((error.kind(), out.len()), (ErrorKind::FileTooLarge, 0));
    }

    struct Cycle {
        bytes: Vec<u8>,
        at: usize,
    }

    impl Read for Cycle {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            for byte in out.iter_mut() {
                *byte = self.bytes[self.at];
                self.at = (self.at + 1) % self.bytes.len();
            }
            Ok(out.len())
        }
    }
}
