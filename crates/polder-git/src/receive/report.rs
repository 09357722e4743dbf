//! What the client is told at the end of a push.
//!
//! Source: git `Documentation/gitprotocol-pack.adoc`, "Report Status".

use std::io;

use bytes::Bytes;

use super::commands::PushCapabilities;
use crate::Sink;
use crate::pkt_line::{Band, write_band, write_flush, write_line};

/// Longest reason sent for one ref, in bytes.
const REASON_BYTES_MAX: usize = 1000;

/// What became of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefReport {
    /// As the client named it.
    pub name: String,
    /// Done, or the reason why not.
    pub result: Result<(), String>,
}

/// Sends the report, if the client asked for one, and ends the answer.
///
/// `unpack` is about the pack as a whole. Both report formats are the same as long as the server does
/// what was asked, or nothing.
///
/// ```
/// use polder_git::{PushCapabilities, RefReport, report};
/// let capabilities = PushCapabilities { report_status: true, ..Default::default() };
/// let refs = [RefReport { name: "refs/heads/main".into(), result: Ok(()) }];
/// let mut out = Vec::new();
/// report(&capabilities, Ok(()), &refs, &mut out).unwrap();
/// assert_eq!(out, b"000eunpack ok\n0017ok refs/heads/main\n0000");
/// ```
///
/// # Errors
/// When the client is gone.
pub fn report(
    capabilities: &PushCapabilities,
    unpack: Result<(), String>,
    refs: &[RefReport],
    out: &mut dyn Sink,
) -> io::Result<()> {
    let mut report = Vec::new();
    if capabilities.report_status || capabilities.report_status_v2 {
        match unpack {
            Ok(()) => write_line(&mut report, "unpack ok"),
            Err(reason) => write_line(&mut report, &format!("unpack {}", one_line(&reason))),
        }
        for entry in refs {
            match &entry.result {
                Ok(()) => write_line(&mut report, &format!("ok {}", entry.name)),
                Err(reason) => write_line(&mut report, &format!("ng {} {}", entry.name, one_line(reason))),
            }
        }
        write_flush(&mut report);
    }
    let mut wire = Vec::new();
    if capabilities.side_band_64k {
        write_band(&mut wire, Band::Data, &report);
        write_flush(&mut wire);
    } else {
        wire = report;
    }
    if wire.is_empty() { Ok(()) } else { out.send(Bytes::from(wire)) }
}

/// Frames text for the user's terminal; empty for a client without side-band.
pub fn progress(capabilities: &PushCapabilities, text: &[u8]) -> Bytes {
    let mut wire = Vec::new();
    if capabilities.side_band_64k {
        write_band(&mut wire, Band::Progress, text);
    }
    Bytes::from(wire)
}

/// A reason must not look like another line of the report.
fn one_line(reason: &str) -> String {
    let flat: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.get(..flat.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(capabilities: &PushCapabilities, unpack: Result<(), String>) -> String {
        let refs = [
            RefReport { name: "refs/heads/a".to_owned(), result: Ok(()) },
            RefReport { name: "refs/heads/b".to_owned(), result: Err("stale\nok refs/heads/b".to_owned()) },
        ];
        let mut out = Vec::new();
        report(capabilities, unpack, &refs, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_report_has_one_line_each_and_cannot_be_forged_by_a_reason() {
        let plain = PushCapabilities { report_status: true, ..PushCapabilities::default() };
        let lines = "000eunpack ok\n0014ok refs/heads/a\n002ang refs/heads/b stale ok refs/heads/b\n0000";
        assert_eq!(sent(&plain, Ok(())), lines);
        let banded =
            PushCapabilities { side_band_64k: true, report_status_v2: true, ..PushCapabilities::default() };
        assert_eq!(sent(&banded, Ok(())), format!("{:04x}\x01{lines}0000", lines.len() + 5));
        assert!(sent(&plain, Err("bad\npack".to_owned())).starts_with("0014unpack bad pack\n"));
    }

    #[test]
    fn a_client_that_wants_no_report_gets_none() {
        assert_eq!(sent(&PushCapabilities::default(), Ok(())), "");
        let banded = PushCapabilities { side_band_64k: true, ..PushCapabilities::default() };
        assert_eq!(sent(&banded, Ok(())), "0000");
        assert_eq!(&progress(&banded, b"hi")[..], b"0007\x02hi");
        assert!(progress(&PushCapabilities::default(), b"hi").is_empty());
    }
}
