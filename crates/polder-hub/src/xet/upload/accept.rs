//! Accepting a shard: all proofs, then all bytes, then all rows.

use std::collections::HashSet;

use polder_db::StagedXorb;
use polder_types::limits::LFS_OBJECT_BYTES_MAX;
use polder_types::{AccountId, RepoId, ReservationId, Sha256, StagedXorbId, failpoint};
use polder_xet::{AcceptLimits, ProvenFile, Shard, XORB_BYTES_MAX, accept};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::files::{Placed, refused};
use super::pieces::Pieces;
use super::sources::Sources;
use super::{ACCEPTING_SECONDS_MAX, KEPT_SECONDS, number};
use crate::Hub;
use crate::access::{Contributes, Grant};
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::body::HeldBody;
use crate::error::{Error, Result};
use crate::quota::Bill;

/// Files may have so many times the bytes of the xorbs that they are made of: a small upload must not fill a disk.
const REPEATS_MAX: u64 = 64;
/// Xorbs forgotten at a time.
const FORGET_PAGE: usize = 1_000;
/// What is done, as the audit log says it.
const UPLOAD: &str = "lfs.upload";

/// How far a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardStep {
    /// Bytes of its files are read and hashed.
    Validating {
        /// So many are.
        verified: u64,
        /// Of so many.
        total: u64,
    },
    /// Its files become objects of the repository.
    Committing,
}

impl Default for ShardStep {
    fn default() -> Self {
        Self::Validating { verified: 0, total: 0 }
    }
}

impl Hub {
    /// Makes objects of a repository of what a shard says, or nothing. A retry is safe. `step` is told how far
    /// it is.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for what is no shard, or does not hold; [`crate::Kind::OverQuota`], [`crate::Kind::Full`];
    /// [`crate::Kind::Throttled`] and [`crate::Kind::Unavailable`] when no place came free.
    pub async fn xet_accept_shard<L: Contributes>(
        &self,
        grant: &Grant<L>,
        shard: HeldBody,
        step: watch::Sender<ShardStep>,
    ) -> Result<()> {
        let account = grant.actor().ok_or_else(|| Error::hidden(true, ""))?;
        let place = self.uploads.enter(grant.share()).await?;
        let entry = grant.entry(UPLOAD);
        let accepting = Accepting {
            hub: self.clone(),
            repo: grant.repo_id(),
            bill: self.bill(grant),
            account,
            reader: grant.reader(),
            entry: entry.clone(),
            step,
        };
        let (hub, shards, grant) = (self.clone(), self.shards.clone(), grant.as_contributor());
        to_the_end(async move {
            let accepted = shards.run(move || accepting.accept(&shard)).await;
            if let Err(error) = &accepted {
                hub.record_refusal(entry, error).await;
                hub.forget_refused(&grant, error).await;
            }
            drop(place);
            accepted
        })
        .await
    }
}

/// What there is while a shard is accepted.
struct Accepting {
    hub: Hub,
    repo: RepoId,
    bill: Bill,
    account: AccountId,
    /// Who may read elsewhere, too.
    reader: Option<AccountId>,
    entry: Entry,
    step: watch::Sender<ShardStep>,
}

impl Accepting {
    fn accept(&self, shard: &[u8]) -> Result<()> {
        let shard = Shard::decode(shard).map_err(|error| Error::invalid(error.to_string()))?;
        let expires = self.hub.clock.now().plus_seconds(KEPT_SECONDS.max(ACCEPTING_SECONDS_MAX));
        wait(self.hub.db.keep_xorbs(self.repo, self.account, expires))?;
        let found = Sources::find(&self.hub, self.repo, self.account, self.reader, &shard);
        let mut sources = Handle::current().block_on(found)?;
        let limits = AcceptLimits { file_bytes: LFS_OBJECT_BYTES_MAX, files_bytes: LFS_OBJECT_BYTES_MAX };
        let files = accept(&shard, &mut sources, limits).map_err(refused)?;
        check_repeats(&sources, &files)?;
        let linked = self.linked(&files)?;
        let staged = sources.staged();
        let promised = self.promise(&files, &linked, &staged)?;
        let made = self.make(&mut sources, &files, linked, &promised);
        if made.is_err() {
            self.promise_back(staged, promised.into_iter().flatten().collect());
        }
        let used = made?;
        for page in used.chunks(FORGET_PAGE) {
            Handle::current().block_on(self.hub.forget_xorbs(page.to_vec()))?;
        }
        Ok(())
    }

