//! Merging one commit into another, without a working tree.

mod base;
mod files;

use polder_types::ObjectId;

use crate::commit::{PackStream, checked_message, finish, signature_line};
use crate::tree::tree_of_commit;
use crate::{Error, ObjectReader, Result, Signature, Snapshot, WrittenCommit};
use files::{Sides, merge_trees};

/// How a merge ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// Ours holds all of theirs already.
    UpToDate,
    /// Theirs continues ours: the branch may simply go there.
    FastForward,
    /// A commit of both, in a pack of its own as [`crate::write_commit`] makes them.
    Merged(WrittenCommit),
    /// Both sides changed these paths, each in another way; in byte order.
    Conflicts(Vec<String>),
}

/// Merges `theirs` into `ours`.
///
/// Lines of text files are merged as git merges them, compared by Myers' algorithm; files are followed by path:
/// one that a side moved is gone at the old path. Of large objects only whole ones are taken: two versions of a
/// pointer are a conflict. Nothing is written but the pack that is returned.
///
/// # Errors
/// [`Error::NotFound`] if one is no commit; [`Error::Refused`] for histories without a common commit, and for
/// those with several that are each the newest (merged crosswise before), which git can merge; also as
/// [`crate::write_commit`] for author and message; [`Error::TooLarge`]; [`Error::Corrupt`].
pub fn merge_commits(
    snapshot: &Snapshot,
    ours: ObjectId,
    theirs: ObjectId,
    author: &Signature,
    message: &str,
) -> Result<Merge> {
    let (signature, message) = (signature_line(author)?, checked_message(message)?);
    Ok(match merge(snapshot, ours, theirs)? {
        Outcome::UpToDate => Merge::UpToDate,
        Outcome::FastForward => Merge::FastForward,
        Outcome::Conflicts(paths) => Merge::Conflicts(paths),
        Outcome::Tree(tree_id, pack) => {
            Merge::Merged(finish(tree_id, &[ours, theirs], &signature, &message, pack)?)
        }
    })
}

/// The paths in which [`merge_commits`] would find conflicts.
///
/// # Errors
/// As [`merge_commits`].
pub fn merge_conflicts(snapshot: &Snapshot, ours: ObjectId, theirs: ObjectId) -> Result<Vec<String>> {
    match merge(snapshot, ours, theirs)? {
        Outcome::Conflicts(paths) => Ok(paths),
        Outcome::UpToDate | Outcome::FastForward | Outcome::Tree(..) => Ok(Vec::new()),
    }
}

/// The best common ancestors of two commits, as `git merge-base --all` lists them, by id: none for histories
/// that have nothing in common, several where branches were merged crosswise.
///
/// # Errors
/// [`Error::NotFound`] if one is no commit; [`Error::TooLarge`] for very long histories; [`Error::Corrupt`].
pub fn merge_bases(snapshot: &Snapshot, one: ObjectId, other: ObjectId) -> Result<Vec<ObjectId>> {
    let mut reader = ObjectReader::new(snapshot);
    for commit_id in [one, other] {
        tree_of_commit(&mut reader, commit_id)?;
    }
    base::merge_bases(&mut reader, one, other)
}

enum Outcome {
    UpToDate,
    FastForward,
    /// A tree, and the pack of what is new in it.
    Tree(ObjectId, PackStream),
    Conflicts(Vec<String>),
}

fn merge(snapshot: &Snapshot, ours: ObjectId, theirs: ObjectId) -> Result<Outcome> {
    let mut reader = ObjectReader::new(snapshot);
    let (our_tree, their_tree) = (tree_of_commit(&mut reader, ours)?, tree_of_commit(&mut reader, theirs)?);
    let base = match base::merge_bases(&mut reader, ours, theirs)?.as_slice() {
        [] => return Err(Error::refused("these histories have no commit in common; merge them with git")),
        [base] if *base == theirs => return Ok(Outcome::UpToDate),
        [base] if *base == ours => return Ok(Outcome::FastForward),
        [base] => tree_of_commit(&mut reader, *base)?,
        _ => return Err(Error::refused("these branches were merged into one another; merge them with git")),
    };
    let mut pack = PackStream::new();
    let sides = Sides { base, ours: our_tree, theirs: their_tree };
    Ok(match merge_trees(snapshot, sides, &mut pack)? {
        Ok(tree_id) => Outcome::Tree(tree_id, pack),
        Err(conflicts) => Outcome::Conflicts(conflicts),
    })
}
