//! Commits as people read them: who, when, why.

use std::collections::BinaryHeap;

use polder_types::{ObjectId, UnixMillis};

use crate::id_set::IdSet;
use crate::{ObjectKind, ObjectReader, Result, Snapshot};

/// What a commit says about itself. Texts that are not UTF-8 show U+FFFD for what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit.
    pub commit_id: ObjectId,
    /// Its parents; none for a first commit.
    pub parents: Vec<ObjectId>,
    /// The author's name.
    pub author: String,
    /// When it was committed.
    pub time: UnixMillis,
    /// The whole message.
    pub message: String,
}

impl CommitInfo {
    /// First line of the message.
    pub fn title(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// The message without its first line.
    pub fn body(&self) -> &str {
        self.message.split_once('\n').map_or("", |(_, rest)| rest.trim())
    }
}

/// One page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPage {
    /// Newest first.
    pub commits: Vec<CommitInfo>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// Reads one commit.
///
/// # Errors
/// [`crate::Error::Corrupt`] if it is missing or malformed.
pub fn commit_info(snapshot: &Snapshot, commit_id: ObjectId) -> Result<CommitInfo> {
    read(&mut ObjectReader::new(snapshot), commit_id)
}

/// Lists `commit_id` and what came before it, newest first: `limit` commits after the first `skip`.
///
/// # Errors
/// [`crate::Error::Corrupt`] if a commit is missing or malformed.
pub fn list_commits(
    snapshot: &Snapshot,
    commit_id: ObjectId,
    skip: usize,
    limit: usize,
) -> Result<CommitPage> {
    let mut reader = ObjectReader::new(snapshot);
    let mut seen = IdSet::default();
    let mut pending = BinaryHeap::new();
    let mut page = CommitPage { commits: Vec::new(), has_more: false };
    seen.insert(commit_id);
    // Of two commits of one second the one that was found first comes first: a child before its parent.
    pending.push((reader.commit(&commit_id)?.date, std::cmp::Reverse(0_usize), commit_id));
    let mut passed = 0_usize;
    while let Some((_, _, id)) = pending.pop() {
        if page.commits.len() >= limit {
            page.has_more = true;
            break;
        }
        if passed >= skip {
            page.commits.push(read(&mut reader, id)?);
        }
        passed += 1;
        for parent in &reader.commit(&id)?.parents {
            if seen.insert(*parent) {
                pending.push((reader.commit(parent)?.date, std::cmp::Reverse(seen.len()), *parent));
            }
        }
    }
    Ok(page)
}

fn read(reader: &mut ObjectReader<'_>, commit_id: ObjectId) -> Result<CommitInfo> {
    let links = reader.commit(&commit_id)?;
    let data = reader.require(&commit_id, ObjectKind::Commit)?;
    let text = String::from_utf8_lossy(&data);
    let (headers, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let author = headers.lines().find_map(|line| line.strip_prefix("author ")).unwrap_or_default();
    Ok(CommitInfo {
        commit_id,
        parents: links.parents.clone(),
        author: author.split_once(" <").map_or(author, |(name, _)| name).to_owned(),
        time: UnixMillis(links.date.saturating_mul(1000)),
        message: message.trim_end().to_owned(),
    })
}
