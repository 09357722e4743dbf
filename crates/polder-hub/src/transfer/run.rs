//! One transfer from its first question to the published object.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use polder_blob::{ListClaim, Transfer};
use polder_types::{BlobId, Sha256, failpoint};
use polder_xet::Cut;
use sha2::Digest as _;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::fetch::Fetch;
use super::list::{Asked, Pieces, ask};
use super::plan::{Known, plan};
use super::race::{Finish, Race, Runner, Standing};
use super::running::Listed;
use super::source::{ObjectSource, SourceError};
use super::state::{Ending, Shared};
use super::{Fetched, Liar, TransferOptions, TransferProgress, Wanted};
use crate::Hub;
use crate::blocking::in_place;
use crate::error::{Error, Result};

/// Good bytes that are not written down as such, which a machine that dies may lose.
const UNSAVED_BYTES_MAX: u64 = 64 << 20;
/// Bytes in which they are looked for when only the process died: twice as many, since sources race and not all
/// comes in order.
const UNSAVED_LOOK_BYTES: u64 = 2 * UNSAVED_BYTES_MAX;
/// Objects of the same repository whose chunks are looked through.
const LINEAGE_MAX: i64 = 64;
/// Other objects whose chunks are looked through.
const SHARING_MAX: i64 = 16;
/// Bytes hashed at a time.
const HASH_BYTES: usize = 1 << 20;

/// A transfer that this process works on. Dropping it ends the work and keeps what is good.
pub(super) struct Run {
    pub(super) hub: Hub,
    pub(super) wanted: Wanted,
    pub(super) transfer: Transfer,
    pub(super) shared: Arc<Shared>,
    /// Whether what was saved as good was held to a list.
    pub(super) was_listed: bool,
    /// Whether an earlier attempt may have left more than it saved.
    pub(super) was_begun: bool,
    pub(super) listed: Listed,
}

impl Hub {
    /// Chunks of objects that are here and may be used.
    async fn known_chunks(&self, wanted: &Wanted, pieces: &Pieces) -> Result<Known> {
        if matches!(pieces, Pieces::Plain { .. }) {
            return Ok(Known::default());
        }
        let pieces = pieces.clone();
        let keys = self.leaf.run(move || pieces.key_chunks().map_err(Error::internal)).await?;
        let mut blobs = self.db.lineage(wanted.repo, LINEAGE_MAX).await?;
        blobs.extend(self.db.sharing_blobs(wanted.repo, wanted.oid, &keys, SHARING_MAX).await?);
        let store = self.store.clone();
        self.leaf
            .run(move || {
                let (mut known, mut seen) = (Known::default(), HashSet::new());
                for blob in blobs.into_iter().filter(|blob| seen.insert(blob.id)) {
                    let (Ok(data), Ok(list)) = (store.open_blob(blob.id), store.open_list(blob.id)) else {
                        continue;
                    };
                    let Ok(list) = list.file.try_clone() else { continue };
                    if let Err(error) = known.add(data.file, list) {
                        tracing::warn!(object = %blob.sha256, %error, "its chunks are not used");
                    }
                }
                Ok(known)
            })
            .await
    }
}

impl Run {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Fetches what is missing and publishes the object.
    pub(super) async fn finish(
        self,
        sources: Vec<Arc<dyn ObjectSource>>,
        options: TransferOptions,
    ) -> Result<Fetched> {
        let mut runners: Vec<Runner> = sources.into_iter().map(Runner::new).collect();
        let fetching = async {
            match self.wanted.claim() {
                Some(claim) => self.fetch_by_list(&claim, &mut runners, &options).await,
                None => self.fetch_plain(&mut runners, &options).await,
            }
        };
        let fetched = match options.until {
            Some(until) => timeout_at(until, fetching).await.unwrap_or_else(|_elapsed| {
                Err(Error::unavailable("the time for fetching this object is over; what came of it is kept"))
            }),
            None => fetching.await,
        };
        let liars: Vec<Liar> = runners.iter().filter_map(liar).collect();
        for Liar { source, lie } in &liars {
            tracing::warn!(object = %self.wanted.oid, source, lie, "a source lied");
        }
        let cut = match fetched {
            Ok(cut) => cut,
            Err(error) => {
                self.save();
                return Err(error);
            }
        };
        self.save();
        failpoint::hit("transfer.whole");
        self.publish(cut, liars).await
    }

