//! Where two histories parted.

use polder_types::ObjectId;

use crate::id_set::IdSet;
use crate::{Error, ObjectReader, Result};

/// Most commits of one history that are looked at.
const COMMITS_WALKED_MAX: usize = 1_000_000;

/// The best common ancestors of two commits, as `git merge-base --all` lists them; several where branches
/// were merged crosswise. Exact whatever the clocks of their authors said.
pub(crate) fn merge_bases(
    reader: &mut ObjectReader<'_>,
    ours: ObjectId,
    theirs: ObjectId,
) -> Result<Vec<ObjectId>> {
    let known = ancestors(reader, ours)?;
    let mut bases = first_in(reader, theirs, &known)?;
    let mut at = 0;
    while bases.len() > 1 && at < bases.len() {
        let Some(base) = bases.get(at).copied() else { break };
        let below = ancestors(reader, base)?;
        bases.retain(|other| *other == base || !below.contains(other));
        at = bases.iter().position(|other| *other == base).map_or(at, |place| place + 1);
    }
    bases.sort_unstable();
    Ok(bases)
}

/// A commit and all that came before it.
fn ancestors(reader: &mut ObjectReader<'_>, tip: ObjectId) -> Result<IdSet> {
    let mut seen = IdSet::default();
    let mut todo = vec![tip];
    seen.insert(tip);
    while let Some(id) = todo.pop() {
        let commit = reader.commit(&id)?;
        todo.extend(commit.parents.iter().copied().filter(|parent| seen.insert(*parent)));
        bounded(&seen)?;
    }
    Ok(seen)
}

/// The commits of `set` that are met first on each way back from `tip`.
fn first_in(reader: &mut ObjectReader<'_>, tip: ObjectId, set: &IdSet) -> Result<Vec<ObjectId>> {
    let (mut seen, mut met) = (IdSet::default(), Vec::new());
    let mut todo = vec![tip];
    seen.insert(tip);
    while let Some(id) = todo.pop() {
        if set.contains(&id) {
            met.push(id);
            continue;
        }
        let commit = reader.commit(&id)?;
        todo.extend(commit.parents.iter().copied().filter(|parent| seen.insert(*parent)));
        bounded(&seen)?;
    }
    Ok(met)
}

fn bounded(seen: &IdSet) -> Result<()> {
    if seen.len() > COMMITS_WALKED_MAX {
        return Err(Error::too_large("these histories are too long to be merged here; merge them with git"));
    }
    Ok(())
}
