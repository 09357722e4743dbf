//! Keeping `.gitattributes` true: what a commit stores as a pointer must be told to git as one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use polder_types::ObjectId;

use super::Change;
use crate::attributes::{Attributes, FILE_BYTES_MAX, lfs_line};
use crate::{Error, Result, Snapshot, entry, read_file};

const NAME: &str = ".gitattributes";

/// The changes, with lines added to `.gitattributes` for each pointer that no rule covers, so that a
/// clone puts the large object in its place.
///
/// A line goes to the file closest to the path, which has the last word; to the root's if there is none. A
/// `.gitattributes` that the changes themselves write must be there as [`Change::Write`].
///
/// # Errors
/// [`Error::TooLarge`] for such a file over 8 MiB; [`Error::Corrupt`] if one cannot be read.
pub fn keep_attributes<'a>(
    snapshot: &Snapshot,
    parent: Option<ObjectId>,
    changes: &'a [Change],
) -> Result<Cow<'a, [Change]>> {
    let mut files = Files { snapshot, parent, changes, read: BTreeMap::new() };
    let mut added: BTreeMap<&str, String> = BTreeMap::new();
    for change in changes {
        let Change::WritePointer { path, .. } = change else { continue };
        if let Some(folder) = files.uncovered(path)? {
            let relative =
                if folder.is_empty() { path } else { path.get(folder.len() + 1..).unwrap_or(path) };
            added.entry(folder).or_default().push_str(&lfs_line(relative));
        }
    }
    if added.is_empty() {
        return Ok(Cow::Borrowed(changes));
    }
    let mut all = changes.to_vec();
    for (folder, lines) in added {
        let mut content =
            files.read.remove(folder).flatten().map(|file| file.content).unwrap_or_default().to_vec();
        if content.last().is_some_and(|last| *last != b'\n') {
            content.push(b'\n');
        }
        content.extend_from_slice(lines.as_bytes());
        all.push(Change::Write { path: name_in(folder), content: Bytes::from(content), executable: false });
    }
    Ok(Cow::Owned(all))
}

struct File {
    content: Bytes,
    rules: Attributes,
}

/// The `.gitattributes` files as the commit will have them, each read once.
struct Files<'a> {
    snapshot: &'a Snapshot,
    parent: Option<ObjectId>,
    changes: &'a [Change],
    read: BTreeMap<&'a str, Option<File>>,
}

impl<'a> Files<'a> {
    /// The folder whose file should say that `path` is an LFS file, if none says so.
    fn uncovered(&mut self, path: &'a str) -> Result<Option<&'a str>> {
        let mut closest = None;
        let folders = path.match_indices('/').filter_map(|(slash, _)| path.get(..slash));
        let folders: Vec<&str> = std::iter::once("").chain(folders).collect();
        for folder in folders.into_iter().rev() {
            let Some(file) = self.file(folder)? else { continue };
            let relative =
                if folder.is_empty() { path } else { path.get(folder.len() + 1..).unwrap_or(path) };
            match file.rules.is_lfs(relative) {
                Some(true) => return Ok(None),
                Some(false) => return Ok(Some(closest.unwrap_or(folder))),
                None => closest = closest.or(Some(folder)),
            }
        }
        Ok(Some(closest.unwrap_or("")))
    }

    fn file(&mut self, folder: &'a str) -> Result<Option<&File>> {
        if !self.read.contains_key(folder) {
            let content = self.content(&name_in(folder))?;
            let file = content.map(|content| File { rules: Attributes::parse(&content), content });
            self.read.insert(folder, file);
        }
        Ok(self.read.get(folder).and_then(Option::as_ref))
    }

    fn content(&self, path: &str) -> Result<Option<Bytes>> {
        let written = self.changes.iter().rev().find_map(|change| match change {
            Change::Write { path: written, content, .. } if written == path => Some(content.clone()),
            _ => None,
        });
        if written.is_some() || self.is_deleted(path) {
            return Ok(written);
        }
        let Some(parent) = self.parent else { return Ok(None) };
        let found = match entry(self.snapshot, parent, path) {
            Ok(found) if found.kind.is_file() => found,
            Ok(_) | Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if found.size_bytes.is_some_and(|size| size > FILE_BYTES_MAX) {
            return Err(Error::too_large(format!("`{path}` has more than {} MiB", FILE_BYTES_MAX >> 20)));
        }
        read_file(self.snapshot, found.oid).map(Some)
    }

    fn is_deleted(&self, path: &str) -> bool {
        self.changes.iter().any(|change| match change {
            Change::Delete { path: deleted } => deleted == path,
            Change::DeleteFolder { path: folder } => {
                let folder = folder.strip_suffix('/').unwrap_or(folder);
                path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        })
    }
}

fn name_in(folder: &str) -> String {
    if folder.is_empty() { NAME.to_owned() } else { format!("{folder}/{NAME}") }
}
