//! What a client asks for, whichever protocol it asked in.

use polder_types::ObjectId;

use crate::filter::Filter;
use crate::id_set::IdSet;
use crate::shallow::ShallowRequest;
use crate::{Error, Result, Snapshot};

/// A fetch.
#[expect(clippy::struct_excessive_bools, reason = "each is one word of the protocol")]
#[derive(Debug, Clone, Default)]
pub(super) struct FetchRequest {
    pub(super) wants: Vec<ObjectId>,
    /// Refs wanted by name, whatever they point at.
    pub(super) want_refs: Vec<String>,
    pub(super) haves: Vec<ObjectId>,
    /// The client negotiates no further.
    pub(super) done: bool,
    /// The client wants acknowledgements only, until it says done.
    pub(super) wait_for_done: bool,
    pub(super) shallow: ShallowRequest,
    pub(super) filter: Filter,
    pub(super) thin_pack: bool,
    pub(super) offset_deltas: bool,
    pub(super) include_tag: bool,
    pub(super) no_progress: bool,
}

/// Reads an object id out of a line that starts with `word`.
pub(super) fn id_after(line: &str, text: &str) -> Result<ObjectId> {
    ObjectId::from_hex(text.as_bytes()).map_err(|_error| {
        Error::refused(format!("git upload-pack: protocol error, expected to get object ID, not '{line}'"))
    })
}

pub(super) fn not_our_ref(want: &ObjectId) -> Error {
    Error::refused(format!("upload-pack: not our ref {want}"))
}

impl FetchRequest {
    /// Takes the id of `line`, which is wanted.
    ///
    /// What is not there is refused at once, as git does (`upload-pack.c`, `parse_want`), so that a flood of
    /// ids of nothing is never collected.
    pub(super) fn want(&mut self, snapshot: &Snapshot, line: &str, text: &str) -> Result<()> {
        let id = id_after(line, text)?;
        if !snapshot.contains(&id) {
            return Err(not_our_ref(&id));
        }
        self.wants.push(id);
        Ok(())
    }

    /// Takes a line that both protocols share; whether it was one.
    pub(super) fn take_shared(&mut self, line: &str) -> Result<bool> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "shallow" => self.shallow.client.push(id_after(line, rest)?),
            "deepen" => {
                let depth = rest.parse().ok().filter(|depth| *depth > 0);
                let depth = depth.ok_or_else(|| Error::refused(format!("Invalid deepen: {line}")))?;
                self.shallow.depth = Some(depth);
            }
            "deepen-since" => {
                let since = rest.parse().ok().filter(|since| *since > 0);
                let since = since.ok_or_else(|| Error::refused(format!("Invalid deepen-since: {line}")))?;
                self.shallow.since = Some(since);
            }
            "deepen-not" => self.shallow.not.push(rest.to_owned()),
            "filter" => self.filter = Filter::parse(rest)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks what depends on several lines, and drops repeated wants.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut seen = IdSet::default();
        self.wants.retain(|want| seen.insert(*want));
        let shallow = &self.shallow;
        if shallow.depth.is_some() && (shallow.since.is_some() || !shallow.not.is_empty()) {
            return Err(Error::refused(
                "git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together",
            ));
        }
        Ok(())
    }
}

/// A packet's payload as text.
pub(super) fn text(line: &[u8]) -> Result<&str> {
    str::from_utf8(line).map_err(|_error| Error::refused("protocol error: a line is not UTF-8"))
}
