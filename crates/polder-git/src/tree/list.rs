//! Listing a folder, a page at a time.

use bytes::Bytes;
use polder_types::ObjectId;
use polder_types::limits::TREE_ENTRIES_MAX;

use super::entries::MODE_SUBMODULE;
use super::{TREE_DEPTH_MAX, TreeEntry, describe, find, split_entry, tree_of_commit};
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePage {
    /// In git's order, a folder before what is in it.
    pub entries: Vec<TreeEntry>,
    /// What to pass as `cursor` for the next page; `None` on the last one.
    pub next: Option<String>,
}

/// Lists the folder at `path` (the empty path is the root); `recursive` goes into folders, which are
/// listed too, as `git ls-tree -r -t` does.
///
/// The cursor names the last path of the page before, so it stays good for as long as the commit
/// exists. A page has 1 to `limit` entries, at most [`TREE_ENTRIES_MAX`].
///
/// # Errors
/// [`Error::NotFound`] if the commit does not exist or `path` is no folder of it; [`Error::Refused`] for a
/// cursor of another listing; [`Error::Corrupt`] if an object is missing or malformed.
pub fn list_tree(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    path: &str,
    recursive: bool,
    cursor: Option<&str>,
    limit: usize,
) -> Result<TreePage> {
    let mut reader = ObjectReader::new(snapshot);
    let root = tree_of_commit(&mut reader, commit_id)?;
    let (mode, tree_id) = find(&mut reader, root, path)?;
    if mode != super::MODE_FOLDER {
        return Err(Error::NotFound { what: format!("folder `{path}`") });
    }
    let mut walk = Walk { reader, recursive, levels: Vec::new() };
    let prefix = if path.is_empty() { Vec::new() } else { format!("{path}/").into_bytes() };
    let skipped = prefix.len();
    walk.enter(tree_id, prefix)?;
    if let Some(cursor) = cursor {
        walk.seek(&decode_cursor(cursor)?)?;
    }
    let limit = limit.clamp(1, TREE_ENTRIES_MAX);
    let mut page = TreePage { entries: Vec::new(), next: None };
    let mut last = Vec::new();
    while page.entries.len() < limit {
        let Some(found) = walk.next()? else { return Ok(page) };
        page.entries.push(describe(&mut walk.reader, &found.path, found.mode, found.oid)?);
        last = found.path;
    }
    if walk.next()?.is_some() {
        page.next = Some(encode_cursor(last.get(skipped..).unwrap_or_default()));
    }
    Ok(page)
}

/// The files of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileList {
    /// In git's order, links among them.
    pub files: Vec<TreeEntry>,
    /// Whether there are no others.
    pub is_whole: bool,
}

/// Lists what of a commit has bytes and can be asked for by its path: the first `files_max` of it, out of the first
/// `entries_max` files and folders.
///
/// # Errors
/// [`Error::NotFound`] if the commit does not exist; [`Error::Corrupt`] if an object is missing or malformed.
pub fn list_files(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    files_max: usize,
    entries_max: usize,
) -> Result<FileList> {
    let mut reader = ObjectReader::new(snapshot);
    let tree_id = tree_of_commit(&mut reader, commit_id)?;
    let mut walk = Walk { reader, recursive: true, levels: Vec::new() };
    walk.enter(tree_id, Vec::new())?;
    let mut files = Vec::new();
    for _entry in 0..entries_max {
        let Some(found) = walk.next()? else { return Ok(FileList { files, is_whole: true }) };
        if matches!(found.mode, super::MODE_FOLDER | MODE_SUBMODULE) || str::from_utf8(&found.path).is_err() {
            continue;
        }
        if files.len() >= files_max {
            return Ok(FileList { files, is_whole: false });
        }
        files.push(describe(&mut walk.reader, &found.path, found.mode, found.oid)?);
    }
    let is_whole = walk.next()?.is_none();
    Ok(FileList { files, is_whole })
}

struct Found {
    path: Vec<u8>,
    mode: u32,
    oid: ObjectId,
}

struct Level {
    tree_id: ObjectId,
    /// Path of the folder with its `/`; empty for the root.
    prefix: Vec<u8>,
    data: Bytes,
    /// Bytes of `data` that are done.
    at: usize,
}

struct Walk<'a> {
    reader: ObjectReader<'a>,
    recursive: bool,
    levels: Vec<Level>,
}

impl Walk<'_> {
    fn enter(&mut self, tree_id: ObjectId, prefix: Vec<u8>) -> Result<()> {
        if self.levels.len() >= TREE_DEPTH_MAX {
            return Err(Error::corrupt("list a tree", format!("tree {tree_id}, nested too deeply,")));
        }
        let data = self.reader.require(&tree_id, ObjectKind::Tree)?;
        self.levels.push(Level { tree_id, prefix, data, at: 0 });
        Ok(())
    }

    /// The next entry of the folder that is being read, without going into it.
    fn step(&mut self) -> Result<Option<Found>> {
        let Some(level) = self.levels.last_mut() else { return Ok(None) };
        let rest = level.data.get(level.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (entry, after) = split_entry(rest).ok_or_else(|| Error::corrupt("read a tree", level.tree_id))?;
        let path = [level.prefix.as_slice(), entry.name].concat();
        let found = Found { path, mode: entry.mode, oid: entry.oid };
        level.at = level.data.len() - after.len();
        Ok(Some(found))
    }

    fn next(&mut self) -> Result<Option<Found>> {
        while !self.levels.is_empty() {
            if let Some(found) = self.step()? {
                self.enter_if_listed(&found)?;
                return Ok(Some(found));
            }
            self.levels.pop();
        }
        Ok(None)
    }

    fn enter_if_listed(&mut self, found: &Found) -> Result<()> {
        if self.recursive && found.mode == super::MODE_FOLDER {
            self.enter(found.oid, [found.path.as_slice(), b"/"].concat())?;
        }
        Ok(())
    }

    /// Goes on after the entry at `path`, which is relative to the listed folder.
    fn seek(&mut self, path: &[u8]) -> Result<()> {
        for name in path.split(|byte| *byte == b'/') {
            let depth = self.levels.len();
            let prefix = self.levels.last().map(|level| level.prefix.clone()).unwrap_or_default();
            let wanted = [prefix.as_slice(), name].concat();
            let found = loop {
                let found = self.step()?.ok_or_else(foreign_cursor)?;
                if found.path == wanted {
                    break found;
                }
            };
            self.enter_if_listed(&found)?;
            if self.levels.len() == depth && path.len() + self.root_bytes() != found.path.len() {
                return Err(foreign_cursor());
            }
        }
        Ok(())
    }

    fn root_bytes(&self) -> usize {
        self.levels.first().map_or(0, |level| level.prefix.len())
    }
}

fn foreign_cursor() -> Error {
    Error::refused("this cursor belongs to another listing; start again without one")
}

fn encode_cursor(path: &[u8]) -> String {
    path.iter().fold(String::with_capacity(2 * path.len()), |mut cursor, byte| {
        for digit in [byte >> 4, byte & 15] {
            cursor.extend(char::from_digit(u32::from(digit), 16));
        }
        cursor
    })
}

fn decode_cursor(cursor: &str) -> Result<Vec<u8>> {
    let bytes = cursor.as_bytes();
    let decoded = bytes.chunks(2).map(|pair| {
        let digits = str::from_utf8(pair).ok().filter(|_| pair.len() == 2)?;
        u8::from_str_radix(digits, 16).ok()
    });
    decoded.collect::<Option<Vec<u8>>>().filter(|path| !path.is_empty()).ok_or_else(foreign_cursor)
}
