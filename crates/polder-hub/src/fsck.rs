//! Checking everything that is stored: refs, packs, large objects, and the links between them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use polder_blob::ListClaim;
use polder_db::{Repo, RowState, StoredBlob};
use polder_types::{BlobId, LfsPointer, RepoId, Sha256, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::exchange::Progress as Lines;
use crate::snapshots::check_pack;

/// How thorough to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsckOptions {
    /// Also read every byte: inflate and hash each git object, hash each large object.
    pub deep: bool,
}

/// What was looked at and what is wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FsckReport {
    /// Repositories checked.
    pub repos: u64,
    /// Packs checked.
    pub packs: u64,
    /// Git objects reached from refs.
    pub objects: u64,
    /// Large objects checked.
    pub blobs: u64,
    /// One line for each thing that is wrong; empty when all is well.
    pub problems: Vec<String>,
}

/// Where an interrupted check goes on.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    deep: bool,
    started: Option<UnixMillis>,
    repo: Option<RepoId>,
    repos_done: bool,
    blob: Option<BlobId>,
    report: FsckReport,
}

const OLDER: &str = "the database is older than the store, so nothing is swept: bring back the newer database, or \
    take this one as it is with `polder fsck --accept-database`";

const PROGRESS_FILE: &str = "fsck-progress.json";
/// How long an interrupted check can be gone on with, in seconds: what it saw is no news after that.
const RESUME_SECONDS: i64 = 24 * 3600;
/// Rows read at a time.
const PAGE: i64 = 500;
/// Most problems that are listed; more are only counted in the last line.
const PROBLEMS_MAX: usize = 10_000;

impl Hub {
    /// Checks the whole hub while it goes on serving. An interrupted check goes on where it was.
    ///
    /// # Errors
    /// When something cannot be read at all; what is wrong with the data is in the report.
    pub async fn fsck(&self, options: FsckOptions, say: Lines) -> Result<FsckReport> {
        let Ok(_alone) = self.checking.try_lock() else {
            return Err(Error::new(Kind::Conflict, "a check is running already; wait for it"));
        };
        let mut progress = self.load_progress(options)?;
        if progress.repo.is_some() || progress.repos_done {
            say("going on with an interrupted check");
        }
        while !progress.repos_done {
            let page = self.repo_page(progress.repo).await?;
            progress.repos_done = page.is_empty();
            for repo in page {
                say(&format!("checking {}", repo.name));
                let found = self.check_repo(&repo, options.deep).await?;
                progress.repo = Some(repo.id);
                progress.report.add(found);
                self.save_progress(&progress)?;
            }
        }
        say("checking large objects");
        loop {
            let page = self.db.list_blobs(progress.blob, PAGE).await?;
            let Some(last) = page.last() else { break };
            progress.blob = Some(last.id);
            for blob in page {
                let problem = self.check_blob(blob, options.deep).await?;
                progress.report.blobs += 1;
                progress.report.problems.extend(problem);
            }
            self.save_progress(&progress)?;
        }
        progress.report.problems.extend(self.check_holders().await?);
        progress.report.problems.extend(self.check_quotas().await?);
        if self.is_older_than_store().await? {
            progress.report.problems.push(OLDER.to_owned());
        }
        std::fs::remove_file(self.progress_path()).map_err(Error::internal)?;
        Ok(progress.report)
    }

    /// What repositories and attachments hold is here, whether or not a file needs it.
    async fn check_holders(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for (repo, oid) in self.db.dangling_links(PAGE).await? {
            let name = match self.db.repo(repo).await? {
                Some(repo) => repo.name.to_string(),
                None => format!("repository {}", repo.0),
            };
            problems.push(format!("{name}: links object {oid}, which is not here"));
        }
        let dangling = self.db.dangling_attachments(PAGE).await?;
        problems.extend(
            dangling.iter().map(|oid| format!("object {oid}: an attachment has it, and it is not here")),
        );
        Ok(problems)
    }

