//! Reading what a repository holds: revisions, trees, files; small ones from git, large ones from the store.

use std::sync::Arc;

use bytes::Bytes;
use polder_git::{CommitInfo, CommitPage, FileList, TreeEntry, TreePage};
use polder_types::ObjectId;

use crate::Hub;
use crate::access::{Grant, Read, Sees};
use crate::error::{Error, Kind, Result};
use crate::follow::OpenObject;
use crate::snapshots::Held;

/// A file at a revision, open for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The commit that the revision meant.
    pub commit_id: ObjectId,
    /// Its place in the tree.
    pub entry: TreeEntry,
    /// Its bytes.
    pub content: FileContent,
}

/// Where a file's bytes are.
#[derive(Debug)]
pub enum FileContent {
    /// In git: here they are.
    Git(Bytes),
    /// A large object's.
    Object(OpenObject),
}

/// Why a file could not be opened, as far as clients tell the cases apart.
#[derive(Debug)]
pub enum OpenError {
    /// No such branch, tag or commit.
    Revision(Error),
    /// The revision exists, the path does not, or is not a file.
    Entry {
        /// The commit that the revision meant.
        commit_id: ObjectId,
        /// The message for the client.
        error: Error,
    },
    /// Anything else.
    Other(Error),
}

impl OpenError {
    /// What is told and logged.
    pub fn error(&self) -> &Error {
        match self {
            Self::Revision(error) | Self::Entry { error, .. } | Self::Other(error) => error,
        }
    }

    /// The same without the distinction.
    pub fn into_error(self) -> Error {
        match self {
            Self::Revision(error) | Self::Entry { error, .. } | Self::Other(error) => error,
        }
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Hub {
    /// The commit that a branch, tag, ref or commit id means; an id of a source that was taken over file by file
    /// means the commit that stands for it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`].
    pub async fn resolve_revision(&self, grant: &Grant<impl Sees>, revision: &str) -> Result<ObjectId> {
        let held = self.held(grant.repo_id()).await?;
        self.commit_meant(grant.repo_id(), &held.snapshot, revision).await
    }

    /// Opens a file as a reader of the repository sees it: a pointer is followed to its bytes, a link is not: its
    /// bytes are its target's name.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_file(
        &self,
        grant: &Grant<Read>,
        revision: &str,
        path: &str,
    ) -> Result<OpenFile, OpenError> {
        self.open_at(grant, revision, path, true).await
    }

    /// Opens a file as git stores it: a pointer stays a pointer.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_raw(
        &self,
        grant: &Grant<Read>,
        revision: &str,
        path: &str,
    ) -> Result<OpenFile, OpenError> {
        self.open_at(grant, revision, path, false).await
    }

    async fn open_at(
        &self,
        grant: &Grant<Read>,
        revision: &str,
        path: &str,
        follow: bool,
    ) -> Result<OpenFile, OpenError> {
        let (held, repo) = (self.held(grant.repo_id()).await?, grant.repo_id());
        let found = match self.look(&held, revision, path, follow).await {
            // A search may tell. It has its turn elsewhere, so that others open files meanwhile.
            Err(OpenError::Revision(missing)) => {
                let meant = self.stands_for(repo, &held.snapshot, revision, missing).await;
                let commit_id = meant.map_err(OpenError::Revision)?;
                self.look(&held, &commit_id.to_string(), path, follow).await
            }
            found => found,
        };
        let (commit_id, entry, content) = found?;
        let content = match entry.pointer {
            Some(pointer) if follow => FileContent::Object(self.open_object(repo, pointer.oid).await?),
            _ => FileContent::Git(content),
        };
        Ok(OpenFile { commit_id, entry, content })
    }

