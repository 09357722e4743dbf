//! What a client sends with `git push --push-option`, for hooks to read.
//!
//! Source: git `Documentation/gitprotocol-pack.adoc` ("push-options"), `builtin/receive-pack.c`
//! (`read_push_options`).

use std::io::Read;

use crate::pkt_line::{Packet, PacketReader};
use crate::{Error, Result};

/// Most push options of one push.
const OPTIONS_MAX: usize = 32;
/// Most bytes of all push options of one push.
const OPTIONS_BYTES_MAX: usize = 8 << 10;

/// Reads the options that follow the commands of a client with `push-options`, and not a byte more.
///
/// Only printable text passes, and no semicolon: options end in the environment of scripts, and other
/// systems have taken lists of them apart at exactly these.
///
/// ```
/// let mut body: &[u8] = b"000bci.skip0000PACK";
/// assert_eq!(polder_git::read_push_options(&mut body).unwrap(), ["ci.skip"]);
/// assert_eq!(body, b"PACK");
/// ```
///
/// # Errors
/// [`Error::Refused`] for other text; [`Error::TooLarge`] for more than 32 options or 8 KiB;
/// [`Error::Io`] when reading fails.
pub fn read_push_options(body: &mut dyn Read) -> Result<Vec<String>> {
    let mut reader = PacketReader::new(body);
    let mut options = Vec::new();
    let mut bytes = 0;
    loop {
        let packet = match reader.next_packet()? {
            Some(packet @ Packet::Data(_)) => packet,
            Some(Packet::Flush) => return Ok(options),
            Some(Packet::Delim | Packet::ResponseEnd) | None => {
                return Err(Error::refused("protocol error: expected a flush packet after the push options"));
            }
        };
        let option = packet.line().unwrap_or_default();
        bytes += option.len();
        if options.len() >= OPTIONS_MAX || bytes > OPTIONS_BYTES_MAX {
            return Err(Error::too_large(format!(
                "a push has at most {OPTIONS_MAX} push options of {OPTIONS_BYTES_MAX} bytes in all"
            )));
        }
        options.push(printable(option)?.to_owned());
    }
}

fn printable(option: &[u8]) -> Result<&str> {
    let text = str::from_utf8(option).ok().filter(|text| !text.is_empty());
    let text = text.filter(|text| !text.chars().any(|c| c.is_control() || c == ';'));
    text.ok_or_else(|| Error::refused("a push option is text without control characters and semicolons"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt_line::{write_data, write_flush};

    fn read(options: &[&[u8]]) -> Result<Vec<String>> {
        let mut wire = Vec::new();
        for option in options {
            write_data(&mut wire, option);
        }
        write_flush(&mut wire);
        wire.extend_from_slice(b"PACK");
        let mut body = wire.as_slice();
        let read = read_push_options(&mut body);
        if read.is_ok() {
            assert_eq!(body, b"PACK");
        }
        read
    }

    #[test]
    fn printable_options_pass() {
        assert_eq!(read(&[]).unwrap(), Vec::<String>::new());
        let sent: [&[u8]; 3] = [b"ci.skip", "标题=\"a b\"\n".as_bytes(), b"$(rm -rf /)`x`'"];
        assert_eq!(read(&sent).unwrap(), ["ci.skip", "标题=\"a b\"", "$(rm -rf /)`x`'"]);
    }

    #[test]
    fn what_could_be_more_than_one_option_or_too_much_is_refused() {
        for bad in [&b""[..], b"a;b", b"a\nb", b"a\0b", b"a\r", b"\x1b[2J", b"\xff", "\u{85}".as_bytes()] {
            assert!(matches!(read(&[bad]), Err(Error::Refused { .. })), "{bad:?}");
        }
        let long = vec![b'a'; OPTIONS_BYTES_MAX + 1];
        assert!(matches!(read(&[&long]), Err(Error::TooLarge { .. })));
        let many = vec![&b"a"[..]; OPTIONS_MAX + 1];
        assert!(matches!(read(&many), Err(Error::TooLarge { .. })));
        assert_eq!(read(&many[1..]).unwrap().len(), OPTIONS_MAX);
        let mut cut: &[u8] = b"0006ab";
        assert!(read_push_options(&mut cut).is_err());
    }
}
