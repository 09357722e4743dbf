//! Commits that stand for those of another server: which one here is meant by an id from there.
//!
//! What was taken over file by file names its source in the last line of each commit. Only a search through history
//! finds it, so the search is bounded, has its turn among walks through history, and its result is held until a branch
//! or tag moves. Pull requests do not count: whoever may read a repository writes to those.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polder_git::{CommitInfo, Snapshot};
use polder_types::{ObjectId, RepoId, Sha256, UnixMillis};
use sha2::Digest as _;

use crate::Hub;
use crate::blocking::in_place;
use crate::error::{Error, Kind, Result};
use crate::kept::Kept;

/// What the last line of such a commit begins with.
pub(crate) const SOURCE_COMMIT: &str = "Source-Commit: ";
/// Most commits that are looked at in one repository.
const COMMITS_MAX: usize = 10_000;
/// Most of them that stand for no other.
const OTHERS_MAX: usize = 1_000;
/// Most of those in a row: what someone added to what was taken over.
const OTHERS_IN_A_ROW_MAX: usize = 100;
/// Most memory for what was found, in bytes (estimated).
const HELD_BYTES_MAX: u64 = 32 << 20;
/// Memory for one commit that was found, in bytes (estimated).
const ENTRY_BYTES: usize = 64;

/// The commit here for each of a source.
type Found = Arc<HashMap<ObjectId, ObjectId>>;

/// What was found lately, by repository and the commits that its branches and tags are at.
pub(crate) struct SourceCommits(Kept<(RepoId, Sha256), Found>);

impl SourceCommits {
    pub(crate) fn new() -> Self {
        Self(Kept::new(HELD_BYTES_MAX, |found| (found.len() + 1) * ENTRY_BYTES))
    }
}

impl Hub {
    /// The commit that a revision means: what git means by it, or else, for a whole commit id, the newest commit of
    /// a branch or tag that stands for that commit of a source.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Unavailable`] when no place came free.
    pub(crate) async fn commit_meant(
        &self,
        repo: RepoId,
        snapshot: &Arc<Snapshot>,
        revision: &str,
    ) -> Result<ObjectId> {
        let (of_git, text) = (Arc::clone(snapshot), revision.to_owned());
        let found = self.leaf.run(move || Ok(polder_git::resolve_revision(&of_git, &text)?)).await;
        match found {
            Err(missing) => self.stands_for(repo, snapshot, revision, missing).await,
            found => found,
        }
    }

    /// The newest commit that stands for that commit of a source which a revision is the whole id of, where git knows
    /// none by it.
    ///
    /// # Errors
    /// What git said, when there is none; [`Kind::Unavailable`] when no place came free.
    pub(crate) async fn stands_for(
        &self,
        repo: RepoId,
        snapshot: &Arc<Snapshot>,
        revision: &str,
        missing: Error,
    ) -> Result<ObjectId> {
        if missing.kind() != Kind::NotFound {
            return Err(missing);
        }
        let Ok(source) = revision.to_ascii_lowercase().parse::<ObjectId>() else { return Err(missing) };
        let key = (repo, in_place(|| digest(snapshot)));
        let snapshot = Arc::clone(snapshot);
        let search = self.histories.run(move || Ok(Arc::new(search(&snapshot))));
        let found = self.source_commits.0.find(key, search).await?;
        found.get(&source).copied().ok_or(missing)
    }
}

/// The commit of a source that a commit here stands for.
pub(crate) fn source_of(snapshot: &Snapshot, commit_id: ObjectId) -> Option<ObjectId> {
    named_by(&polder_git::commit_info(snapshot, commit_id).ok()?)
}

fn named_by(info: &CommitInfo) -> Option<ObjectId> {
    info.message.lines().next_back()?.strip_prefix(SOURCE_COMMIT)?.parse().ok()
}

/// Where the search begins: what every branch and tag stands for in the end, the default branch first.
fn tips(snapshot: &Snapshot) -> impl Iterator<Item = ObjectId> {
    let branches = snapshot.visible_refs_below("refs/heads/");
    let tags = snapshot.visible_refs_below("refs/tags/");
    snapshot.head_ref().into_iter().chain(branches).chain(tags).map(|tip| tip.peeled.unwrap_or(tip.oid))
}

/// Another one wherever the search may find something else.
fn digest(snapshot: &Snapshot) -> Sha256 {
    let mut digest = sha2::Sha256::new();
    tips(snapshot).for_each(|tip| digest.update(tip.as_bytes()));
    Sha256::new(digest.finalize().into())
}

/// Looks along the first parents of every branch and tag. What cannot be read ends its line, as its beginning would.
fn search(snapshot: &Snapshot) -> HashMap<ObjectId, ObjectId> {
    let mut found: HashMap<ObjectId, (UnixMillis, ObjectId)> = HashMap::new();
    let (mut seen, mut others) = (HashSet::new(), 0);
    for tip in tips(snapshot) {
        let (mut at, mut in_a_row) = (Some(tip), 0);
        while let Some(commit_id) = at {
            let is_enough =
                seen.len() >= COMMITS_MAX || others >= OTHERS_MAX || in_a_row >= OTHERS_IN_A_ROW_MAX;
            if is_enough || !seen.insert(commit_id) {
                break;
            }
            let Ok(info) = polder_git::commit_info(snapshot, commit_id) else { break };
            if let Some(source) = named_by(&info) {
                in_a_row = 0;
                let newest = found.entry(source).or_insert((info.time, commit_id));
                if newest.0 < info.time {
                    *newest = (info.time, commit_id);
                }
            } else {
                (others, in_a_row) = (others + 1, in_a_row + 1);
            }
            at = info.parents.first().copied();
        }
    }
    found.into_iter().map(|(source, (_, commit_id))| (source, commit_id)).collect()
}

#[cfg(test)]
mod tests {
    use polder_git::Ref;

    use super::*;

    fn at(refs: &[(&str, &str, Option<&str>)]) -> Snapshot {
        let id = |digit: &str| digit.repeat(40).parse::<ObjectId>().expect("an id");
        let refs = refs.iter().map(|(name, oid, peeled)| Ref {
            name: (*name).to_owned(),
            oid: id(oid),
            peeled: peeled.map(id),
        });
        Snapshot::new(1, "refs/heads/main".to_owned(), refs.collect(), Vec::new())
    }

    /// Whoever may read a repository makes pull requests, and must not be able to have it searched anew with each.
    #[test]
    fn a_search_is_of_branches_and_tags_and_of_nothing_else() {
        let main = ("refs/heads/main", "a", None);
        let before = digest(&at(&[main]));
        assert_eq!(digest(&at(&[main, ("refs/pr/1", "b", None)])), before);
        assert_eq!(digest(&at(&[main, ("refs/convert/parquet", "b", None)])), before);
        let tag = digest(&at(&[main, ("refs/tags/v1", "b", None)]));
        assert_ne!(tag, before);
        assert_eq!(digest(&at(&[main, ("refs/tags/v1", "c", Some("b"))])), tag, "of what it stands for");
        assert_ne!(digest(&at(&[("refs/heads/main", "b", None)])), before);
        assert_ne!(digest(&at(&[main, ("refs/heads/dev", "c", None)])), before);
    }
}
