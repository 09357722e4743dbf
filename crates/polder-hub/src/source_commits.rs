//! Commits that stand for those of another server: which one here is meant by an id from there.
//!
//! What was taken over file by file names its source in the last line of each commit. Only a search through history
//! finds it, so the search is bounded and its result held until a ref moves. Pull requests do not count: whoever
//! may read a repository writes to those.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polder_git::{CommitInfo, Ref, Snapshot};
use polder_types::{ObjectId, RepoId, UnixMillis};

use crate::Hub;
use crate::error::Result;

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

/// What was found lately, by repository and generation.
pub(crate) struct SourceCommits(moka::sync::Cache<(RepoId, i64), Found>);

impl SourceCommits {
    pub(crate) fn new() -> Self {
        let weight = |found: &Found| u32::try_from((found.len() + 1) * ENTRY_BYTES).unwrap_or(u32::MAX);
        let cache = moka::sync::Cache::builder()
            .max_capacity(HELD_BYTES_MAX)
            .weigher(move |_, found| weight(found))
            .build();
        Self(cache)
    }

    /// Blocking.
    fn of(&self, repo: RepoId, snapshot: &Snapshot) -> Found {
        self.0.get_with((repo, snapshot.generation()), || Arc::new(search(snapshot)))
    }
}

impl Hub {
    /// The commit that a revision means: what git means by it, or else, for a whole commit id, the newest commit of
    /// a branch or tag that stands for that commit of a source. Blocking.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`].
    pub(crate) fn commit_meant(&self, repo: RepoId, snapshot: &Snapshot, revision: &str) -> Result<ObjectId> {
        let missing = match polder_git::resolve_revision(snapshot, revision) {
            Err(missing @ polder_git::Error::NotFound { .. }) => missing,
            found => return Ok(found?),
        };
        let Ok(source) = revision.to_ascii_lowercase().parse::<ObjectId>() else {
            return Err(missing.into());
        };
        let found = self.source_commits.of(repo, snapshot).get(&source).copied();
        found.ok_or_else(|| missing.into())
    }
}

/// The commit of a source that a commit here stands for.
pub(crate) fn source_of(snapshot: &Snapshot, commit_id: ObjectId) -> Option<ObjectId> {
    named_by(&polder_git::commit_info(snapshot, commit_id).ok()?)
}

fn named_by(info: &CommitInfo) -> Option<ObjectId> {
    info.message.lines().next_back()?.strip_prefix(SOURCE_COMMIT)?.parse().ok()
}

/// Looks along the first parents of every branch and tag. What cannot be read ends its line, as its beginning would.
fn search(snapshot: &Snapshot) -> HashMap<ObjectId, ObjectId> {
    let mut found: HashMap<ObjectId, (UnixMillis, ObjectId)> = HashMap::new();
    let (mut seen, mut others) = (HashSet::new(), 0);
    let branches = snapshot.visible_refs_below("refs/heads/");
    let tips: Vec<&Ref> = snapshot
        .head_ref()
        .into_iter()
        .chain(branches)
        .chain(snapshot.visible_refs_below("refs/tags/"))
        .collect();
    for tip in tips {
        let (mut at, mut in_a_row) = (Some(tip.oid), 0);
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
