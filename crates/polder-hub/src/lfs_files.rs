//! The large objects of a repository as its owners look through them, let them go, and give them to another one.

use std::collections::{BTreeSet, HashMap, HashSet};

use polder_db::LinkedFile;
use polder_types::{Sha256, UnixMillis};
use polder_xet::FileHash;

use crate::Hub;
use crate::access::{Grant, Read, Write};
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;

/// Most objects of a page, of a request to let go, and of one to give.
pub const LFS_FILES_MAX: usize = 1_000;
/// Most entries of the default branch that are looked at for the names of objects, and how many at a time.
const NAMED_ENTRIES_MAX: usize = 50_000;
const TREE_PAGE: usize = 1_000;
/// How often letting go is tried again because somebody pushed meanwhile.
const RECHECKS_MAX: usize = 3;
/// Most objects that a refusal names.
const NAMED_MAX: usize = 10;

/// A large object of a repository.
#[derive(Debug, Clone)]
pub struct LfsFile {
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// Since when the repository has it.
    pub added: UnixMillis,
    /// Where it stands on the default branch, if it does.
    pub path: Option<String>,
}

/// A page of large objects.
#[derive(Debug, Clone)]
pub struct LfsFilePage {
    /// By hash.
    pub files: Vec<LfsFile>,
    /// The default branch's ref.
    pub head: String,
    /// What to pass as `after` for the next page.
    pub next: Option<Sha256>,
}

impl Hub {
    /// One page of the large objects that a repository has, whether its refs reach them or not.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn lfs_files(
        &self,
        grant: &Grant<Write>,
        after: Option<Sha256>,
        limit: usize,
    ) -> Result<LfsFilePage> {
        let limit = limit.clamp(1, LFS_FILES_MAX);
        let rows = i64::try_from(limit).map_err(Error::internal)?.saturating_add(1);
        let mut found = self.db.linked_files(grant.repo_id(), after, rows).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|last| last.sha256);
        let mut paths =
            self.paths_of(&grant.as_read(), found.iter().map(|file| file.sha256).collect()).await?;
        let named = |LinkedFile { sha256, size_bytes, added }| {
            let path = paths.remove(&sha256);
            LfsFile { sha256, size_bytes, added, path }
        };
        let files = found.into_iter().map(named).collect();
        Ok(LfsFilePage { files, head: grant.repo_row().head.clone(), next })
    }

    /// Where each of `oids` stands on the default branch: the first path in the order of the tree.
    async fn paths_of(
        &self,
        grant: &Grant<Read>,
        mut oids: HashSet<Sha256>,
    ) -> Result<HashMap<Sha256, String>> {
        let mut paths = HashMap::new();
        let tip = self.find_revision(grant, "HEAD").await.map_err(OpenError::into_error);
        let Some(commit_id) =
            tip.or_else(|error| if error.kind() == Kind::NotFound { Ok(None) } else { Err(error) })?
        else {
            return Ok(paths);
        };
        let (mut cursor, mut seen) = (None, 0);
        while seen < NAMED_ENTRIES_MAX && !oids.is_empty() {
            let page = self.list_tree(grant, commit_id, "", true, cursor.as_deref(), TREE_PAGE).await?;
            seen += page.entries.len();
            for entry in page.entries {
                if let Some(pointer) = entry.pointer
                    && oids.remove(&pointer.oid)
                {
                    paths.insert(pointer.oid, entry.path);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(paths)
    }

    /// Takes large objects away from a repository for good; those that no other one has are removed. How many it had.
    /// With `rewrite`, history that reaches them is written anew without them first, in every branch, tag and pull
    /// request.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where a ref still reaches one of them, hidden ones too: nothing is taken then;
    /// [`Kind::Forbidden`] where a rule protects a branch; [`Kind::TooLarge`] for too much history;
    /// [`Kind::Unavailable`] where others push all the time, or what is stored is damaged.
    pub async fn delete_lfs_files(
        &self,
        grant: &Grant<Write>,
        oids: Vec<Sha256>,
        rewrite: bool,
    ) -> Result<usize> {
        for _ in 0..RECHECKS_MAX {
            let held = self.held(grant.repo_id()).await?;
            let generation = held.snapshot.generation();
            let walked = self.histories.run(move || Ok(polder_git::audit(&held.snapshot)?)).await?;
            if !walked.problems.is_empty() {
                return Err(Error::unavailable("what the refs reach is damaged: `polder fsck` says where"));
            }
            let reached: HashSet<Sha256> = walked.pointers.iter().map(|pointer| pointer.oid).collect();
            let kept: BTreeSet<Sha256> = oids.iter().filter(|oid| reached.contains(*oid)).copied().collect();
            if !kept.is_empty() {
                if !rewrite || !self.rewrite_without(grant, kept.clone()).await? {
                    return Err(still_reached(&kept));
                }
                continue;
            }
            let entry = grant.entry("lfs.delete");
            let gone = self.audited(entry).unlink_blobs(grant.repo_id(), generation, oids.clone()).await?;
            match gone {
                Some(count) => return Ok(count),
                None => self.forget(grant.repo_id()).await,
            }
        }
        Err(Error::unavailable("others push to the repository just now; try again"))
    }

    /// Gives large objects of one repository to another one without moving a byte. Those that could not be given,
    /// with the reason; `files` are hashes, with those of Xet.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] for more than [`LFS_FILES_MAX`]; when the database cannot be read or written.
    pub async fn give_lfs_files(
        &self,
        from: &Grant<Read>,
        to: &Grant<Write>,
        files: &[(Sha256, FileHash)],
    ) -> Result<Vec<(Sha256, String)>> {
        if files.len() > LFS_FILES_MAX {
            return Err(Error::new(
                Kind::TooLarge,
                format!("at most {LFS_FILES_MAX} files are given at once"),
            ));
        }
        let oids: Vec<Sha256> = files.iter().map(|(oid, _)| *oid).collect();
        let known = self.xet_hashes(from, &oids).await?;
        let mut failed = Vec::new();
        for (oid, xet) in files {
            if known.get(oid) != Some(xet) {
                failed.push((*oid, format!("`{}` has no such file", from.repo())));
                continue;
            }
            let entry =
                to.entry("lfs.link").with("oid", oid.to_string()).with("from", from.repo().to_string());
            match self.audited(entry).link_blob(to.repo_id(), oid).await.map_err(Error::from) {
                Ok(true) => {}
                Ok(false) => failed.push((*oid, "it was removed just now".to_owned())),
                Err(error) if matches!(error.kind(), Kind::OverQuota | Kind::Forbidden) => {
                    failed.push((*oid, error.message().to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }
}

fn still_reached(oids: &BTreeSet<Sha256>) -> Error {
    let named: Vec<String> = oids.iter().take(NAMED_MAX).map(|oid| format!("`{oid}`")).collect();
    let more = if oids.len() > NAMED_MAX { ", …" } else { "" };
    let named = named.join(", ");
    let message = format!(
        "branches, tags or hidden refs still need {named}{more}: delete them with `rewrite_history=True`, or push a \
         history without them first"
    );
    Error::new(Kind::Conflict, message)
}