    /// The files that are here already, in the repository or where its sender may read. Their chunks are proven, so
    /// their bytes need not be read again.
    fn linked(&self, files: &[ProvenFile<'_>]) -> Result<Vec<Option<Placed>>> {
        let one = |file: &ProvenFile<'_>| {
            let linked = wait(self.hub.db.file_of_repo(self.repo, file.hash()))?;
            let placed = match linked.filter(|blob| !blob.damaged) {
                Some(blob) => Placed::linked(&blob),
                None => match wait(self.hub.db.readable_file(self.repo, self.reader, file.hash()))? {
                    Some(blob) => Placed::here(&blob),
                    None => return Ok(None),
                },
            };
            file.settle(*placed.sha256.as_bytes()).map_err(|refused| Error::invalid(refused.to_string()))?;
            Ok(Some(placed))
        };
        files.iter().map(one).collect()
    }

    /// Promises to the files what was promised to the xorbs: their bytes count once. What the repository has
    /// already, as a shard says, takes no room; if it says so wrongly, it is refused once the bytes are read.
    fn promise(
        &self,
        files: &[ProvenFile<'_>],
        linked: &[Option<Placed>],
        staged: &[StagedXorb],
    ) -> Result<Vec<Option<ReservationId>>> {
        let new = || files.iter().zip(linked).filter(|(_, linked)| linked.is_none()).map(|(file, _)| file);
        let said = |file: &ProvenFile<'_>| file.said_sha256().map(Sha256::new);
        let oids: Vec<Sha256> = new().filter_map(said).collect();
        let had = wait(self.hub.db.linked_blobs(self.repo, &oids))?;
        let had: HashSet<Sha256> = had.into_iter().map(|blob| blob.sha256).collect();
        let is_had = |file: &ProvenFile<'_>| said(file).is_some_and(|sha256| had.contains(&sha256));
        let size = |file: &ProvenFile<'_>| if is_had(file) { 0 } else { number(file.size_bytes) };
        let sizes = new().map(size).collect();
        let xorbs = staged.iter().map(|staged| staged.id).collect();
        let expires = self.hub.clock.now().plus_seconds(ACCEPTING_SECONDS_MAX);
        let promised =
            wait(self.bill.counting(&self.hub.db).promise_to_files(self.repo, xorbs, sizes, expires))?;
        let mut promised = promised.into_iter();
        Ok(linked.iter().map(|linked| if linked.is_none() { promised.next() } else { None }).collect())
    }

    /// Promises to the xorbs again what was promised to files that came to nothing. There may be no room for that any
    /// more, as when some of many files were linked before others failed, and count now. Then the xorbs wait without
    /// a promise, and the files have none either, so that the same shard has room when it is sent again.
    fn promise_back(&self, staged: Vec<StagedXorb>, promised: Vec<ReservationId>) {
        let db = self.bill.counting(&self.hub.db);
        let Err(error) = wait(db.promise_to_xorbs(self.repo, staged, promised.clone())) else { return };
        tracing::warn!(error = %error.chain(), "bytes of a refused shard are not promised again");
        for file in promised {
            Handle::current().block_on(self.hub.release(Some(file)));
        }
    }

    /// Makes the objects; the xorbs that are not needed any more.
    fn make(
        &self,
        sources: &mut Sources,
        files: &[ProvenFile<'_>],
        linked: Vec<Option<Placed>>,
        promised: &[Option<ReservationId>],
    ) -> Result<Vec<StagedXorbId>> {
        let mut placed = Vec::with_capacity(files.len());
        let total = files.iter().map(|file| file.size_bytes).sum();
        let mut verified = 0;
        for (file, linked) in files.iter().zip(linked) {
            let one = match linked {
                Some(linked) => Ok(linked),
                None => self.hub.place_file(sources, file, &mut |bytes| {
                    verified += bytes;
                    self.step.send_replace(ShardStep::Validating { verified, total });
                }),
            };
            match one {
                Ok(one) => placed.push(one),
                Err(error) => {
                    self.hub.take_back_placed(&placed);
                    return Err(error);
                }
            }
        }
        failpoint::hit("xet.files_placed");
        self.step.send_replace(ShardStep::Committing);
        let linked = self.hub.link_placed(self.bill, &mut placed, promised, &self.entry);
        Handle::current().block_on(linked)?;
        failpoint::hit("xet.files_linked");
        let mut pieces = Pieces::new(&self.hub);
        for (file, placed) in files.iter().zip(&placed) {
            pieces.add(sources, file, placed.sha256, placed.is_cut_as(file))?;
        }
        let used = pieces.finish()?;
        failpoint::hit("xet.pieces_written");
        Ok(used)
    }
}

/// A small upload must not stand for more than a disk holds.
fn check_repeats(sources: &Sources, files: &[ProvenFile<'_>]) -> Result<()> {
    let files_bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
    let xorb_bytes = sources.bytes().max(u64::from(XORB_BYTES_MAX));
    if files_bytes > xorb_bytes.saturating_mul(REPEATS_MAX) {
        return Err(Error::invalid("the files of the shard repeat the same chunks too often"));
    }
    Ok(())
}

fn wait<T>(done: impl Future<Output = polder_db::Result<T>>) -> Result<T> {
    Ok(Handle::current().block_on(done)?)
}