    /// With a list: from all sources at once.
    async fn fetch_by_list(
        &self,
        claim: &ListClaim,
        runners: &mut [Runner],
        options: &TransferOptions,
    ) -> Result<Option<Cut>> {
        let kept = self.transfer.list().and_then(|list| Pieces::open(list, claim));
        let mut listed_by = None;
        let mut pieces = match kept {
            Some(pieces) => pieces,
            None => match self.ask_for_list(claim, runners, None, options).await? {
                Some((by, pieces)) => {
                    listed_by = Some(by);
                    pieces
                }
                None => return self.fetch_plain(runners, options).await,
            },
        };
        if !self.was_listed {
            self.shared.restart();
        }
        let mut hashing = self.hash_behind();
        let mut is_second = false;
        loop {
            match self.race(&pieces, runners, options).await? {
                Finish::Whole => break,
                Finish::Ours(error) => return Err(Error::internal(error)),
                Finish::Stuck => {}
            }
            // Distrust the list first: it may pass off something else as chunks.
            let is_in_doubt = runners.iter().any(|runner| matches!(runner.standing, Standing::Suspect(_)));
            let other = match listed_by {
                Some(by) if is_in_doubt && !is_second => {
                    self.ask_for_list(claim, runners, Some((by, &pieces)), options).await?
                }
                _ => None,
            };
            let Some((by, other)) = other else { return Err(self.stuck(runners)) };
            if let Some(first) = listed_by.and_then(|first| runners.get_mut(first)) {
                first.standing = Standing::Liar("a chunk list whose chunks do not exist".to_owned());
            }
            for runner in runners.iter_mut().filter(|r| matches!(r.standing, Standing::Suspect(_))) {
                runner.standing = Standing::Good;
            }
            (listed_by, pieces, is_second) = (Some(by), other, true);
        }
        if joined(&mut hashing).await? != self.wanted.oid {
            return Err(self.contradiction());
        }
        let key_chunks = in_place(|| pieces.key_chunks()).map_err(Error::internal)?;
        Ok(Some(Cut { file_hash: claim.file_hash, key_chunks }))
    }

    /// Without a list: from one source after another, since nothing but the whole can be checked. Who sent all
    /// of something wrong has lied; what several made together is fetched again from one.
    async fn fetch_plain(&self, runners: &mut [Runner], options: &TransferOptions) -> Result<Option<Cut>> {
        if self.was_listed {
            self.shared.restart();
        }
        let pieces = Pieces::Plain { size_bytes: self.wanted.size_bytes };
        if self.wanted.size_bytes == 0 {
            let hash = joined(&mut self.hash_behind()).await?;
            return if hash == self.wanted.oid { Ok(None) } else { Err(self.contradiction()) };
        }
        for at in 0..runners.len() {
            loop {
                let is_all_its = self.shared.good_bytes() == 0;
                let Some(one) = runners.get_mut(at..=at) else { break };
                match self.race(&pieces, one, options).await? {
                    Finish::Whole => {}
                    Finish::Stuck => break,
                    Finish::Ours(error) => return Err(Error::internal(error)),
                }
                if joined(&mut self.hash_behind()).await? == self.wanted.oid {
                    return Ok(None);
                }
                self.shared.restart();
                if let Some(runner) = runners.get_mut(at).filter(|_| is_all_its) {
                    runner.standing = Standing::Liar("bytes of another hash".to_owned());
                    break;
                }
            }
        }
        Err(self.stuck(runners))
    }

    /// Plans, and lets the sources race for what is missing.
    async fn race(
        &self,
        pieces: &Pieces,
        runners: &mut [Runner],
        options: &TransferOptions,
    ) -> Result<Finish> {
        let known = self.hub.known_chunks(&self.wanted, pieces).await?;
        let (shared, planned) = (Arc::clone(&self.shared), pieces.clone());
        let unsaved = if self.was_begun { UNSAVED_LOOK_BYTES } else { 0 };
        let planning = move || plan(&planned, &shared, &known, unsaved).map_err(Error::internal);
        let units = self.hub.leaf.run(planning).await?;
        self.save();
        let fetch = |source| Fetch {
            oid: self.wanted.oid,
            source,
            pieces: pieces.clone(),
            shared: Arc::clone(&self.shared),
            rate: options.rate.clone(),
            patience: options.patience,
        };
        let mut saved_bytes = self.shared.good_bytes();
        let mut tick = || {
            let good_bytes = self.shared.good_bytes();
            if good_bytes.saturating_sub(saved_bytes) >= UNSAVED_BYTES_MAX {
                in_place(|| self.transfer.save(&self.shared.encode())).map_err(io::Error::other)?;
                saved_bytes = good_bytes;
            }
            if let Some(progress) = &options.progress {
                progress(self.shared.progress());
            }
            Ok(())
        };
        Ok(Race::new(runners, &self.shared, &fetch, &mut tick, units).run().await)
    }

    /// Asks the sources in turn for the list; `instead` is one that is in doubt and who sent it.
    async fn ask_for_list(
        &self,
        claim: &ListClaim,
        runners: &mut [Runner],
        instead: Option<(usize, &Pieces)>,
        options: &TransferOptions,
    ) -> Result<Option<(usize, Pieces)>> {
        let scratch = self.hub.store.quarantine()?;
        for (at, runner) in runners.iter_mut().enumerate() {
            let is_out = matches!(runner.standing, Standing::Liar(_) | Standing::Useless(_));
            if is_out || instead.is_some_and(|(by, _)| by == at) {
                continue;
            }
            let path = scratch.path().join(format!("list-{at}"));
            let out = File::create_new(&path).map_err(Error::internal)?;
            match ask(&runner.source, claim, options.patience, &self.shared, &out).await? {
                Asked::Good => {
                    let list = File::open(&path).map_err(Error::internal)?;
                    if instead.is_some_and(|(_, pieces)| pieces.is_same_as(&list)) {
                        continue;
                    }
                    in_place(|| self.transfer.set_list(&path))?;
                    let list = self.transfer.list().and_then(|list| Pieces::open(list, claim));
                    return Ok(list.map(|pieces| (at, pieces)));
                }
                Asked::Lie(lie) => runner.standing = Standing::Liar(format!("as the chunk list: {lie}")),
                // Who has no list may still have the bytes.
                Asked::None(SourceError::Missing | SourceError::Unsupported | SourceError::Failed(_)) => {}
            }
        }
        Ok(None)
    }

