//! Scrubbing: everything that is stored is read again, slowly, and compared with its hashes. What proves to
//! be damaged is marked, served to nobody, and repaired from whoever has it.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use polder_blob::ListClaim;
use polder_db::{Blob, Damage, NewJob, Repo, RowState, StoredBlob};
use polder_types::{BlobId, PackId, RepoId, Sha256, UnixMillis, Visibility};
use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use tokio::time::Instant;

use crate::blocking::in_place;
use crate::error::{Error, Result};
use crate::snapshots::check_pack;
use crate::transfer::{ObjectSource, Rate, TransferOptions, Wanted};
use crate::{Hub, Peer};

/// How much is read again, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubOptions {
    /// Bytes read in a second; `None` reads nothing.
    pub bytes_per_second: Option<u64>,
    /// From the beginning of one pass to that of the next, in seconds.
    pub period_seconds: i64,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self { bytes_per_second: Some(16 << 20), period_seconds: 30 * 24 * 3600 }
    }
}

/// What one round of scrubbing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Large objects read.
    pub blobs: u64,
    /// Packs read.
    pub packs: u64,
    /// Large objects newly found to be damaged.
    pub damaged_blobs: u64,
    /// Packs newly found to be damaged.
    pub damaged_packs: u64,
    /// Whether everything has been read once.
    pub is_whole: bool,
}

const KIND: &str = "scrub";
/// Where the pass is, as JSON.
const PLACE: &str = "scrub";
/// How long one node has the work; it asks again in time.
const LEASE: Duration = Duration::from_mins(10);
/// How long one claim is worked on.
const WORK: Duration = Duration::from_mins(5);
/// Pause before a start begins to read, and between two looks for work.
const PAUSE: Duration = Duration::from_mins(1);
/// Rows read at a time, after which the place is kept.
const PAGE: i64 = 50;
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Most repositories looked through for one that has an upstream.
const LINKS_MAX: i64 = 100;
/// Most objects repaired in one round.
const REPAIRS_MAX: i64 = 1_000;

/// How far a pass is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Place {
    began: i64,
    blob: Option<i64>,
    blobs_done: bool,
    repo: Option<i64>,
    repos_done: bool,
}

/// What came of reading a large object.
enum Found {
    Sound,
    /// It went meanwhile.
    Gone,
    Damaged(String),
    /// Only its chunk list is wrong.
    List(String),
}

impl Hub {
    /// Scrubs and repairs, at the configured rate. Ends never.
    pub(crate) async fn keep_scrubbing(&self) {
        let rate = self.scrub.bytes_per_second.map(Rate::new);
        loop {
            // What is found elsewhere to be damaged is not waited with.
            let rang = tokio::time::timeout(PAUSE, self.repair_bell.notified()).await.is_ok();
            if let Some(rate) = rate.as_ref().filter(|_| !rang)
                && let Err(error) = self.scrub_once(Some(rate)).await
            {
                tracing::error!(error = %error.chain(), "scrubbing failed");
            }
            if let Err(error) = self.repair_once().await {
                tracing::error!(error = %error.chain(), "repairing failed");
            }
            if let Err(error) = self.repair_packs_once().await {
                tracing::error!(error = %error.chain(), "repairing packs failed");
            }
            if let Err(error) = self.tell_damage().await {
                tracing::error!(error = %error.chain(), "what is damaged is not counted");
            }
        }
    }

    /// Goes on with the pass that is due for at most five minutes, unless another node does. `rate` limits
    /// how fast is read.
    ///
    /// # Errors
    /// When rows cannot be read or written; what is damaged is no error.
    pub async fn scrub_once(&self, rate: Option<&Rate>) -> Result<ScrubReport> {
        if self.load_place().await?.repos_done {
            return Ok(ScrubReport { is_whole: true, ..ScrubReport::default() });
        }
        let due = self.clock.now();
        let job = NewJob { kind: KIND.to_owned(), dedup: KIND.to_owned(), payload: String::new(), due };
        self.db.enqueue_job(job).await?;
        let jobs = self.db.claim_jobs(&[KIND], LEASE.as_secs().cast_signed(), 1).await?;
        let Some(job) = jobs.first() else { return Ok(ScrubReport::default()) };
        let report = self.scrub_for_a_while(rate).await;
        self.db.finish_job(job).await?;
        report
    }

