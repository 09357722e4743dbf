//! History anew, as if some large objects had never been in it.

use std::collections::BTreeSet;

use bytes::Bytes;
use polder_types::limits::LFS_POINTER_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId, Sha256};

use crate::commit::{PackStream, object_id};
use crate::id_set::IdMap;
use crate::links::{commit_links, tag_target};
use crate::tree::split_entry;
use crate::{Command, Error, ObjectKind, ObjectReader, Result, Snapshot};

/// Most objects that one rewriting looks at.
const OBJECTS_MAX: usize = 2_000_000;
/// Most bytes that the new ones may have, compressed: they are held in memory.
const NEW_BYTES_MAX: usize = 256 << 20;
/// What is done, as errors say it.
const REWRITE: &str = "rewrite history";
/// Headers of commits that vouch for what is changed here. Source: git `commit.c`.
const VOUCHING: [&[u8]; 3] = [b"gpgsig ", b"gpgsig-sha256 ", b"mergetag "];
/// How a signature at the end of a tag begins. Source: git `gpg-interface.c`.
const TAG_SIGNATURES: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
];

/// A history that was written anew, in its pack only until that is received as a push is.
#[derive(Debug)]
pub struct Rewritten {
    /// The refs that move: all that reached what goes.
    pub commands: Vec<Command>,
    /// The pack of the new objects.
    pub pack: Bytes,
}

/// Writes anew what the visible refs reach, without the files that are pointers to `gone`.
///
/// A folder that is empty then goes, too. A commit stays even if it changes nothing any more, with its message, its
/// people and its dates; the signatures of what changes are dropped, since they would be wrong. What reaches no
/// pointer that goes keeps its id.
///
/// # Errors
/// [`Error::TooLarge`] for a history of more objects, or more bytes to write, than one request may take;
/// [`Error::Refused`] for a tag of a file or folder that goes; [`Error::Corrupt`] for what is missing or damaged.
pub fn rewrite_without(snapshot: &Snapshot, gone: &BTreeSet<Sha256>) -> Result<Rewritten> {
    let reader = ObjectReader::new(snapshot);
    let mut rewriting = Rewriting { reader, gone, done: IdMap::default(), pack: PackStream::new() };
    let mut commands = Vec::new();
    for reference in snapshot.visible_refs() {
        let (name, old) = (reference.name.clone(), reference.oid);
        let Some(new) = rewriting.rewrite(old)? else {
            return Err(Error::refused(format!("`{name}` is the tag of a file that goes; delete it first")));
        };
        if new != old {
            commands.push(Command { name, old, new });
        }
    }
    Ok(Rewritten { commands, pack: rewriting.pack.whole()? })
}

struct Rewriting<'a> {
    reader: ObjectReader<'a>,
    gone: &'a BTreeSet<Sha256>,
    /// What became of each object; nothing of one that goes.
    done: IdMap<Option<ObjectId>>,
    pack: PackStream,
}

/// What became of an object, or those that must be done before it.
enum Step {
    Done(Option<ObjectId>),
    After(Vec<ObjectId>),
}

