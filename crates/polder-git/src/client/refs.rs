//! The refs of a server, and the line of `ls-refs` that names one.
//!
//! Source: git `Documentation/gitprotocol-v2.adoc`, "ls-refs".

use polder_types::ObjectId;

use super::lines::{Line, Lines, printable, unexpected};
use crate::{Error, Ref, Result, check_ref_name};

/// Most lines of refs; twice as many as a repository here may have refs, for peeled tags.
pub(super) const REF_LINES_MAX: usize = 2 * polder_types::limits::REFS_PER_REPO_MAX + 1_000;
/// Most bytes of them.
pub(super) const REFS_BYTES_MAX: usize = 32 << 20;

/// Refs as they were listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    pub(super) head: Option<String>,
    /// What HEAD is, where it is no branch.
    pub(super) detached: Option<ObjectId>,
    pub(super) refs: Vec<Ref>,
}

/// One ref of a listing.
pub(super) struct RefLine {
    pub(super) name: String,
    pub(super) oid: ObjectId,
    pub(super) peeled: Option<ObjectId>,
    pub(super) symref: Option<String>,
}

impl Listed {
    pub(super) fn add(&mut self, line: RefLine) -> Result<()> {
        let RefLine { name, oid, peeled, symref } = line;
        if name == "HEAD" {
            self.head = symref.or(self.head.take());
            self.detached = Some(oid);
            return Ok(());
        }
        if !name.starts_with("refs/") || check_ref_name(&name).is_err() {
            let name = printable(name.as_bytes());
            return Err(Error::refused(format!("the server names a ref `{name}`, which git does not allow")));
        }
        self.refs.push(Ref { name, oid, peeled });
        Ok(())
    }

    /// Takes the line `<id> refs/tags/x^{}`, which comes right after its tag's.
    pub(super) fn peel(&mut self, tag: &str, oid: ObjectId, line: &str) -> Result<()> {
        match self.refs.last_mut() {
            Some(last) if last.name == tag => last.peeled = Some(oid),
            None if tag == "HEAD" => {}
            _ => return Err(unexpected(line)),
        }
        Ok(())
    }

    /// Sorts them, and refuses two of one name.
    pub(super) fn settle(mut self) -> Result<Self> {
        self.refs.sort_by(|a, b| a.name.cmp(&b.name));
        let twice = self.refs.windows(2).find_map(|pair| match pair {
            [first, second] if first.name == second.name => Some(&first.name),
            _ => None,
        });
        match twice {
            Some(name) => Err(Error::refused(format!("the server names the ref `{name}` twice"))),
            None => Ok(self),
        }
    }
}

/// Reads the answer to `ls-refs`.
pub(super) fn read_ls_refs(lines: &mut Lines<'_>) -> Result<Listed> {
    let mut listed = Listed::default();
    loop {
        match lines.next_line()? {
            Line::Text(line) => take(&mut listed, &line)?,
            Line::Flush => return listed.settle(),
            Line::Delim => return Err(unexpected("a delimiter among refs")),
        }
    }
}

fn take(listed: &mut Listed, line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let (Some(id), Some(name)) = (words.next(), words.next()) else { return Err(unexpected(line)) };
    let (mut symref, mut peeled) = (None, None);
    for word in words {
        if let Some(target) = word.strip_prefix("symref-target:") {
            symref = Some(target.to_owned());
        } else if let Some(id) = word.strip_prefix("peeled:") {
            peeled = Some(parse_id(id, line)?);
        }
    }
    if id == "unborn" {
        // Only HEAD is shown before it exists.
        if name == "HEAD" {
            listed.head = symref;
        }
        return Ok(());
    }
    listed.add(RefLine { name: name.to_owned(), oid: parse_id(id, line)?, peeled, symref })
}

pub(super) fn parse_id(text: &str, line: &str) -> Result<ObjectId> {
    ObjectId::from_hex(text.as_bytes()).map_err(|_not_an_id| unexpected(line))
}