    /// What is counted for each namespace is what it stores.
    async fn check_quotas(&self) -> Result<Vec<String>> {
        let (mut after, mut problems) = (None, Vec::new());
        loop {
            let (last, wrong) = self.db.check_usage(after, PAGE).await?;
            problems.extend(wrong);
            match last {
                Some(last) => after = Some(last),
                None => return Ok(problems),
            }
        }
    }

    async fn check_repo(&self, repo: &Repo, deep: bool) -> Result<FsckReport> {
        let Some(state) = self.db.load_repo_state(repo.id).await? else { return Ok(FsckReport::default()) };
        let links = self.links(repo.id).await?;
        let (name, store) = (repo.name.clone(), self.store.clone());
        let checked = self
            .leaf
            .run(move || {
                let mut report = FsckReport { repos: 1, ..FsckReport::default() };
                let (mut packs, mut found) = (Vec::new(), Vec::new());
                for row in state.packs {
                    report.packs += 1;
                    let id = row.id;
                    let checked = check_pack(row, &store, deep);
                    found.push((id, checked.is_ok()));
                    match checked {
                        Ok(pack) => packs.push(std::sync::Arc::new(pack)),
                        Err(error) => report.problems.push(format!("{name}: pack {id}: {}", error.chain())),
                    }
                }
                let refs: Vec<polder_git::Ref> = state
                    .refs
                    .into_iter()
                    .map(|row| polder_git::Ref { name: row.name, oid: row.oid, peeled: row.peeled })
                    .collect();
                let snapshot = polder_git::Snapshot::new(state.repo.generation, state.repo.head, refs, packs);
                let audit = polder_git::audit(&snapshot)?;
                report.objects = audit.objects;
                report.problems.extend(audit.problems.iter().map(|problem| format!("{name}: {problem}")));
                report.problems.extend(check_links(&name.to_string(), &audit.pointers, &links));
                Ok((report, found))
            })
            .await;
        let (report, found) = checked?;
        let any_known = self.db.damage().await?.packs > 0;
        let mut is_news = false;
        for (id, is_sound) in found {
            if !is_sound {
                is_news |= self.db.mark_damaged_pack(id).await?;
            } else if deep && any_known {
                self.db.mark_sound_pack(id).await?;
            }
        }
        if is_news {
            self.repair_bell.notify_one();
        }
        Ok(report)
    }

    /// Every large object that a repository links, or fetches when somebody asks for it, with its size.
    async fn links(&self, repo: RepoId) -> Result<HashMap<Sha256, i64>> {
        let mut links = HashMap::new();
        let mut after = None;
        loop {
            let page = self.db.list_repo_blobs(repo, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sha256);
            links.extend(page.into_iter().map(|blob| (blob.sha256, blob.size_bytes)));
        }
        after = None;
        loop {
            let page = self.db.list_lazy_objects(repo, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(links) };
            after = Some(last.sha256);
            for object in page {
                links.entry(object.sha256).or_insert(object.size_bytes);
            }
        }
    }

    async fn check_blob(&self, blob: StoredBlob, deep: bool) -> Result<Option<String>> {
        if blob.state != RowState::Live {
            return Ok(None);
        }
        if blob.damaged && !deep {
            return Ok(Some(format!("object {}: is known to be damaged and waits for repair", blob.sha256)));
        }
        let problem = self.look_at_blob(blob.clone(), deep).await?;
        match &problem {
            Some(Problem::Bytes(_)) => {
                if self.db.mark_damaged_blob(blob.id).await? {
                    self.repair_bell.notify_one();
                }
            }
            Some(Problem::List(_)) | None if blob.damaged => drop(self.db.mark_sound_blob(blob.id).await?),
            Some(Problem::List(_)) | None => {}
        }
        Ok(problem.map(|problem| format!("object {}: {}", blob.sha256, problem.text())))
    }