impl Rewriting<'_> {
    /// What becomes of an object and all that it reaches. Histories are deep, so what waits is not on the stack.
    fn rewrite(&mut self, id: ObjectId) -> Result<Option<ObjectId>> {
        let mut waiting = vec![id];
        while let Some(next) = waiting.last().copied() {
            if self.done.contains_key(&next) {
                waiting.pop();
                continue;
            }
            match self.step(next)? {
                Step::After(first) => waiting.extend(first),
                Step::Done(new) => {
                    self.done.insert(next, new);
                }
            }
            if self.done.len() > OBJECTS_MAX || self.pack.bytes() > NEW_BYTES_MAX {
                return Err(Error::too_large(
                    "this history is too large to be rewritten here; push one without the files",
                ));
            }
        }
        Ok(self.done.get(&id).copied().flatten())
    }

    fn step(&mut self, id: ObjectId) -> Result<Step> {
        let damaged = || Error::corrupt(REWRITE, id);
        let (kind, size) = self.reader.header(&id)?.ok_or_else(damaged)?;
        if kind == ObjectKind::Blob && usize::try_from(size).map_or(true, |size| size > LFS_POINTER_BYTES_MAX)
        {
            return Ok(Step::Done(Some(id)));
        }
        let data = self.reader.require(&id, kind)?;
        match kind {
            ObjectKind::Blob => {
                let goes = LfsPointer::parse(&data).is_some_and(|pointer| self.gone.contains(&pointer.oid));
                Ok(Step::Done((!goes).then_some(id)))
            }
            ObjectKind::Tree => self.tree(id, &data),
            ObjectKind::Commit => {
                let links = commit_links(&data).ok_or_else(damaged)?;
                self.commit(id, &data, links.tree, &links.parents)
            }
            ObjectKind::Tag => {
                let (target, _) = tag_target(&data).ok_or_else(damaged)?;
                let Some(new) = self.done.get(&target) else { return Ok(Step::After(vec![target])) };
                match *new {
                    Some(new) if new != target => {
                        let rest = unsigned_tag(&data).strip_prefix(format!("object {target}\n").as_bytes());
                        let text = [format!("object {new}\n").as_bytes(), rest.unwrap_or_default()].concat();
                        Ok(Step::Done(Some(self.write(kind, &text)?)))
                    }
                    new => Ok(Step::Done(new.map(|_same| id))),
                }
            }
        }
    }

    fn tree(&mut self, id: ObjectId, data: &[u8]) -> Result<Step> {
        let (mut text, mut first) = (Vec::with_capacity(data.len()), Vec::new());
        let mut rest = data;
        while !rest.is_empty() {
            let (entry, after) = split_entry(rest).ok_or_else(|| Error::corrupt(REWRITE, id))?;
            let said = rest.get(..rest.len() - after.len() - ObjectId::BYTES).unwrap_or_default();
            rest = after;
            let new = if entry.is_submodule() { Some(&Some(entry.oid)) } else { self.done.get(&entry.oid) };
            match new {
                None => first.push(entry.oid),
                // What stays keeps its mode and its name, so the order is the same.
                Some(Some(new)) => text.extend_from_slice(&[said, new.as_bytes()].concat()),
                Some(None) => {}
            }
        }
        if !first.is_empty() {
            return Ok(Step::After(first));
        }
        if text == data {
            return Ok(Step::Done(Some(id)));
        }
        if text.is_empty() {
            return Ok(Step::Done(None));
        }
        Ok(Step::Done(Some(self.write(ObjectKind::Tree, &text)?)))
    }

    fn commit(&mut self, id: ObjectId, data: &[u8], tree: ObjectId, parents: &[ObjectId]) -> Result<Step> {
        let links = || std::iter::once(&tree).chain(parents);
        let first: Vec<ObjectId> = links().filter(|link| !self.done.contains_key(link)).copied().collect();
        if !first.is_empty() {
            return Ok(Step::After(first));
        }
        let became = |link: &ObjectId| self.done.get(link).copied().flatten();
        if links().all(|link| became(link) == Some(*link)) {
            return Ok(Step::Done(Some(id)));
        }
        let parents: Vec<ObjectId> = parents.iter().filter_map(became).collect();
        let tree = match became(&tree) {
            Some(tree) => tree,
            None => self.write(ObjectKind::Tree, &[])?,
        };
        let mut text = format!("tree {tree}\n").into_bytes();
        for parent in parents {
            text.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        push_headers(&mut text, data);
        Ok(Step::Done(Some(self.write(ObjectKind::Commit, &text)?)))
    }

    fn write(&mut self, kind: ObjectKind, data: &[u8]) -> Result<ObjectId> {
        let id = object_id(kind, data)?;
        self.pack.add(id, kind, data)?;
        Ok(id)
    }
}

/// Appends the headers of the commit `data` but those that change, and its message.
fn push_headers(text: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    let mut is_dropped = false;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n').filter(|end| *end > 0) {
        let (line, after) = rest.split_at(end + 1);
        // A line that begins with a space goes on with the header before it.
        if !line.starts_with(b" ") {
            let changes = line.starts_with(b"tree ") || line.starts_with(b"parent ");
            is_dropped = changes || VOUCHING.iter().any(|name| line.starts_with(name));
        }
        if !is_dropped {
            text.extend_from_slice(line);
        }
        rest = after;
    }
    text.extend_from_slice(rest);
}

/// A tag without the signature that ends it.
fn unsigned_tag(data: &[u8]) -> &[u8] {
    let mut at = 0;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if TAG_SIGNATURES.iter().any(|begin| line.starts_with(begin)) {
            return data.get(..at).unwrap_or(data);
        }
        at += line.len();
    }
    data
}
