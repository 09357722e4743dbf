//! Merging pull requests, and what they would change.

use polder_db::{Discussion, DiscussionAt, Proposal, Pull};
use polder_types::ObjectId;
use tokio::runtime::Handle;

use super::{checked_text, no_discussion};
use crate::Hub;
use crate::access::{Contribute, Grant, Read, Write};
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;
use crate::merge::{Merged, REMERGE_MAX};

/// What merging one is called in the audit log.
const MERGE: &str = "pull.merge";
/// Most paths in conflict that a refusal names.
const CONFLICTS_NAMED_MAX: usize = 100;

/// What a pull request would change.
#[derive(Debug, Clone, Default)]
pub struct PullChanges {
    /// What its commits change, as a unified diff.
    pub diff: String,
    /// Paths that differ on both sides; `None` where only git can say.
    pub conflicts: Option<Vec<String>>,
}

impl Hub {
    /// Merges a pull request into its branch, and answers where that is then. Both happen at once or neither.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none of this number; [`Kind::Conflict`] when it is merged or closed, brings
    /// nothing, or conflicts with its branch, with the paths; else as [`Hub::merge`].
    pub async fn merge_pull(
        &self,
        grant: &Grant<Write>,
        num: i64,
        comment: Option<&str>,
    ) -> Result<ObjectId> {
        let comment = comment.map(checked_text).transpose()?;
        let merged = self.writing(grant, MERGE, move |hub, grant| {
            for _ in 0..REMERGE_MAX {
                if let Some(merge_oid) = hub.try_merge_pull(grant, num, comment.as_deref())? {
                    return Ok(merge_oid);
                }
            }
            Err(Error::unavailable("the branch moves too fast; try again").into())
        });
        let merge_oid = merged.await.map_err(OpenError::into_error)?;
        Ok(merge_oid)
    }

    /// One attempt; `None` when something moved meanwhile. Blocking.
    fn try_merge_pull(
        &self,
        grant: &Grant<Contribute>,
        num: i64,
        comment: Option<&str>,
    ) -> Result<Option<ObjectId>> {
        let runtime = Handle::current();
        let at = DiscussionAt { repo: grant.repo_id(), num };
        let found = runtime.block_on(self.db.discussion(at))?;
        let (discussion, pull) = mergeable(found, num)?;
        let author = grant.actor().ok_or_else(|| Error::hidden(true, ""))?;
        let held = runtime.block_on(self.held(grant.repo_id()))?;
        let name = format!("refs/pr/{num}");
        let source = held.snapshot.find_ref(&name).map(|found| found.oid);
        let source = source.ok_or_else(|| Error::not_found(format!("there is no `{name}`")))?;
        let proposal = |base_oid, merge_oid| {
            let comment = comment.map(str::to_owned);
            Some(Proposal::Merge { num, author, head: source, base_oid, merge_oid, comment })
        };
        let message = format!("Merge pull request #{num}\n\n{}", discussion.title);
        match self.try_merge(grant, (source, &pull.base), &message, proposal)? {
            None => Ok(None),
            Some(Merged::FastForward(merge_oid) | Merged::Merged(merge_oid)) => Ok(Some(merge_oid)),
            Some(Merged::UpToDate) => {
                let branch = pull.base.trim_start_matches("refs/heads/");
                let message = format!("there is nothing to merge: `{branch}` has all of it");
                Err(Error::new(Kind::Conflict, message))
            }
            Some(Merged::Conflicts(paths)) => Err(conflicts(&paths)),
        }
    }

    /// What a pull request would change, or did.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when no place came free; when the repository cannot be read.
    pub async fn pull_changes(&self, grant: &Grant<Read>, discussion: &Discussion) -> Result<PullChanges> {
        let Some(pull) = &discussion.pull else { return Ok(PullChanges::default()) };
        let held = self.held(grant.repo_id()).await?;
        let tip = |name: &str| held.snapshot.find_ref(name).map(|found| found.oid);
        let Some(source) = tip(&format!("refs/pr/{}", discussion.num)) else {
            return Ok(PullChanges::default());
        };
        let is_merged = pull.merge_oid.is_some();
        let base = tip(&pull.base).filter(|_| !is_merged).unwrap_or(pull.base_oid);
        let since = self.merge_base(grant, base, source).await?;
        let diff = self.unified_diff(grant, since, source).await?.text;
        let conflicts = if is_merged {
            Some(Vec::new())
        } else {
            match self.merge_conflicts(grant, source, base).await {
                Ok(paths) => Some(paths),
                Err(error) if matches!(error.kind(), Kind::Invalid | Kind::TooLarge) => None,
                Err(error) => return Err(error),
            }
        };
        Ok(PullChanges { diff, conflicts })
    }
}

/// The pull request, if it may be merged.
fn mergeable(found: Option<Discussion>, num: i64) -> Result<(Discussion, Pull)> {
    let discussion = found.ok_or_else(|| no_discussion(num))?;
    let Some(pull) = discussion.pull.clone() else {
        return Err(Error::new(Kind::Conflict, format!("discussion {num} is no pull request")));
    };
    if !discussion.status.is_open() {
        let status = discussion.status.as_str();
        return Err(Error::new(Kind::Conflict, format!("pull request {num} is {status}")));
    }
    Ok((discussion, pull))
}

fn conflicts(paths: &[String]) -> Error {
    let named = paths.iter().take(CONFLICTS_NAMED_MAX).map(|path| format!("`{path}`")).collect::<Vec<_>>();
    let omitted = paths.len() - named.len();
    let more = if omitted > 0 { format!(" and {omitted} more") } else { String::new() };
    Error::new(Kind::Conflict, format!("these files conflict with the branch: {}{more}", named.join(", ")))
}