    /// The file at a path of what git means by a revision, and what git stores of it, unless that is a pointer to be
    /// followed.
    async fn look(
        &self,
        held: &Held,
        revision: &str,
        path: &str,
        follow: bool,
    ) -> Result<(ObjectId, TreeEntry, Bytes), OpenError> {
        let (snapshot, revision, path) = (Arc::clone(&held.snapshot), revision.to_owned(), path.to_owned());
        let found = self.leaf.run(move || {
            let commit_id = match polder_git::resolve_revision(&snapshot, &revision) {
                Ok(commit_id) => commit_id,
                Err(error) => return Ok(Err(OpenError::Revision(error.into()))),
            };
            let entry = match polder_git::entry(&snapshot, commit_id, &path) {
                Ok(entry) if entry.kind.is_blob() => entry,
                Ok(_) => {
                    let error = Error::not_found(format!("`{path}` is not a file"));
                    return Ok(Err(OpenError::Entry { commit_id, error }));
                }
                Err(error) => return Ok(Err(OpenError::Entry { commit_id, error: error.into() })),
            };
            let content = match entry.pointer {
                Some(_) if follow => Bytes::new(),
                _ => polder_git::read_file(&snapshot, entry.oid)?,
            };
            Ok(Ok((commit_id, entry, content)))
        });
        found.await?
    }

    /// The commit that a revision means, or `None` for the default branch of a repository without any
    /// branch: it has no files, and is there all the same.
    ///
    /// # Errors
    /// [`OpenError::Revision`].
    pub async fn find_revision(
        &self,
        grant: &Grant<impl Sees>,
        revision: &str,
    ) -> Result<Option<ObjectId>, OpenError> {
        let held = self.held(grant.repo_id()).await?;
        let default = held.snapshot.head();
        let short = default.strip_prefix("refs/heads/").unwrap_or(default);
        let is_default = ["HEAD", default, short, polder_git::USUAL_BRANCH].contains(&revision);
        if is_default && held.snapshot.visible_refs_below("refs/heads/").next().is_none() {
            return Ok(None);
        }
        match self.resolve_revision(grant, revision).await {
            Ok(commit_id) => Ok(Some(commit_id)),
            Err(error) if error.kind() == Kind::NotFound => Err(OpenError::Revision(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// What stands at each path; those with nothing are left out.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn entries(
        &self,
        grant: &Grant<impl Sees>,
        commit_id: ObjectId,
        paths: Vec<String>,
    ) -> Result<Vec<TreeEntry>> {
        let held = self.held(grant.repo_id()).await?;
        self.leaf
            .run(move || {
                let found = paths.iter().map(|path| polder_git::entry(&held.snapshot, commit_id, path));
                let there = found.filter(|found| !matches!(found, Err(polder_git::Error::NotFound { .. })));
                Ok(there.collect::<polder_git::Result<_>>()?)
            })
            .await
    }

    /// One commit.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn commit_info(&self, grant: &Grant<impl Sees>, commit_id: ObjectId) -> Result<CommitInfo> {
        let held = self.held(grant.repo_id()).await?;
        self.leaf.run(move || Ok(polder_git::commit_info(&held.snapshot, commit_id)?)).await
    }

    /// A commit and what came before it, newest first: `limit` commits after the first `skip`.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn list_commits(
        &self,
        grant: &Grant<impl Sees>,
        commit_id: ObjectId,
        skip: usize,
        limit: usize,
    ) -> Result<CommitPage> {
        let held = self.held(grant.repo_id()).await?;
        self.leaf.run(move || Ok(polder_git::list_commits(&held.snapshot, commit_id, skip, limit)?)).await
    }

    /// One page of a directory, or of everything below it.
    ///
    /// `cursor` is what the page before gave as `next`; `limit` is the most entries of a page.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown revision or directory.
    pub async fn list_tree(
        &self,
        grant: &Grant<impl Sees>,
        commit_id: ObjectId,
        path: &str,
        recursive: bool,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<TreePage> {
        let held = self.held(grant.repo_id()).await?;
        let (path, cursor) = (path.to_owned(), cursor.map(str::to_owned));
        self.leaf
            .run(move || {
                let snapshot = &held.snapshot;
                Ok(polder_git::list_tree(snapshot, commit_id, &path, recursive, cursor.as_deref(), limit)?)
            })
            .await
    }

    /// The files of a commit, without what cannot be asked for by its path: the first `files_max`, out of the first
    /// `entries_max` files and folders.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn list_files(
        &self,
        grant: &Grant<impl Sees>,
        commit_id: ObjectId,
        files_max: usize,
        entries_max: usize,
    ) -> Result<FileList> {
        let held = self.held(grant.repo_id()).await?;
        self.leaf
            .run(move || Ok(polder_git::list_files(&held.snapshot, commit_id, files_max, entries_max)?))
            .await
    }
}
