//! What happened to the paths of a repository.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use polder_git::{CommitInfo, FolderCommits, PathCommits, Snapshot};
use polder_types::{ObjectId, RepoId};

use crate::Hub;
use crate::access::{Grant, Sees};
use crate::error::Result;

/// Most memory for the last commits of folders, in bytes (estimated).
const FOLDERS_BYTES_MAX: u64 = 64 << 20;
/// Most commits whose answers are held for one folder; a walk from another commit ends where it meets one.
const ANSWERS_MAX: usize = 4;

type FolderKey = (RepoId, Arc<str>);
type Answers = Arc<[Arc<FolderCommits>]>;

/// The last commits of the folders that were listed lately.
///
/// What is held is true for as long as its commit exists, whatever refs are pushed or objects dropped, so
/// nothing is ever taken out but for want of room, and nodes need not agree.
pub(crate) struct FolderHistories(moka::sync::Cache<FolderKey, Answers>);

impl FolderHistories {
    pub(crate) fn new() -> Self {
        let weight = |answers: &Answers| answers.iter().map(|answers| answers.memory_bytes()).sum::<usize>();
        let cache = moka::sync::Cache::builder()
            .max_capacity(FOLDERS_BYTES_MAX)
            .weigher(move |_, answers| u32::try_from(weight(answers)).unwrap_or(u32::MAX))
            .build();
        Self(cache)
    }

    fn held(&self, repo: RepoId, folder: &str) -> Answers {
        self.0.get(&(repo, Arc::from(folder))).unwrap_or_default()
    }

    fn find(&self, repo: RepoId, folder: &str, commit_id: ObjectId) -> Option<Arc<FolderCommits>> {
        let held = self.held(repo, folder);
        held.iter().find(|answers| answers.commit_id() == commit_id).cloned()
    }

    /// Holds one more answer; the oldest of its folder goes when there are too many.
    fn keep(&self, repo: RepoId, answers: &Arc<FolderCommits>) {
        let before = self.held(repo, answers.path());
        let others = before.iter().filter(|held| held.commit_id() != answers.commit_id());
        let kept: Answers = std::iter::once(answers).chain(others.take(ANSWERS_MAX - 1)).cloned().collect();
        self.0.insert((repo, Arc::from(answers.path())), kept);
    }

    /// The answers for these folders; what is not held is walked for, all at once. Blocking.
    fn walk(
        &self,
        repo: RepoId,
        snapshot: &Snapshot,
        commit_id: ObjectId,
        folders: &BTreeSet<&str>,
    ) -> Result<HashMap<String, Arc<FolderCommits>>> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for folder in folders {
            match self.find(repo, folder, commit_id) {
                Some(answers) => drop(found.insert((*folder).to_owned(), answers)),
                None => missing.push(*folder),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let held: Vec<Answers> = missing.iter().map(|folder| self.held(repo, folder)).collect();
        let known: Vec<&FolderCommits> =
            held.iter().flat_map(|answers| answers.iter()).map(AsRef::as_ref).collect();
        for answers in polder_git::last_commits(snapshot, commit_id, &missing, &known)? {
            let answers = Arc::new(answers);
            self.keep(repo, &answers);
            found.insert(answers.path().to_owned(), answers);
        }
        Ok(found)
    }
}

impl Hub {
    /// The commit that last changed each of `paths`, in their order; a folder changes with what is in it.
    ///
    /// `paths` are those of a listing of the same commit. `None` where history is too long to tell, and for
    /// the root. Whole folders are remembered: the next page costs nothing, and after a push only
    /// the new commits are looked at.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown commit or a path in a folder that is not there;
    /// [`crate::Kind::Unavailable`] when no place came free.
    pub async fn last_commits(
        &self,
        grant: &Grant<impl Sees>,
        commit_id: ObjectId,
        paths: Vec<String>,
    ) -> Result<Vec<Option<CommitInfo>>> {
        let (hub, repo) = (self.clone(), grant.repo_id());
        let held = self.held(repo).await?;
        let is_held = |path: &String| {
            let (folder, _) = split(path);
            hub.folder_histories.find(repo, folder, commit_id).is_some()
        };
        // Long walks must not keep short ones waiting.
        let door = if paths.iter().all(is_held) { self.leaf.clone() } else { self.histories.clone() };
        door.run(move || {
            let folders = paths.iter().map(|path| split(path).0).collect();
            let found = hub.folder_histories.walk(repo, &held.snapshot, commit_id, &folders)?;
            let mut infos: HashMap<ObjectId, CommitInfo> = HashMap::new();
            let mut answers = Vec::with_capacity(paths.len());
            for path in &paths {
                let (folder, name) = split(path);
                let Some(last) = found.get(folder).and_then(|answers| answers.of(name)) else {
                    answers.push(None);
                    continue;
                };
                let info = match infos.get(&last) {
                    Some(info) => info.clone(),
                    None => polder_git::commit_info(&held.snapshot, last)?,
                };
                infos.insert(last, info.clone());
                answers.push(Some(info));
            }
            Ok(answers)
        })
        .await
    }

    /// The commits at and before `commit_id` that changed what stands at `path`, newest first: `limit` after the
    /// first `skip`.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown commit; [`crate::Kind::TooLarge`] where history is too long;
    /// [`crate::Kind::Unavailable`] when no place came free.
    pub async fn path_commits(
        &self,
        grant: &Grant<impl Sees>,
        commit_id: ObjectId,
        path: &str,
        skip: usize,
        limit: usize,
    ) -> Result<PathCommits> {
        let held = self.held(grant.repo_id()).await?;
        let path = path.to_owned();
        self.histories
            .run(move || Ok(polder_git::path_commits(&held.snapshot, commit_id, &path, skip, limit)?))
            .await
    }
}

/// The folder and the name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
