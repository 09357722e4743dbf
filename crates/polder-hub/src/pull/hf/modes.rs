//! Which files may be run: listings do not say, but the ids of folders depend on it.

use std::collections::{HashMap, HashSet};

use polder_git::{EntryKind, folder_id};
use polder_types::ObjectId;

use super::listing::{Content, Listing};
use crate::error::Result;

/// So many files of one folder are tried in every combination; of more, one at a time and all of them.
const COMBINED_MAX: usize = 12;
/// Most entries that are hashed in search of the modes of one commit.
const HASHED_MAX: usize = 4_000_000;

/// What the ids of folders tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modes {
    /// Paths of files that may be run.
    pub(super) executable: HashSet<String>,
    /// Folders whose id is that of no combination; their files are taken as ordinary ones.
    pub(super) unexplained: Vec<String>,
}

type Named<'a> = (&'a str, EntryKind, ObjectId);

/// Finds the modes with which the folders have the ids that the listing gives.
pub(super) fn modes(listing: &Listing) -> Result<Modes> {
    let mut inside: HashMap<&str, Vec<Named<'_>>> = HashMap::new();
    let mut runnable: HashMap<&str, Vec<usize>> = HashMap::new();
    for (path, file) in &listing.files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let entries = inside.entry(folder).or_default();
        if matches!(file.content, Content::Small(_)) {
            runnable.entry(folder).or_default().push(entries.len());
        }
        entries.push((name, EntryKind::File, file.blob));
    }
    for (path, oid) in &listing.folders {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        inside.entry(folder).or_default().push((name, EntryKind::Directory, *oid));
    }
    let (mut found, mut hashed) = (Modes::default(), 0);
    for (folder, oid) in &listing.folders {
        let mut entries = inside.remove(folder.as_str()).unwrap_or_default();
        let may_run = runnable.remove(folder.as_str()).unwrap_or_default();
        match search(&mut entries, &may_run, *oid, &mut hashed)? {
            Some(which) => {
                let names = which.iter().filter_map(|at| entries.get(*at));
                found.executable.extend(names.map(|(name, ..)| format!("{folder}/{name}")));
            }
            None => found.unexplained.push(folder.clone()),
        }
    }
    found.unexplained.sort();
    Ok(found)
}

/// The files with which the folder has its id.
fn search(
    entries: &mut [Named<'_>],
    may_run: &[usize],
    oid: ObjectId,
    hashed: &mut usize,
) -> Result<Option<Vec<usize>>> {
    for which in combinations(may_run) {
        *hashed += entries.len();
        if *hashed > HASHED_MAX {
            return Ok(None);
        }
        for at in may_run {
            if let Some((_, kind, _)) = entries.get_mut(*at) {
                *kind = if which.contains(at) { EntryKind::Executable } else { EntryKind::File };
            }
        }
        if folder_id(entries)? == oid {
            return Ok(Some(which));
        }
    }
    Ok(None)
}

/// What to try, the likeliest first.
fn combinations(may_run: &[usize]) -> Box<dyn Iterator<Item = Vec<usize>> + '_> {
    if may_run.len() > COMBINED_MAX {
        let singles = may_run.iter().map(|at| vec![*at]);
        return Box::new(std::iter::once(Vec::new()).chain(singles).chain(std::iter::once(may_run.to_vec())));
    }
    let chosen = |mask: u32| {
        let bits = may_run.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 == 1);
        bits.map(|(_, at)| *at).collect()
    };
    Box::new((0..1_u32 << may_run.len()).map(chosen))
}

#[cfg(test)]
mod tests {
    use super::super::listing::File;
    use super::*;

    fn blob(n: usize) -> ObjectId {
        format!("{n:040x}").parse().expect("an id")
    }

    /// A folder `d` of `count` files, those in `runs` with the mode of programs.
    fn folder(count: usize, runs: &[usize]) -> Listing {
        let mut listing = Listing::default();
        let names: Vec<String> = (0..count).map(|n| format!("f{n}")).collect();
        let mut entries = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let kind = if runs.contains(&n) { EntryKind::Executable } else { EntryKind::File };
            entries.push((name.as_str(), kind, blob(n)));
            let file = File { blob: blob(n), content: Content::Small(1) };
            listing.files.insert(format!("d/{name}"), file);
        }
        listing.folders.insert("d".to_owned(), folder_id(&entries).expect("an id"));
        listing
    }

    #[test]
    fn the_files_that_may_be_run_follow_from_the_id_of_their_folder() {
        for (count, runs) in [(3, vec![]), (12, vec![0, 5, 11]), (500, vec![77]), (30, (0..30).collect())] {
            let expected: HashSet<String> = runs.iter().map(|n| format!("d/f{n}")).collect();
            let found = modes(&folder(count, &runs)).expect("found");
            assert_eq!((found.executable, found.unexplained.len()), (expected, 0), "{count}");
        }
    }

    #[test]
    fn a_folder_that_no_combination_explains_is_named_and_the_search_ends() {
        let mut lie = folder(3, &[1]);
        lie.folders.insert("d".to_owned(), blob(9));
        lie.folders.insert("missing".to_owned(), blob(8));
        let found = modes(&lie).expect("searched");
        assert_eq!(
            (found.executable.len(), found.unexplained),
            (0, vec!["d".to_owned(), "missing".to_owned()])
        );
        let mut large = folder(3_000, &[1, 2]);
        assert_eq!(modes(&large).expect("searched").unexplained, ["d"]);
        large.files.clear();
        assert_eq!(modes(&large).expect("searched").unexplained, ["d"]);
    }
}
