//! The command section of a push: what the client wants done to which refs.
//!
//! Source: git `Documentation/gitprotocol-pack.adoc`, "Reference Update Request".

use std::collections::HashSet;
use std::io::Read;

use polder_types::{ObjectId, limits};

use crate::pkt_line::{Packet, PacketReader};
use crate::{Error, Result};

/// Most `shallow` lines in one push.
const SHALLOW_LINES_MAX: usize = 10_000;

/// One ref to create, move or delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Full name as sent; not yet checked.
    pub name: String,
    /// What the client believes it points at; zero to create.
    pub old: ObjectId,
    /// What it shall point at; zero to delete.
    pub new: ObjectId,
}

/// What the client can do, or asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one capability word of the protocol")]
pub struct PushCapabilities {
    /// Wants a report.
    pub report_status: bool,
    /// Wants a report in the second format.
    pub report_status_v2: bool,
    /// All or nothing.
    pub atomic: bool,
    /// No progress, please.
    pub quiet: bool,
    /// Reads the report from side-band frames.
    pub side_band_64k: bool,
    /// Sends push options after the commands.
    pub push_options: bool,
    /// Knows that refs can be deleted.
    pub delete_refs: bool,
    /// The client's name, for the log.
    pub agent: Option<String>,
}

/// What stands in front of the pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest {
    /// At least one.
    pub commands: Vec<Command>,
    /// From the first line.
    pub capabilities: PushCapabilities,
    /// Where the client's history is cut. It may be cut only where the hub's own goes on: the check of
    /// connectivity finds anything else.
    pub shallow: Vec<ObjectId>,
}

/// Reads the command section and not a byte more; push options ([`crate::read_push_options`]) and a pack
/// may follow.
///
/// `None` for the lone flush with which clients probe whether they may push.
///
/// ```
/// let mut body: &[u8] = b"00730000000000000000000000000000000000000000 \
///     4b825dc642cb6eb9a060e54bf8d69288fbee4904 refs/heads/main\0report-status0000PACK";
/// let request = polder_git::read_push(&mut body).unwrap().unwrap();
/// assert_eq!(request.commands[0].name, "refs/heads/main");
/// assert!(request.capabilities.report_status);
/// assert_eq!(body, b"PACK");
/// ```
///
/// # Errors
/// [`Error::Refused`] for what is malformed, names a ref twice, or asks for signed pushes or SHA-256;
/// [`Error::TooLarge`] over [`limits::REF_UPDATES_PER_PUSH_MAX`] or [`limits::PUSH_COMMAND_BYTES_MAX`];
/// [`Error::Io`] when reading fails.
pub fn read_push(body: &mut dyn Read) -> Result<Option<PushRequest>> {
    read_push_noting(body, &mut PushCapabilities::default())
}

/// As [`read_push`]; when it fails, `seen` has the client's capabilities as far as they were read, with
/// which it can be told why.
///
/// # Errors
/// As [`read_push`].
pub fn read_push_noting(body: &mut dyn Read, seen: &mut PushCapabilities) -> Result<Option<PushRequest>> {
    let mut reader = PacketReader::new(body);
    let mut request =
        PushRequest { commands: Vec::new(), capabilities: PushCapabilities::default(), shallow: Vec::new() };
    let mut bytes = 0_u64;
    loop {
        let line = match reader.next_packet()? {
            Some(Packet::Data(line)) => line,
            Some(Packet::Flush) => break,
            None if request.commands.is_empty() && request.shallow.is_empty() => return Ok(None),
            Some(Packet::Delim | Packet::ResponseEnd) | None => {
                return Err(malformed("expected a flush packet"));
            }
        };
        bytes = bytes.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        if bytes > limits::PUSH_COMMAND_BYTES_MAX {
            return Err(Error::too_large("the push names too many refs"));
        }
        let is_first = request.commands.is_empty();
        let read = read_line(line, &mut request);
        if is_first {
            seen.clone_from(&request.capabilities);
        }
        read?;
    }
    if request.commands.is_empty() {
        return Ok(None);
    }
    let mut names = HashSet::new();
    match request.commands.iter().find(|command| !names.insert(command.name.as_str())) {
        Some(twice) => Err(Error::refused(format!("multiple updates for ref '{}' not allowed", twice.name))),
        None => Ok(Some(request)),
    }
}

fn read_line(line: &[u8], request: &mut PushRequest) -> Result<()> {
    let is_first = request.commands.is_empty();
    let (line, capabilities) = match line.iter().position(|byte| *byte == 0) {
        Some(nul) => (line.get(..nul).unwrap_or_default(), line.get(nul + 1..)),
        None => (line, None),
    };
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line == b"push-cert" {
        return Err(Error::refused("signed pushes are not supported here; push without --signed"));
    }
    if let Some(capabilities) = capabilities.filter(|_| is_first) {
        request.capabilities = read_capabilities(capabilities)?;
    }
    if let Some(oid) = line.strip_prefix(b"shallow ") {
        if request.shallow.len() >= SHALLOW_LINES_MAX {
            return Err(Error::too_large("the clone is cut at too many places; run `git fetch --unshallow`"));
        }
        let oid = ObjectId::from_hex(oid).map_err(|_error| malformed("bad shallow line"))?;
        request.shallow.push(oid);
        return Ok(());
    }
    if request.commands.len() >= limits::REF_UPDATES_PER_PUSH_MAX {
        let most = limits::REF_UPDATES_PER_PUSH_MAX;
        return Err(Error::too_large(format!("a push changes at most {most} refs; push in several steps")));
    }
    request.commands.push(read_command(line)?);
    Ok(())
}

