//! The first answer of a server: which protocol it speaks, what it can do, and in versions 0 and 1 its refs.
//!
//! Source: git `Documentation/gitprotocol-http.adoc` ("Smart Clients"), `gitprotocol-v2.adoc` ("Capability
//! Advertisement"), `gitprotocol-pack.adoc` ("Reference Discovery"); `connect.c`.

use std::io::Read;

use super::Advertisement;
use super::lines::{Line, Lines, unexpected};
use super::refs::{Listed, REF_LINES_MAX, REFS_BYTES_MAX, RefLine, parse_id};
use crate::{Error, Protocol, Result};

const CONTENT_TYPE: &str = "application/x-git-upload-pack-advertisement";

/// What a server said first.
pub(super) struct Hello {
    pub(super) protocol: Protocol,
    pub(super) capabilities: Vec<String>,
    /// In versions 0 and 1.
    pub(super) listed: Option<Listed>,
}

impl Hello {
    /// Reads it.
    pub(super) fn read(answer: &mut Advertisement) -> Result<Self> {
        let kind = answer.content_type.as_deref().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind != CONTENT_TYPE {
            return Err(not_smart(&mut answer.body));
        }
        let mut lines = Lines::new(&mut answer.body, REF_LINES_MAX, REFS_BYTES_MAX);
        let mut first = lines.next_line()?;
        if matches!(&first, Line::Text(line) if line == "# service=git-upload-pack") {
            let Line::Flush = lines.next_line()? else {
                return Err(unexpected("text after the service's name"));
            };
            first = lines.next_line()?;
        }
        match first {
            Line::Text(line) if line == "version 2" => read_v2(&mut lines),
            Line::Text(line) if line == "version 1" => {
                let first = lines.next_line()?;
                read_v0(Protocol::V1, first, &mut lines)
            }
            first => read_v0(Protocol::V0, first, &mut lines),
        }
    }

    /// The value of a capability `name=value`, or `""` of a plain one.
    pub(super) fn capability(&self, name: &str) -> Option<&str> {
        self.capabilities.iter().find_map(|capability| {
            let rest = capability.strip_prefix(name)?;
            if rest.is_empty() { Some("") } else { rest.strip_prefix('=') }
        })
    }

    /// Whether a capability has a word among its values.
    pub(super) fn offers(&self, name: &str, word: &str) -> bool {
        self.capability(name).is_some_and(|value| value.split(' ').any(|offered| offered == word))
    }

    fn require_sha1(self) -> Result<Self> {
        match self.capability("object-format") {
            None | Some("sha1") => Ok(self),
            Some(_) => {
                Err(Error::refused("the repository there has SHA-256 ids; a hub has SHA-1 repositories only"))
            }
        }
    }
}

fn read_v2(lines: &mut Lines<'_>) -> Result<Hello> {
    let mut capabilities = Vec::new();
    loop {
        match lines.next_line()? {
            Line::Text(line) => capabilities.push(line),
            Line::Flush => break,
            Line::Delim => return Err(unexpected("a delimiter among capabilities")),
        }
    }
    Hello { protocol: Protocol::V2, capabilities, listed: None }.require_sha1()
}

fn read_v0(protocol: Protocol, first: Line, lines: &mut Lines<'_>) -> Result<Hello> {
    // A repository without refs may send nothing at all (git before 2.14, dulwich).
    let Line::Text(first) = first else {
        return Ok(Hello { protocol, capabilities: Vec::new(), listed: Some(Listed::default()) });
    };
    let (first, capabilities) = first.split_once('\0').unwrap_or((&first, ""));
    let capabilities = capabilities.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let hello = Hello { protocol, capabilities, listed: None }.require_sha1()?;
    let head = hello.capabilities.iter().find_map(|word| word.strip_prefix("symref=HEAD:"));
    let mut listed = Listed { head: head.map(str::to_owned), ..Listed::default() };
    let mut line = first.to_owned();
    loop {
        take_v0(&mut listed, &line)?;
        match lines.next_line()? {
            Line::Text(next) => line = next,
            Line::Flush => break,
            Line::Delim => return Err(unexpected("a delimiter among refs")),
        }
    }
    Ok(Hello { listed: Some(listed), ..hello })
}

fn take_v0(listed: &mut Listed, line: &str) -> Result<()> {
    if line.starts_with("shallow ") {
        return Err(shallow());
    }
    let (id, name) = line.split_once(' ').ok_or_else(|| unexpected(line))?;
    let oid = parse_id(id, line)?;
    match name.strip_suffix("^{}") {
        Some("capabilities") => Ok(()),
        Some(tag) => listed.peel(tag, oid, line),
        None => listed.add(RefLine { name: name.to_owned(), oid, peeled: None, symref: None }),
    }
}

/// The refusal of a source that does not have its whole history.
pub(super) fn shallow() -> Error {
    Error::refused("the repository there is a shallow clone: it does not have its whole history")
}

/// Why something answered that is not the smart protocol.
fn not_smart(body: &mut dyn Read) -> Error {
    let mut start = [0; 64];
    let length = body.read(&mut start).unwrap_or(0);
    let start = start.get(..length).unwrap_or_default();
    // `<40 digits>\t<ref>`: the file that dumb HTTP serves.
    let is_dumb = start.get(..40).is_some_and(|id| id.iter().all(u8::is_ascii_hexdigit))
        && start.get(40) == Some(&b'\t');
    if is_dumb {
        return Error::refused("the server speaks the dumb HTTP protocol only; a hub needs smart HTTP");
    }
    Error::refused("there is no git repository at this URL: something else answers")
}
