//! Which of a few paths a ref's move changes.
//!
//! Two trees are read side by side, only where they differ and only on the way to a watched path: the
//! cost is that of the paths watched, not of the trees.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::ObjectId;

use crate::id_set::IdSet;
use crate::tree::{MODE_FOLDER, parse_entries, tree_of_commit};
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};

/// Most commits that a new branch may bring while paths are watched.
const NEW_COMMITS_MAX: usize = 100_000;

/// Paths to be watched.
#[derive(Debug, Default)]
pub struct WatchedPaths(Folder);

#[derive(Debug, Default)]
struct Folder {
    /// The folder itself is watched.
    is_watched: bool,
    entries: BTreeMap<Vec<u8>, Folder>,
}

impl WatchedPaths {
    /// Watches each of `paths`, parts joined by `/`.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut root = Folder::default();
        for path in paths {
            let mut at = &mut root;
            for part in path.split('/') {
                at = at.entries.entry(part.as_bytes().to_vec()).or_default();
            }
            at.is_watched = true;
        }
        Self(root)
    }
}

/// The watched paths that moving a branch from `old` to `new` adds, changes or deletes, in order.
///
/// A new branch (`old` is `None`) changes what its new commits change: those that `before` does not hold.
/// A merge changes what it has different from all of its parents. `after` is `before` and the incoming pack.
///
/// # Errors
/// [`Error::NotFound`] if a tip is no commit; [`Error::Corrupt`]; [`Error::TooLarge`] for a new branch with
/// more than 100,000 new commits.
pub fn changed_paths(
    (before, after): (&Snapshot, &Snapshot),
    old: Option<ObjectId>,
    new: ObjectId,
    watched: &WatchedPaths,
) -> Result<Vec<String>> {
    let reader = &mut ObjectReader::new(after);
    let mut found = BTreeSet::new();
    match old {
        Some(old) => {
            let trees = (Some(tree_of_commit(reader, old)?), Some(tree_of_commit(reader, new)?));
            compare(reader, trees, &watched.0, "", &mut found)?;
        }
        None => new_commits(reader, before, new, watched, &mut found)?,
    }
    Ok(found.into_iter().collect())
}

fn new_commits(
    reader: &mut ObjectReader<'_>,
    before: &Snapshot,
    tip: ObjectId,
    watched: &WatchedPaths,
    found: &mut BTreeSet<String>,
) -> Result<()> {
    let mut seen = IdSet::default();
    let mut todo = vec![tip];
    while let Some(id) = todo.pop() {
        if before.contains(&id) || !seen.insert(id) {
            continue;
        }
        if seen.len() > NEW_COMMITS_MAX {
            return Err(Error::too_large("a new branch brings too many commits; push it in smaller steps"));
        }
        tree_of_commit(reader, id)?;
        let commit = reader.commit(&id)?;
        let mut changed: Option<BTreeSet<String>> = None;
        let mut bases = Vec::with_capacity(commit.parents.len());
        for parent in &commit.parents {
            bases.push(Some(tree_of_commit(reader, *parent)?));
        }
        if bases.is_empty() {
            bases.push(None);
        }
        for base in bases {
            let mut differs = BTreeSet::new();
            compare(reader, (base, Some(commit.tree)), &watched.0, "", &mut differs)?;
            changed = Some(match changed {
                None => differs,
                Some(changed) => changed.intersection(&differs).cloned().collect(),
            });
        }
        found.extend(changed.unwrap_or_default());
        todo.extend(commit.parents.iter().copied());
    }
    Ok(())
}

type Trees = (Option<ObjectId>, Option<ObjectId>);

/// Adds every watched path below `folder` at which the two trees differ.
fn compare(
    reader: &mut ObjectReader<'_>,
    (old, new): Trees,
    folder: &Folder,
    prefix: &str,
    found: &mut BTreeSet<String>,
) -> Result<()> {
    if old == new || folder.entries.is_empty() {
        return Ok(());
    }
    let (old, new) = (entries(reader, old, folder)?, entries(reader, new, folder)?);
    for (name, inner) in &folder.entries {
        let (old, new) = (old.get(name).copied(), new.get(name).copied());
        if old == new {
            continue;
        }
        let path = format!("{prefix}{}", String::from_utf8_lossy(name));
        let tree =
            |entry: Option<(u32, ObjectId)>| entry.filter(|(mode, _)| *mode == MODE_FOLDER).map(|e| e.1);
        compare(reader, (tree(old), tree(new)), inner, &format!("{path}/"), found)?;
        if inner.is_watched {
            found.insert(path);
        }
    }
    Ok(())
}

/// What stands in a tree under the names of `folder`.
fn entries(
    reader: &mut ObjectReader<'_>,
    tree: Option<ObjectId>,
    folder: &Folder,
) -> Result<BTreeMap<Vec<u8>, (u32, ObjectId)>> {
    let Some(tree) = tree else { return Ok(BTreeMap::new()) };
    let data = reader.require(&tree, ObjectKind::Tree)?;
    let entries = parse_entries(tree, &data)?;
    let named = entries.into_iter().filter(|entry| folder.entries.contains_key(entry.name));
    Ok(named.map(|entry| (entry.name.to_vec(), (entry.mode, entry.oid))).collect())
}