    /// Hashes the object while it comes, as far as it is good from its beginning.
    fn hash_behind(&self) -> JoinSet<io::Result<Sha256>> {
        let (shared, mut tasks) = (Arc::clone(&self.shared), JoinSet::new());
        tasks.spawn(async move {
            let (mut hash, mut at, mut buffer) = (sha2::Sha256::new(), 0, vec![0; HASH_BYTES]);
            let mut changed = shared.watch();
            while at < shared.size_bytes {
                changed.borrow_and_update();
                let some = usize::try_from(shared.good_end(at).saturating_sub(at)).unwrap_or(HASH_BYTES);
                let Some(bytes) = buffer.get_mut(..some.min(HASH_BYTES)).filter(|bytes| !bytes.is_empty())
                else {
                    changed.changed().await.map_err(io::Error::other)?;
                    continue;
                };
                in_place(|| {
                    shared.data.read_exact_at(bytes, at)?;
                    hash.update(&*bytes);
                    io::Result::Ok(())
                })?;
                at += u64::try_from(bytes.len()).unwrap_or_default();
            }
            Ok(Sha256::new(hash.finalize().into()))
        });
        tasks
    }

    /// Keeps what is good for the next attempt; failing at that costs only fetching it again.
    fn save(&self) {
        if let Err(error) = in_place(|| self.transfer.save(&self.shared.encode())) {
            tracing::warn!(object = %self.wanted.oid, %error, "what was fetched is not kept");
        }
    }

    async fn publish(self, cut: Option<Cut>, liars: Vec<Liar>) -> Result<Fetched> {
        let Self { hub, wanted, transfer, shared, listed, .. } = self;
        let Wanted { repo, oid, size_bytes, .. } = wanted;
        let (id, store) = (BlobId(hub.db.next_id()), hub.store.clone());
        let published = hub.leaf.run(move || {
            transfer.publish(id)?;
            let cut = match cut {
                Some(cut) => Some(cut),
                None => store.make_list(id, &oid)?,
            };
            Ok((transfer, cut))
        });
        let (transfer, cut) = published.await?;
        failpoint::hit("transfer.published");
        let size = i64::try_from(size_bytes).map_err(Error::internal)?;
        let blob = hub.record_blob(&hub.db, id, (oid, size), repo, cut).await?;
        shared.ending.send_replace(Ending::Whole);
        drop(listed);
        if let Err(error) = hub.leaf.run(move || Ok(transfer.end()?)).await {
            tracing::warn!(object = %oid, %error, "what is left of a transfer stays for the sweep");
        }
        let TransferProgress { fetched_bytes, reused_bytes, .. } = shared.progress();
        Ok(Fetched { blob: blob.id, fetched_bytes, reused_bytes, liars })
    }

    fn stuck(&self, runners: &mut [Runner]) -> Error {
        for runner in runners.iter_mut() {
            if let Standing::Suspect(place) = runner.standing {
                runner.standing = Standing::Liar(format!("wrong bytes at {place}"));
            }
        }
        let said: Vec<String> = runners.iter().filter_map(complaint).collect();
        let said = if said.is_empty() { "there is none".to_owned() } else { said.join("; ") };
        Error::unavailable(format!("no source can deliver object `{}`: {said}", self.wanted.oid))
    }

    fn contradiction(&self) -> Error {
        self.shared.restart();
        let message = format!(
            "every chunk of object `{}` is what the signed hash says, but the whole is not: whoever signed it is wrong",
            self.wanted.oid
        );
        Error::invalid(message)
    }
}

async fn joined(hashing: &mut JoinSet<io::Result<Sha256>>) -> Result<Sha256> {
    let ended = hashing.join_next().await.ok_or_else(|| Error::internal("no hash was begun"))?;
    ended.map_err(Error::internal)?.map_err(Error::internal)
}

fn liar(runner: &Runner) -> Option<Liar> {
    match &runner.standing {
        Standing::Liar(lie) => Some(Liar { source: runner.source.name().to_owned(), lie: lie.clone() }),
        Standing::Good | Standing::Suspect(_) | Standing::Useless(_) => None,
    }
}

fn complaint(runner: &Runner) -> Option<String> {
    let name = runner.source.name();
    match &runner.standing {
        Standing::Liar(lie) => Some(format!("`{name}` lied ({lie})")),
        Standing::Useless(why) => Some(format!("`{name}`: {why}")),
        Standing::Good | Standing::Suspect(_) => None,
    }
}