    async fn look_at_blob(&self, blob: StoredBlob, deep: bool) -> Result<Option<Problem>> {
        let store = self.store.clone();
        self.leaf
            .run(move || {
                let opened = match store.open_blob(blob.id) {
                    Ok(opened) => opened,
                    Err(error) => return Ok(Some(Problem::Bytes(error.to_string()))),
                };
                let size_bytes = opened.size_bytes;
                if i64::try_from(size_bytes) != Ok(blob.size_bytes) {
                    let wrong = format!("has {size_bytes} bytes, not {}", blob.size_bytes);
                    return Ok(Some(Problem::Bytes(wrong)));
                }
                if deep {
                    match store.hash_blob(blob.id) {
                        Ok((sha256, _)) if sha256 == blob.sha256 => {}
                        Ok((sha256, _)) => {
                            return Ok(Some(Problem::Bytes(format!("its bytes are {sha256}"))));
                        }
                        Err(error) => return Ok(Some(Problem::Bytes(error.to_string()))),
                    }
                }
                let Some(file_hash) = blob.xet else { return Ok(None) };
                let claim = ListClaim { sha256: blob.sha256, size_bytes, file_hash };
                Ok(store.check_list(blob.id, &claim, deep)?.map(Problem::List))
            })
            .await
    }

    fn progress_path(&self) -> PathBuf {
        self.data_dir.join(PROGRESS_FILE)
    }

    /// The interrupted check of the same thoroughness, or a new one.
    fn load_progress(&self, options: FsckOptions) -> Result<Progress> {
        let now = self.clock.now();
        let fresh = Progress { deep: options.deep, started: Some(now), ..Progress::default() };
        let is_recent = |started: UnixMillis| started.plus_seconds(RESUME_SECONDS) > now;
        let text = match std::fs::read(self.progress_path()) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.save_progress(&fresh)?;
                return Ok(fresh);
            }
            Err(error) => return Err(Error::internal(error)),
        };
        match serde_json::from_slice::<Progress>(&text) {
            Ok(found) if found.deep == options.deep && found.started.is_some_and(is_recent) => Ok(found),
            Ok(_) | Err(_) => Ok(fresh),
        }
    }

    /// Losing this file only means checking again, so it is not synced.
    fn save_progress(&self, progress: &Progress) -> Result<()> {
        let text = serde_json::to_vec(progress).map_err(Error::internal)?;
        let staged = self.data_dir.join(format!("{PROGRESS_FILE}.new"));
        std::fs::write(&staged, text).map_err(Error::internal)?;
        std::fs::rename(&staged, self.progress_path()).map_err(Error::internal)
    }
}

/// What is wrong with a large object.
enum Problem {
    /// It must not be served.
    Bytes(String),
    /// Its chunk list is not as it should be.
    List(String),
}

impl Problem {
    fn text(&self) -> &str {
        match self {
            Self::Bytes(text) | Self::List(text) => text,
        }
    }
}

impl FsckReport {
    fn add(&mut self, other: Self) {
        self.repos += other.repos;
        self.packs += other.packs;
        self.objects += other.objects;
        self.blobs += other.blobs;
        self.problems.extend(other.problems);
        self.problems.truncate(PROBLEMS_MAX);
    }
}

fn check_links(name: &str, pointers: &HashSet<LfsPointer>, links: &HashMap<Sha256, i64>) -> Vec<String> {
    let wrong = |pointer: &LfsPointer| match links.get(&pointer.oid) {
        None => Some(format!("{name}: no link to object {}, which a file needs", pointer.oid)),
        Some(size) if u64::try_from(*size) != Ok(pointer.size_bytes) => Some(format!(
            "{name}: object {} has {size} bytes, its pointer says {}",
            pointer.oid, pointer.size_bytes
        )),
        Some(_) => None,
    };
    pointers.iter().filter_map(wrong).collect()
}
