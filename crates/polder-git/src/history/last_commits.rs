//! The commit that last changed each entry of some folders, in one walk.
//!
//! Every entry has a chain of its own: from a commit to the first parent that has the same entry, until
//! there is none. Entries at the same commit move on together, newest commit first; where they end does
//! not depend on that order, so wrong clocks cost time only.

use std::collections::BinaryHeap;

use polder_types::ObjectId;

use super::entry_changes::entry_changes;
use crate::id_set::IdMap;
use crate::tree::{find, parse_entries, tree_of_commit};
use crate::{Error, ObjectKind, ObjectReader, Result, Snapshot};

/// Most entries followed in one walk; more have no answer.
const ENTRIES_MAX: usize = 500_000;
/// Most steps from commit to commit in one walk; entries that need more have no answer.
const COMMITS_WALKED_MAX: usize = 1_000_000;
/// Most bytes of trees read in one walk; entries that need more have no answer.
const TREE_BYTES_MAX: u64 = 32 << 30;

/// The last commits of all entries of one folder, as seen from one commit. True for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderCommits {
    commit_id: ObjectId,
    path: String,
    /// By name, in byte order.
    entries: Vec<(Box<[u8]>, Option<ObjectId>)>,
}

impl FolderCommits {
    /// The commit from which history was walked.
    pub fn commit_id(&self) -> ObjectId {
        self.commit_id
    }

    /// The folder; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The commit that last changed the entry of this name, as a listing shows it.
    pub fn of(&self, name: &str) -> Option<ObjectId> {
        let exact = self.of_bytes(name.as_bytes());
        if exact.is_some() || !name.contains(char::REPLACEMENT_CHARACTER) {
            return exact;
        }
        self.entries.iter().find(|(bytes, _)| String::from_utf8_lossy(bytes) == name)?.1
    }

    fn of_bytes(&self, name: &[u8]) -> Option<ObjectId> {
        let at = self.entries.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
        self.entries.get(at)?.1
    }

    /// What it takes in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let fixed = size_of::<Self>() + self.path.len();
        fixed
            + self
                .entries
                .iter()
                .map(|(name, _)| size_of::<(Box<[u8]>, Option<ObjectId>)>() + name.len())
                .sum::<usize>()
    }
}

/// Finds the commit that last changed each entry of each of `folders`, as `git log -1 COMMIT -- PATH` does.
///
/// A folder changes with everything below it. `known` are answers given before, for the same folders at
/// ancestors: the walk ends where it meets them.
///
/// # Errors
/// [`Error::NotFound`] if the commit or a folder does not exist; [`Error::Corrupt`] if an object on the way is
/// missing or malformed.
pub fn last_commits(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    folders: &[&str],
    known: &[&FolderCommits],
) -> Result<Vec<FolderCommits>> {
    let mut reader = ObjectReader::new(snapshot);
    let root = tree_of_commit(&mut reader, commit_id)?;
    let mut entries = Vec::new();
    for (folder, path) in folders.iter().enumerate() {
        list(&mut reader, root, (folder, path), &mut entries)?;
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    entries.dedup_by(|a, b| a.path == b.path);
    let mut walk =
        Walk { reader, entries, pending: IdMap::default(), queue: BinaryHeap::new(), tree_bytes: 0 };
    let mut known_at: IdMap<Vec<(usize, &FolderCommits)>> = IdMap::default();
    for answers in known {
        if let Some(folder) = folders.iter().position(|path| *path == answers.path) {
            known_at.entry(answers.commit_id).or_default().push((folder, answers));
        }
    }
    walk.hand_on(commit_id, (0..walk.entries.len()).collect())?;
    walk.run(&known_at)?;
    let mut found: Vec<FolderCommits> = folders
        .iter()
        .map(|path| FolderCommits { commit_id, path: (*path).to_owned(), entries: Vec::new() })
        .collect();
    for entry in walk.entries {
        if let Some(answers) = found.get_mut(entry.folder) {
            answers.entries.push((entry.name().into(), entry.answer));
        }
    }
    Ok(found)
}

/// One entry that is followed.
struct Entry {
    path: Vec<u8>,
    /// Which of the folders asked for it is in.
    folder: usize,
    name_start: usize,
    answer: Option<ObjectId>,
}

impl Entry {
    fn name(&self) -> &[u8] {
        self.path.get(self.name_start..).unwrap_or_default()
    }
}

fn list(
    reader: &mut ObjectReader<'_>,
    root: ObjectId,
    (folder, path): (usize, &str),
    entries: &mut Vec<Entry>,
) -> Result<()> {
    let (mode, tree_id) = find(reader, root, path)?;
    if mode != crate::tree::MODE_FOLDER {
        return Err(Error::NotFound { what: format!("folder `{path}`") });
    }
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let data = reader.require(&tree_id, ObjectKind::Tree)?;
    let left = ENTRIES_MAX.saturating_sub(entries.len());
    entries.extend(parse_entries(tree_id, &data)?.into_iter().take(left).map(|entry| Entry {
        path: [prefix.as_bytes(), entry.name].concat(),
        folder,
        name_start: prefix.len(),
        answer: None,
    }));
    Ok(())
}

/// Positions of entries, ascending.
type Group = Vec<usize>;

struct Walk<'a> {
    reader: ObjectReader<'a>,
    /// In the order of their paths' bytes.
    entries: Vec<Entry>,
    /// Entries that are as they are at this commit up to where the walk began.
    pending: IdMap<Group>,
    /// The commits of `pending`, newest first.
    queue: BinaryHeap<(i64, ObjectId)>,
    tree_bytes: u64,
}