fn read_command(line: &[u8]) -> Result<Command> {
    let expected = || malformed("expected old/new/ref");
    let (old, rest) = line.split_at_checked(2 * ObjectId::BYTES).ok_or_else(expected)?;
    let rest = rest.strip_prefix(b" ").ok_or_else(expected)?;
    let (new, rest) = rest.split_at_checked(2 * ObjectId::BYTES).ok_or_else(expected)?;
    let name = rest.strip_prefix(b" ").filter(|name| !name.is_empty()).ok_or_else(expected)?;
    let name = str::from_utf8(name).map_err(|_error| Error::refused("ref names must be UTF-8"))?;
    if name.len() > limits::REF_NAME_BYTES_MAX {
        return Err(Error::too_large(format!("a ref name has at most {} bytes", limits::REF_NAME_BYTES_MAX)));
    }
    let oid = |text: &[u8]| ObjectId::from_hex(text).map_err(|_error| expected());
    Ok(Command { name: name.to_owned(), old: oid(old)?, new: oid(new)? })
}

fn read_capabilities(text: &[u8]) -> Result<PushCapabilities> {
    let text = String::from_utf8_lossy(text);
    let mut capabilities = PushCapabilities::default();
    for word in text.split_ascii_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("report-status", _) => capabilities.report_status = true,
            ("report-status-v2", _) => capabilities.report_status_v2 = true,
            ("atomic", _) => capabilities.atomic = true,
            ("quiet", _) => capabilities.quiet = true,
            ("side-band-64k", _) => capabilities.side_band_64k = true,
            ("delete-refs", _) => capabilities.delete_refs = true,
            ("agent", agent) => capabilities.agent = Some(agent.chars().take(200).collect()),
            ("object-format", "sha1") => {}
            ("object-format", format) => {
                let shown: String = format.chars().take(20).collect();
                return Err(Error::refused(format!(
                    "this repository uses sha1; a clone with object format {shown} cannot be pushed to it"
                )));
            }
            ("push-options", _) => capabilities.push_options = true,
            // Words this server did not offer mean nothing to it, as in git itself.
            _ => {}
        }
    }
    Ok(capabilities)
}

fn malformed(why: &str) -> Error {
    Error::refused(format!("protocol error: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt_line::{write_data, write_flush};

    fn push(lines: &[&str]) -> Vec<u8> {
        let mut wire = Vec::new();
        for line in lines {
            write_data(&mut wire, line.as_bytes());
        }
        write_flush(&mut wire);
        wire
    }

    fn update(name: &str) -> String {
        format!("{} {} {name}", "0".repeat(40), "1".repeat(40))
    }

    fn refusal(lines: &[&str]) -> String {
        read_push(&mut push(lines).as_slice()).unwrap_err().to_string()
    }

    #[test]
    fn commands_and_capabilities_are_read_and_the_pack_is_left() {
        let first =
            update("refs/heads/a") + "\0 report-status side-band-64k atomic agent=git/2.47 unheard-of=1";
        let shallow = format!("shallow {}", "2".repeat(40));
        let mut wire = push(&[&shallow, &first, &(update("refs/heads/模型") + "\n")]);
        wire.extend_from_slice(b"PACK");
        let mut body = wire.as_slice();
        let request = read_push(&mut body).unwrap().unwrap();
        assert_eq!(body, b"PACK");
        assert_eq!(request.commands[1].name, "refs/heads/模型");
        assert_eq!((request.commands[0].old, request.shallow.len()), (ObjectId::ZERO, 1));
        let caps = request.capabilities;
        assert!(
            caps.report_status && caps.side_band_64k && caps.atomic && !caps.quiet && !caps.report_status_v2
        );
        assert_eq!(caps.agent.as_deref(), Some("git/2.47"));
    }

    #[test]
    fn what_the_client_can_read_is_known_though_its_push_is_refused() {
        let a = update("refs/heads/a");
        let mut seen = PushCapabilities::default();
        let twice = push(&[&format!("{a}\0report-status side-band-64k"), &a]);
        read_push_noting(&mut twice.as_slice(), &mut seen).unwrap_err();
        assert!(seen.report_status && seen.side_band_64k);
    }

    #[test]
    fn the_probe_and_an_empty_body_are_no_push() {
        assert_eq!(read_push(&mut b"0000".as_slice()).unwrap(), None);
        assert_eq!(read_push(&mut b"".as_slice()).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        let with = |caps: &str| refusal(&[&format!("{}\0{caps}", update("refs/heads/a"))]);
        assert!(with("object-format=sha256").contains("sha256"));
        assert!(refusal(&["push-cert\0report-status"]).contains("--signed"));
        let a = update("refs/heads/a");
        assert_eq!(refusal(&[&a, &a]), "multiple updates for ref 'refs/heads/a' not allowed");
        for bad in ["", "x", &a[..80], &a.replace('1', "g"), &a.replace(' ', "_"), "shallow 12"] {
            assert!(refusal(&[bad]).starts_with("protocol error: "), "{bad}");
        }
        let mut cut = push(&[&a]);
        cut.truncate(cut.len() - 4);
        assert!(read_push(&mut cut.as_slice()).is_err());
        let many: Vec<String> =
            (0..=limits::REF_UPDATES_PER_PUSH_MAX).map(|n| update(&format!("refs/heads/{n}"))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refusal(&many).contains("1000"));
    }
}