    async fn scrub_for_a_while(&self, rate: Option<&Rate>) -> Result<ScrubReport> {
        let (mut report, until) = (ScrubReport::default(), Instant::now() + WORK);
        let mut place = self.load_place().await?;
        while !place.blobs_done && Instant::now() < until {
            let page = self.db.list_blobs(place.blob.map(BlobId), PAGE).await?;
            place.blobs_done = page.is_empty();
            for blob in page {
                place.blob = Some(blob.id.0);
                self.scrub_blob(&blob, rate, &mut report).await?;
            }
            self.save_place(place).await?;
        }
        while place.blobs_done && !place.repos_done && Instant::now() < until {
            let page = self.db.list_repos(place.repo.map(RepoId), PAGE).await?;
            place.repos_done = page.is_empty();
            for repo in page {
                place.repo = Some(repo.id.0);
                self.scrub_packs(repo.id, rate, &mut report).await?;
            }
            self.save_place(place).await?;
        }
        report.is_whole = place.repos_done;
        Ok(report)
    }

    /// The pass under way; a new one if the last is over and its time has come.
    async fn load_place(&self) -> Result<Place> {
        let text = self.db.meta(PLACE).await?;
        let place: Option<Place> = text.and_then(|text| serde_json::from_str(&text).ok());
        let now = self.clock.now();
        let is_over = |place: &Place| {
            place.repos_done && UnixMillis(place.began).plus_seconds(self.scrub.period_seconds) <= now
        };
        Ok(place.filter(|place| !is_over(place)).unwrap_or(Place { began: now.0, ..Place::default() }))
    }

    async fn save_place(&self, place: Place) -> Result<()> {
        let text = serde_json::to_string(&place).map_err(Error::internal)?;
        Ok(self.db.set_meta(PLACE, &text).await?)
    }

    async fn scrub_blob(
        &self,
        blob: &StoredBlob,
        rate: Option<&Rate>,
        report: &mut ScrubReport,
    ) -> Result<()> {
        if blob.state != RowState::Live || blob.damaged {
            return Ok(());
        }
        report.blobs += 1;
        match self.read_blob(blob, rate).await? {
            Found::Sound | Found::Gone => {}
            Found::Damaged(why) => {
                if self.db.mark_damaged_blob(blob.id).await? {
                    tracing::error!(object = %blob.sha256, why, "a large object is damaged");
                    report.damaged_blobs += 1;
                }
            }
            Found::List(why) => {
                tracing::error!(object = %blob.sha256, why, "a chunk list is damaged and made again");
                let (store, id, sha256) = (self.store.clone(), blob.id, blob.sha256);
                if let Some(cut) = self.leaf.run(move || Ok(store.make_list(id, &sha256)?)).await? {
                    self.db.set_cut(blob.id, cut).await?;
                }
            }
        }
        Ok(())
    }

    async fn read_blob(&self, blob: &StoredBlob, rate: Option<&Rate>) -> Result<Found> {
        let opened = match in_place(|| self.store.open_blob(blob.id)) {
            Ok(opened) => opened,
            Err(error) => {
                let is_live = self.db.find_blob(&blob.sha256).await?.is_some_and(|live| live.id == blob.id);
                return Ok(if is_live { Found::Damaged(error.to_string()) } else { Found::Gone });
            }
        };
        let size_bytes = opened.size_bytes;
        match hash_slowly(&opened.file, rate).await {
            Ok(sha256) if sha256 == blob.sha256 => {}
            Ok(sha256) => return Ok(Found::Damaged(format!("its bytes are {sha256}"))),
            Err(error) => return Ok(Found::Damaged(error.to_string())),
        }
        let Some(file_hash) = blob.xet else { return Ok(Found::Sound) };
        let claim = ListClaim { sha256: blob.sha256, size_bytes, file_hash };
        let (store, id) = (self.store.clone(), blob.id);
        let wrong = self.leaf.run(move || Ok(store.check_list(id, &claim, true)?)).await?;
        Ok(wrong.map_or(Found::Sound, Found::List))
    }