impl Walk<'_> {
    fn run(&mut self, known_at: &IdMap<Vec<(usize, &FolderCommits)>>) -> Result<()> {
        for _ in 0..COMMITS_WALKED_MAX {
            let Some((_, commit_id)) = self.queue.pop() else { break };
            let Some(mut group) = self.pending.remove(&commit_id) else { continue };
            for (folder, answers) in known_at.get(&commit_id).into_iter().flatten() {
                group.retain(|at| !self.take_known(*at, *folder, answers));
            }
            self.pass(commit_id, group)?;
            if self.tree_bytes > TREE_BYTES_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Answers an entry of `folder` by what was found before.
    fn take_known(&mut self, at: usize, folder: usize, answers: &FolderCommits) -> bool {
        let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.folder == folder) else {
            return false;
        };
        entry.answer = answers.of_bytes(entry.name());
        true
    }

    /// Hands each entry to the first parent that has the same; this commit is the answer for the others.
    fn pass(&mut self, commit_id: ObjectId, mut group: Group) -> Result<()> {
        let commit = self.reader.commit(&commit_id)?;
        for parent in &commit.parents {
            if group.is_empty() {
                return Ok(());
            }
            let parent_tree = self.reader.commit(parent)?.tree;
            let mut differing = Vec::new();
            self.compare(&group, &mut Vec::new(), (parent_tree, commit.tree), &mut differing)?;
            differing.sort_unstable();
            differing.dedup();
            group.retain(|at| differing.binary_search(at).is_err());
            self.hand_on(*parent, std::mem::replace(&mut group, differing))?;
        }
        for at in group {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.answer = Some(commit_id);
            }
        }
        Ok(())
    }

    fn hand_on(&mut self, commit_id: ObjectId, group: Group) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let date = self.reader.commit(&commit_id)?.date;
        if let Some(waiting) = self.pending.get_mut(&commit_id) {
            waiting.extend(group);
            waiting.sort_unstable();
        } else {
            self.queue.push((date, commit_id));
            self.pending.insert(commit_id, group);
        }
        Ok(())
    }

    /// Adds every entry of `group` below `prefix` that the old tree does not have as the new one has it.
    ///
    /// Only folders on the way to an entry are read, and only where they differ; the depth is theirs.
    fn compare(
        &mut self,
        group: &[usize],
        prefix: &mut Vec<u8>,
        (old, new): (ObjectId, ObjectId),
        differing: &mut Vec<usize>,
    ) -> Result<()> {
        if old == new || group.is_empty() {
            return Ok(());
        }
        let old_data = self.reader.require(&old, ObjectKind::Tree)?;
        let new_data = self.reader.require(&new, ObjectKind::Tree)?;
        let bytes = u64::try_from(old_data.len() + new_data.len()).unwrap_or(u64::MAX);
        self.tree_bytes = self.tree_bytes.saturating_add(bytes);
        let length = prefix.len();
        for change in entry_changes((old, &old_data), (new, &new_data))? {
            // A followed entry is there on the new side.
            let Some(now) = change.new else { continue };
            prefix.extend_from_slice(change.name);
            differing.extend(self.at_path(group, prefix));
            prefix.push(b'/');
            let below = self.below(group, prefix);
            match change.old.filter(|before| before.is_folder() && now.is_folder()) {
                Some(before) => self.compare(below, prefix, (before.oid, now.oid), differing)?,
                None => differing.extend_from_slice(below),
            }
            prefix.truncate(length);
        }
        Ok(())
    }

    fn path(&self, at: usize) -> &[u8] {
        self.entries.get(at).map(|entry| entry.path.as_slice()).unwrap_or_default()
    }

    fn at_path(&self, group: &[usize], path: &[u8]) -> Option<usize> {
        let found = group.binary_search_by(|at| self.path(*at).cmp(path)).ok()?;
        group.get(found).copied()
    }

    /// The entries whose paths start with `prefix`.
    fn below<'g>(&self, group: &'g [usize], prefix: &[u8]) -> &'g [usize] {
        let start = group.partition_point(|at| self.path(*at) < prefix);
        let from = group.get(start..).unwrap_or_default();
        let length = from.partition_point(|at| self.path(*at).starts_with(prefix));
        from.get(..length).unwrap_or_default()
    }
}