    /// Reads the packs of one repository, in rows and in files.
    async fn scrub_packs(&self, repo: RepoId, rate: Option<&Rate>, report: &mut ScrubReport) -> Result<()> {
        let Some(state) = self.db.load_repo_state(repo).await? else { return Ok(()) };
        for row in state.packs {
            let (id, store) = (row.id, self.store.clone());
            report.packs += 1;
            let checked = self.leaf.run(move || {
                let checked = check_pack(row, &store, true);
                Ok(checked.map(|pack| pack.bytes().len()).map_err(|error| error.chain()))
            });
            match checked.await? {
                Ok(bytes) => {
                    if let Some(rate) = rate {
                        rate.take(bytes).await;
                    }
                }
                Err(why) => {
                    if self.is_live_pack(repo, id).await? && self.db.mark_damaged_pack(id).await? {
                        let name = state.repo.name.to_string();
                        tracing::error!(pack = %id, repository = name, why, "a pack is damaged");
                        report.damaged_packs += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the repository still has the pack; one that was removed meanwhile could not be read.
    async fn is_live_pack(&self, repo: RepoId, id: PackId) -> Result<bool> {
        let state = self.db.load_repo_state(repo).await?;
        Ok(state.is_some_and(|state| state.packs.iter().any(|row| row.id == id)))
    }

    /// Repairs damaged objects from the hubs that the repositories come from, and those of repositories at home
    /// here from hubs that mirror these; says how many are sound again.
    ///
    /// # Errors
    /// When rows cannot be read; that nobody has an object is no error.
    pub async fn repair_once(&self) -> Result<u64> {
        let mut repaired = 0;
        for blob in self.db.damaged_blobs(REPAIRS_MAX).await? {
            let done = match self.who_has(&blob).await? {
                Some((repo, sources)) => self.repair(&blob, repo, sources).await,
                None => continue,
            };
            match done {
                Ok(()) => repaired += 1,
                Err(error) => {
                    tracing::warn!(object = %blob.sha256, error = %error.chain(), "an object is not repaired yet");
                }
            }
        }
        Ok(repaired)
    }

    /// A repository that links an object and that other hubs have, too, and where those's objects can be had.
    async fn who_has(&self, blob: &Blob) -> Result<Option<(RepoId, Vec<Arc<dyn ObjectSource>>)>> {
        for id in self.db.blob_repos(&blob.sha256, LINKS_MAX).await? {
            let Some(repo) = self.db.repo(id).await? else { continue };
            let sources = match repo.upstream {
                Some(upstream) => self.object_sources(upstream, &crate::Via::default()).await,
                None => self
                    .hubs_mirroring(&repo)
                    .await
                    .map(|peers| peers.iter().map(|peer| peer.objects()).collect()),
            };
            match sources {
                Ok(sources) if sources.is_empty() => {}
                Ok(sources) => return Ok(Some((id, sources))),
                Err(error) => {
                    tracing::debug!(error = %error.chain(), "this repository's hub has no say any more");
                }
            }
        }
        Ok(None)
    }

    /// The hubs that may mirror a repository that is at home here; none for one that is not public.
    pub(crate) async fn hubs_mirroring(&self, repo: &Repo) -> Result<Vec<Arc<dyn Peer>>> {
        match self.db.own_log().await? {
            Some(log) if repo.visibility == Visibility::Public => self.who_may_mirror(&log).await,
            _ => Ok(Vec::new()),
        }
    }

    /// Fetches an object anew; what of it is sound is taken from what is here.
    pub(crate) async fn repair(
        &self,
        blob: &Blob,
        repo: RepoId,
        sources: Vec<Arc<dyn ObjectSource>>,
    ) -> Result<()> {
        let size_bytes = u64::try_from(blob.size_bytes).map_err(Error::internal)?;
        let wanted = Wanted { repo, oid: blob.sha256, size_bytes, xet: blob.xet, upstream: 0 };
        let upstream = self.db.repo(repo).await?.and_then(|repo| repo.upstream);
        let mut options = TransferOptions::default();
        if let Some(upstream) = upstream {
            let admitted = self.admit_repair(upstream, size_bytes).await?;
            options.rate = Some(Arc::clone(admitted.rate()));
            options.admitted = Some(Arc::new(admitted));
        }
        let fetched = self.fetch_object(wanted, sources, options).await?;
        tracing::info!(object = %blob.sha256, fetched_bytes = fetched.fetched_bytes, "a damaged object is repaired");
        metrics::counter!("polder_objects_repaired_total").increment(1);
        Ok(())
    }

    /// Makes the metrics say what is known to be damaged.
    async fn tell_damage(&self) -> Result<()> {
        let Damage { blobs, packs } = self.db.damage().await?;
        for (kind, count) in [("object", blobs), ("pack", packs)] {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            metrics::gauge!("polder_damaged", "kind" => kind).set(f64::from(count));
        }
        Ok(())
    }
}

/// Hashes a file as it is on the disk, leaving the system's cache to others.
async fn hash_slowly(file: &File, rate: Option<&Rate>) -> std::io::Result<Sha256> {
    let (mut hash, mut at, mut buffer) = (sha2::Sha256::new(), 0_u64, vec![0; READ_BYTES]);
    loop {
        let read = in_place(|| {
            let read = file.read_at(&mut buffer, at)?;
            hash.update(buffer.get(..read).unwrap_or_default());
            let length = NonZeroU64::new(u64::try_from(read).unwrap_or_default());
            if let Err(error) = fadvise(file, at, length, Advice::DontNeed) {
                tracing::debug!(%error, "what was read stays in the cache");
            }
            std::io::Result::Ok(read)
        })?;
        if read == 0 {
            return Ok(Sha256::new(hash.finalize().into()));
        }
        at += u64::try_from(read).unwrap_or_default();
        if let Some(rate) = rate {
            rate.take(read).await;
        }
    }
}
